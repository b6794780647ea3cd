"""Security keys made of code, for seeded people: a check from outside signs with the private key it is told."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from keyhouse.accounts.second_factors.webauthn.rules import ES256, NewKey, encode

_ID_BYTES: Final = 32
_HANDLE_BYTES: Final = 64
_COORDINATE_BYTES: Final = 32
_NO_MODEL: Final = "00000000-0000-0000-0000-000000000000"


@dataclass(frozen=True, slots=True)
class SoftKey:
    """What the index keeps of a key, and what only its maker may know (JSON values)."""

    kept: NewKey
    told: dict[str, Any]


def new_soft_key() -> SoftKey:
    """Make an ES256 key (RFC 9053) that can't leave its device, with a user handle for its person."""
    private = ec.generate_private_key(ec.SECP256R1())
    numbers = private.public_key().public_numbers()
    point = (numbers.x.to_bytes(_COORDINATE_BYTES), numbers.y.to_bytes(_COORDINATE_BYTES))
    kept = NewKey(
        id=secrets.token_bytes(_ID_BYTES),
        public_key=cbor2.dumps({1: 2, 3: ES256, -1: 1, -2: point[0], -3: point[1]}),
        algorithm=ES256,
        user_handle=secrets.token_bytes(_HANDLE_BYTES),
        sign_count=0,
        user_verified=True,
        backup_eligible=False,
        backup_state=False,
        aaguid=_NO_MODEL,
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    told = {
        "credential_id": encode(kept.id),
        "private_key_pem": pem,
        "user_handle": encode(kept.user_handle),
    }
    return SoftKey(kept, told)
