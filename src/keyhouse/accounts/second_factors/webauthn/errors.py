"""Why an answer of a security key or passkey is refused."""

from __future__ import annotations

from keyhouse.core.errors import Refusal, Situation


class KeyRefused(Refusal):
    """The answer of a security key or passkey is not accepted; subclasses say why."""

    code = "key-refused"
    situation = Situation.FORBIDDEN
    sentence = "This security key or passkey could not be accepted."
    fix = "Try once more, from the page where you began."


class KeyAnswerMalformed(KeyRefused):
    """What came is not the answer of a browser."""

    code = "key-answer-malformed"
    situation = Situation.INVALID
    sentence = "The answer of the security key can't be read."


class KeyChallengeWrong(KeyRefused):
    """The answer belongs to another challenge: a replay, or a ceremony for another purpose."""

    code = "key-challenge-wrong"
    sentence = "The security key answered something else than was asked."


class KeyOriginWrong(KeyRefused):
    """The answer was given to another site, or inside a frame of one (WebAuthn Level 3, 13.4.9)."""

    code = "key-origin-wrong"
    sentence = "The security key was used on another site."
    fix = "Open the index by its own address and try again."


class KeySiteWrong(KeyRefused):
    """The credential belongs to another relying party."""

    code = "key-site-wrong"
    sentence = "This security key was set up for another site."


class UserNotVerified(KeyRefused):
    """The authenticator did not check who holds it, and that was asked for."""

    code = "user-not-verified"
    sentence = "The security key did not verify you by PIN, fingerprint or face."
    fix = "Set a PIN on your security key, or use a passkey that unlocks by one."


class KeyKnown(KeyRefused):
    """The credential is enrolled already."""

    code = "key-known"
    situation = Situation.CONFLICT
    sentence = "This security key is enrolled already."
    fix = "Use another one."


class KeyUnknown(KeyRefused):
    """The credential is not one of those that were asked for, or somebody else's."""

    code = "key-unknown"
    sentence = "This security key is not known here."
    fix = "Use one that you enrolled, or another way to sign in."


class KeyNotKept(KeyRefused):
    """The key can't sign its owner in alone: it is not kept on the authenticator, or nobody was verified."""

    code = "key-not-kept"
    sentence = "This security key can't open an account by itself."
    fix = "Use a passkey or a key with a code or finger sensor, or choose a password."


class KeyModelRefused(KeyRefused):
    """Only listed models are taken, and the key's maker doesn't vouch for it being one."""

    code = "key-model-refused"
    sentence = (
        "Only security keys of models that this index lists are taken, and this one did not prove to be one."
    )
    fix = "Let your browser tell make and model when it asks, or use another security key; operators know which are listed."


class KeyTypeRefused(KeyRefused):
    """Algorithm, curve or size of the public key is not accepted."""

    code = "key-type-refused"
    sentence = "Keys of this kind are not accepted."
    fix = "Use another security key."


class KeyBackupInconsistent(KeyRefused):
    """The backup flags contradict each other, or what was enrolled (WebAuthn Level 3, 6.1.3)."""

    code = "key-backup-inconsistent"
    sentence = "What the security key says of its backups contradicts itself."


class KeyCloned(KeyRefused):
    """The signature counter did not rise: there may be a copy of the key (WebAuthn Level 3, 6.1.1)."""

    code = "key-cloned"
    sentence = "This security key may have been copied: its counter did not rise, so it was switched off."
    fix = "Sign in by another factor or a recovery code, remove this key and add a new one."


class KeySignatureWrong(KeyRefused):
    """The signature, or the attestation statement, does not verify."""

    code = "key-signature-wrong"
    sentence = "The signature of the security key is not right."
