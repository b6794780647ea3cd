"""The part of `keyhouse dev verify` that judges what security keys answer: JSON forms in, JSON forms out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from keyhouse.accounts.second_factors.webauthn import rules
from keyhouse.accounts.second_factors.webauthn.errors import KeyAnswerMalformed
from keyhouse.accounts.second_factors.webauthn.rules import KnownKey, NewKey, Site, decode, encode


def judge_registration(options: Mapping[str, Any], response: Mapping[str, Any], site: Site) -> dict[str, Any]:
    """Return the `credential` that a registration makes; raises a KeyRefused."""
    return {"credential": _told(rules.verify_registration(options, response, site))}


def judge_assertion(
    options: Mapping[str, Any], response: Mapping[str, Any], credential: Mapping[str, Any], site: Site
) -> dict[str, Any]:
    """Return what an assertion by a `credential` proves; raises a KeyRefused."""
    proof = rules.verify_assertion(options, response, _known(credential), site)
    return {
        "sign_count": proof.sign_count,
        "user_verified": proof.user_verified,
        "backup_state": proof.backup_state,
    }


def _told(key: NewKey) -> dict[str, Any]:
    return {
        "id": encode(key.id),
        "public_key": encode(key.public_key),
        "user_handle": encode(key.user_handle),
        "sign_count": key.sign_count,
        "backup_eligible": key.backup_eligible,
        "backup_state": key.backup_state,
        "algorithm": key.algorithm,
        "user_verified": key.user_verified,
        "aaguid": key.aaguid,
    }


def _known(credential: Mapping[str, Any]) -> KnownKey:
    count, is_eligible = credential.get("sign_count", 0), credential.get("backup_eligible", False)
    if not isinstance(count, int) or isinstance(count, bool) or not isinstance(is_eligible, bool):
        raise KeyAnswerMalformed("`sign_count` is a whole number, `backup_eligible` true or false.")
    return KnownKey(
        id=decode(credential.get("id")),
        public_key=decode(credential.get("public_key")),
        user_handle=decode(credential.get("user_handle")),
        sign_count=count,
        backup_eligible=is_eligible,
    )
