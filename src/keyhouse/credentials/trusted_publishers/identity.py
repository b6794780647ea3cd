"""From the text of an identity token to claims that can be believed, each check in its place.

Issuer on the list, then its keys, the signature, the times, the audience, and the number by which it is taken once.
Nothing that a token says is used before its signature is known, except which issuer and which key it names.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from keyhouse.credentials.trusted_publishers import issuers, jws
from keyhouse.credentials.trusted_publishers.errors import (
    AudienceInvalid,
    IdentityMalformed,
    IssuerUnknown,
    JtiMissing,
    SignatureInvalid,
    TimesInvalid,
)
from keyhouse.credentials.trusted_publishers.models import Issuer, Provider

LEEWAY: Final = timedelta(seconds=30)
LONGEST_LIFE: Final = timedelta(hours=24)
LONGEST_JTI: Final = 512
_LAST_SECOND: Final = 253_402_214_400  # of a day before the last one that an instant can hold
_NUMBERED: Final = frozenset({Provider.GITHUB, Provider.GITLAB})  # each of their tokens has a `jti`


@dataclass(frozen=True, slots=True)
class Identity:
    """Who says what about whom, believed; `replay_digest` is to be claimed before anything is given for it."""

    issuer: Issuer
    claims: Mapping[str, Any]
    expires_at: datetime
    replay_digest: str


def verify_identity(token: str, *, audience: str, now: datetime) -> Identity:
    """Return what a token proves; raises an IdentityRefused. May ask the issuer for keys: not inside a transaction."""
    header, unproven = jws.read_header_and_claims(token)
    issuer = find_named_issuer(unproven)
    jws.check_header(header)
    claims = _verify(token, issuer, header.get("kid"), now)
    return judge_claims(token, claims, issuer, audience=audience, now=now)


def judge_claims(
    token: str, claims: Mapping[str, Any], issuer: Issuer, *, audience: str, now: datetime
) -> Identity:
    """Judge what was signed: times, audience, number. Pure; raises an IdentityRefused."""
    expires_at = check_times(claims, now)
    check_audience(claims, audience, issuer)
    return Identity(issuer, claims, expires_at, replay_digest_of(token, claims, issuer))


def find_named_issuer(claims: Mapping[str, Any]) -> Issuer:
    """Return the issuer on the list that a token names; raises IdentityMalformed or IssuerUnknown."""
    if not isinstance(claims.get("iss"), str):
        raise IdentityMalformed("The token names no issuer.")
    issuer = issuers.find_issuer(claims["iss"])
    if issuer is None:
        raise IssuerUnknown
    return issuer


def check_times(claims: Mapping[str, Any], now: datetime) -> datetime:
    """Return when a token ends; raises TimesInvalid for one that is over, to come, or valid for absurdly long."""
    expires_at, issued_at = _instant(claims, "exp"), _instant(claims, "iat")
    if expires_at + LEEWAY <= now:
        raise TimesInvalid("The token has expired.", fix="Ask the CI system for a new one.")
    if issued_at - LEEWAY > now:
        raise TimesInvalid("The token was issued in the future.", fix="Look at the clocks of both servers.")
    if "nbf" in claims and _instant(claims, "nbf") - LEEWAY > now:
        raise TimesInvalid("The token is not valid yet.")
    if not timedelta(0) < expires_at - issued_at <= LONGEST_LIFE:
        raise TimesInvalid(f"A token is valid for at most {LONGEST_LIFE // timedelta(hours=1)} hours.")
    return expires_at


def check_audience(claims: Mapping[str, Any], audience: str, issuer: Issuer) -> None:
    """Raise AudienceInvalid unless the token was made for us and for nobody else.

    Some issuers write a single audience as a list of one (Kubernetes always does); those that we know well never do.
    """
    told = claims.get("aud")
    if isinstance(told, list) and len(told) == 1 and issuer.provider == Provider.CUSTOM:
        told = told[0]
    if isinstance(told, list):
        raise AudienceInvalid("The token names a list of audiences; it must name one.")
    if not audience or not isinstance(told, str) or told != audience:
        raise AudienceInvalid


def replay_digest_of(token: str, claims: Mapping[str, Any], issuer: Issuer) -> str:
    """Return by what a token is taken once: its number at its issuer, else what its issuer signed.

    Not the whole text: whoever holds an ES256 signature can write a second one for the same content.
    """
    number = claims.get("jti")
    if number is None and issuer.provider not in _NUMBERED:
        return _digest("token", issuer.url, jws.signed_text(token))
    if not isinstance(number, str) or not 0 < len(number) <= LONGEST_JTI:
        raise JtiMissing
    return _digest("jti", issuer.url, number)


def _verify(token: str, issuer: Issuer, kid: str | None, now: datetime) -> Mapping[str, Any]:
    """Return the claims; where the signature is wrong, the issuer may have put another key under the same name."""
    keys = issuers.key_set_of(issuer, kid, now)
    try:
        return jws.verify(token, keys)
    except SignatureInvalid:
        again = issuers.key_set_of(issuer, kid, now, is_doubted=True)
        if again == keys:
            raise
        return jws.verify(token, again)


def _digest(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode()).hexdigest()


def _instant(claims: Mapping[str, Any], name: str) -> datetime:
    """Return an instant that a token names (RFC 7519, NumericDate); raises TimesInvalid."""
    value = claims.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not 0 <= value <= _LAST_SECOND:
        raise TimesInvalid(f"The token has no usable `{name}`.")
    return datetime.fromtimestamp(value, UTC)
