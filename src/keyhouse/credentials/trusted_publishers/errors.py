"""Refusals about identities from CI. Each knows the word of the public exchange for it (`reason_code`)."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation

# The words of the exchange that uploading clients know; its answer holds one of them beside a sentence.
INVALID_PAYLOAD = "invalid-payload"
INVALID_TOKEN = "invalid-token"  # noqa: S105 - a word of the protocol
INVALID_REUSE = "invalid-reuse-token"
INVALID_PUBLISHER = "invalid-publisher"
INVALID_PENDING_PUBLISHER = "invalid-pending-publisher"
NOT_ENABLED = "not-enabled"


class IdentityRefused(Refusal):
    """An identity token, or what it claims, is not taken. A raiser may name another `reason_code`."""

    code = "identity-refused"
    situation = Situation.INVALID
    sentence = "This identity is not taken."
    reason_code: str = INVALID_TOKEN

    def __init__(
        self,
        sentence: str | None = None,
        *,
        reason_code: str | None = None,
        fix: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        """Take the exact sentence, and the word of the exchange where the class's own is not it."""
        self.reason_code = reason_code if reason_code is not None else type(self).reason_code
        super().__init__(sentence, fix=fix, retry_after=retry_after)

    @property
    def description(self) -> str:
        """Return the sentence that stands beside the word in the answer."""
        return self.sentence


class IdentityMalformed(IdentityRefused):
    """What was sent is no signed token in its compact form."""

    code = "identity-malformed"
    sentence = "This is not an identity token."
    fix = "Send the token exactly as the CI system gave it."
    reason_code = INVALID_PAYLOAD


class AlgorithmRefused(IdentityRefused):
    """It is signed in a way that is not taken, or not signed at all."""

    code = "identity-algorithm"
    sentence = "Identity tokens are signed with RS256 or ES256 here."


class HeaderRefused(IdentityRefused):
    """Its header brings keys, or asks for rules, of its own."""

    code = "identity-header"
    sentence = "The header of the token holds something that is not taken."


class SignatureInvalid(IdentityRefused):
    """No key of its issuer made this signature."""

    code = "identity-signature"
    sentence = "The signature of the token is not one of its issuer."


class KeyUnknown(IdentityRefused):
    """Its issuer has no such key, as far as could be learned."""

    code = "identity-key-unknown"
    sentence = "Its issuer has no key of the name that the token gives."
    fix = "If the issuer has just changed its keys, try again in a minute."


class KeysMissing(IdentityRefused):
    """The keys of the issuer can't be had, and those that were kept are too old."""

    code = "identity-keys-missing"
    sentence = "The keys of its issuer can't be fetched now."
    fix = "Try again in a minute; if that goes on, operators see why with `keyhouse publisher issuers test`."


class IssuerUnknown(IdentityRefused):
    """Nobody added this issuer here."""

    code = "issuer-unknown"
    sentence = "The issuer of the token is not one that this index knows."
    fix = "Operators add issuers with `keyhouse publisher issuers add`."
    reason_code = INVALID_PAYLOAD


class TimesInvalid(IdentityRefused):
    """It is not valid now, or says nothing sensible about when it is."""

    code = "identity-times"
    sentence = "The token is not valid at this time."


class AudienceInvalid(IdentityRefused):
    """It was made for somebody else."""

    code = "identity-audience"
    sentence = "The token was not made for this index."
    fix = "Ask the CI system for a token with the audience of this index."


class JtiMissing(IdentityRefused):
    """Its issuer numbers tokens, and this one has no number."""

    code = "identity-number-missing"
    sentence = "The token has no usable `jti`."


class IdentitySpent(IdentityRefused):
    """Somebody has shown this identity before."""

    code = "identity-spent"
    sentence = "This identity token was used before; each one is taken once."
    fix = "Ask the CI system for a new one."
    reason_code = INVALID_REUSE


class ReadingOpen(IdentityRefused):
    """Everybody may read this index."""

    code = "reading-open"
    sentence = "Reading this index needs no token."
    fix = "Leave the credential out."
    reason_code = NOT_ENABLED


class ProjectNotTrusting(IdentityRefused):
    """The exchange was asked for one project, and this identity speaks for others only."""

    code = "project-not-trusting"
    sentence = "No publisher of that project, or pending for that name, matches this identity."
    fix = "Check the name, and the publishers in the project's settings."
    reason_code = INVALID_PUBLISHER


class PayloadMalformed(IdentityRefused):
    """The body is not what the exchange takes."""

    code = "exchange-malformed"
    sentence = "The body must be a JSON object with the text `token`."
    reason_code = INVALID_PAYLOAD


class PayloadTooLarge(Refusal):
    """No identity token is as large as that."""

    code = "exchange-too-large"
    situation = Situation.TOO_LARGE
    sentence = "This is larger than any identity token."


class FormNotOffered(Refusal):
    """The caller takes none of the forms in which this can be told."""

    code = "form-not-offered"
    sentence = "This is told as JSON only."
    fix = "Ask with `Accept: application/vnd.pypi.pytp.v1+json`."


class IssuerRefused(Refusal):
    """The family of refusals about the list of issuers."""


class IssuerUrlInvalid(IssuerRefused):
    """No issuer can have such an address."""

    code = "issuer-url-invalid"
    sentence = "The address of an issuer begins with https:// and is written as its tokens have it."
    fix = "Take the value of `iss` in a token of it, for example https://gitlab.example.com."


class IssuerTermsInvalid(IssuerRefused):
    """What was given beside the address can't be."""

    code = "issuer-terms-invalid"
    sentence = "An issuer can't be added like that."


class IssuerTaken(IssuerRefused):
    """It is on the list already."""

    code = "issuer-taken"
    situation = Situation.CONFLICT
    sentence = "This issuer is on the list already."
    fix = "Remove it first, if it is to be added with other terms."


class IssuerMissing(IssuerRefused):
    """There is no such issuer on the list."""

    code = "issuer-missing"
    situation = Situation.MISSING
    sentence = "There is no such issuer on the list."
    fix = "See `keyhouse publisher issuers list`."


class IssuerUnanswered(IssuerRefused):
    """It gave no answer that can be used; the sentence says what happened."""

    code = "issuer-unanswered"
    situation = Situation.UNAVAILABLE
    sentence = "The issuer gives no answer that can be used."
    fix = "Look at its address, its certificate, and the network between."
