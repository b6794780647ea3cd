"""Reading and checking signed tokens in their compact form (RFC 7515, 7517, 7519). Pure.

Stricter than the standards where leniency has been abused: one way to write each token, no members twice, no keys or
rules of the token's own, and no key that its owner meant for something else.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Collection, Mapping
from functools import lru_cache
from typing import Any, Final

from jwt.algorithms import Algorithm, ECAlgorithm, HMACAlgorithm, OKPAlgorithm, RSAAlgorithm, RSAPSSAlgorithm
from jwt.exceptions import PyJWTError

from keyhouse.credentials.trusted_publishers.errors import (
    AlgorithmRefused,
    HeaderRefused,
    IdentityMalformed,
    KeyUnknown,
    SignatureInvalid,
)

LONGEST_TOKEN: Final = 16 * 1024
LONGEST_KID: Final = 512
MOST_KEYS: Final = 64
LEAST_RSA_BITS: Final = 2048
MOST_RSA_BITS: Final = 8192  # a larger one costs more than it tells
LEAST_EXPONENT: Final = 65537
ISSUER_ALGORITHMS: Final = ("RS256", "ES256")

_PARTS: Final = 3
# they bring keys, fetch keys, change what is signed, or say that it is encrypted
_FORBIDDEN: Final = frozenset({"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"})
_KEY_TYPES: Final = {
    **{f"RS{bits}": "RSA" for bits in (256, 384, 512)},
    **{f"PS{bits}": "RSA" for bits in (256, 384, 512)},
    **{f"ES{bits}": "EC" for bits in (256, 384, 512)},
    **{f"HS{bits}": "oct" for bits in (256, 384, 512)},
    "EdDSA": "OKP",
}
_CURVES: Final = {
    "ES256": frozenset({"P-256"}),
    "ES384": frozenset({"P-384"}),
    "ES512": frozenset({"P-521"}),
    "EdDSA": frozenset({"Ed25519", "Ed448"}),
}
_SCHEMES: Final[dict[str, Algorithm]] = {
    **{f"RS{bits}": RSAAlgorithm(getattr(RSAAlgorithm, f"SHA{bits}")) for bits in (256, 384, 512)},
    **{f"PS{bits}": RSAPSSAlgorithm(getattr(RSAPSSAlgorithm, f"SHA{bits}")) for bits in (256, 384, 512)},
    **{f"ES{bits}": ECAlgorithm(getattr(ECAlgorithm, f"SHA{bits}")) for bits in (256, 384, 512)},
    **{f"HS{bits}": HMACAlgorithm(getattr(HMACAlgorithm, f"SHA{bits}")) for bits in (256, 384, 512)},
    "EdDSA": OKPAlgorithm(),
}


def read_header_and_claims(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what a token says of itself, before anything of it is believed; raises IdentityMalformed."""
    header, payload, _ = _split(token)
    return _read_object(header, "header"), _read_object(payload, "payload")


def verify(
    token: str, key_set: Mapping[str, Any], algorithms: Collection[str] = ISSUER_ALGORITHMS
) -> dict[str, Any]:
    """Return the claims of a token that a key of this set signed; raises an IdentityRefused."""
    return _read_object(verify_bytes(token, key_set, algorithms), "payload")


def verify_bytes(token: str, key_set: Mapping[str, Any], algorithms: Collection[str]) -> bytes:
    """Return what a key of this set signed, whatever it is; raises an IdentityRefused."""
    header_part, payload, signature = _split(token)
    header = _read_object(header_part, "header")
    algorithm = check_header(header, algorithms)
    key = _find_key(key_set, header.get("kid"), algorithm)
    signed = token.rpartition(".")[0].encode("ascii")
    if not _SCHEMES[algorithm].verify(signed, _load(algorithm, json.dumps(key, sort_keys=True)), signature):
        raise SignatureInvalid
    return payload


def check_header(header: Mapping[str, Any], algorithms: Collection[str] = ISSUER_ALGORITHMS) -> str:
    """Return the algorithm that a header names; raises AlgorithmRefused or HeaderRefused. Asks for no key."""
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms or algorithm not in _SCHEMES:
        named = ", ".join(one for one in algorithms if one in _SCHEMES) or "nothing"
        raise AlgorithmRefused(f"Tokens are signed with {named} here.")
    brought = sorted(_FORBIDDEN & header.keys())
    if brought:
        raise HeaderRefused(f"The header of the token holds `{brought[0]}`, which is not taken.")
    _check_kid(header)
    kind = header.get("typ", "JWT")
    if not isinstance(kind, str) or kind.lower() not in {"jwt", "jws", "jose"}:
        raise HeaderRefused("The header of the token says by `typ` that it is something else.")
    return algorithm


def signed_text(token: str) -> str:
    """Return what is signed of a token. Unlike the signature, nobody but its issuer can write that another way."""
    return token.rpartition(".")[0]


def usable_keys(key_set: Mapping[str, Any]) -> list[str]:
    """Return the names of those keys of a set that could sign by the algorithms of issuers."""
    keys = key_set.get("keys")
    return [
        str(key.get("kid", ""))
        for key in (keys if isinstance(keys, list) else [])
        if isinstance(key, dict) and any(_is_fit(key, algorithm) for algorithm in ISSUER_ALGORITHMS)
    ]


def read_json(text: bytes) -> dict[str, Any]:
    """Return a JSON object without members that stand twice; raises ValueError for everything else."""
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_without_doubles, parse_constant=_no_constant
        )
    except RecursionError as error:
        raise ValueError("it is nested too deep") from error
    if not isinstance(value, dict):
        raise ValueError("it is no object")  # noqa: TRY004 - one exception for all that is malformed
    return value


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member stands twice")
    for one in (*found, *found.values()):
        _check_texts(one)
    return found


def _check_texts(value: Any) -> None:
    """Raise ValueError for a text that no database can hold; objects inside were looked at before."""
    if isinstance(value, str):
        if "\x00" in value:
            raise ValueError("a text holds a null character")
        value.encode()  # halves of characters can't be: UnicodeEncodeError is a ValueError
    elif isinstance(value, list):
        for one in value:
            _check_texts(one)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _split(token: str) -> tuple[bytes, bytes, bytes]:
    if len(token) > LONGEST_TOKEN:
        raise IdentityMalformed(f"A token has at most {LONGEST_TOKEN:,} characters.")
    parts = token.split(".")
    if len(parts) != _PARTS:
        raise IdentityMalformed("A token has three parts, separated by dots.")
    header, payload, signature = map(_decode, parts)
    return header, payload, signature


def _decode(part: str) -> bytes:
    """Return the bytes of a part in base64url, which has one way to write them: no padding, no bits left over."""
    try:
        text = part.encode("ascii")
        found = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError as error:
        raise IdentityMalformed("A part of the token is not base64url.") from error
    if base64.urlsafe_b64encode(found).rstrip(b"=") != text:
        raise IdentityMalformed("A part of the token is not base64url in its one form.")
    return found


def _read_object(text: bytes, what: str) -> dict[str, Any]:
    try:
        return read_json(text)
    except ValueError as error:
        raise IdentityMalformed(f"The {what} of the token is not a proper JSON object.") from error


def _check_kid(header: Mapping[str, Any]) -> None:
    if "kid" not in header:
        return
    kid = header["kid"]
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID or not kid.isprintable():
        raise HeaderRefused("The header of the token names its key (`kid`) by something that is no name.")


def _find_key(key_set: Mapping[str, Any], kid: object, algorithm: str) -> Mapping[str, Any]:
    """Return the one key of a set that this token can be about; raises KeyUnknown."""
    keys = key_set.get("keys")
    known = [one for one in keys if isinstance(one, dict)] if isinstance(keys, list) else []
    named = [one for one in known[:MOST_KEYS] if kid is None or one.get("kid", kid) == kid]
    fit = [one for one in named if _is_fit(one, algorithm)]
    if len(fit) == 1:
        return fit[0]
    if fit:
        raise KeyUnknown("More than one key of its issuer could be meant.", fix="")
    if named and kid is not None:
        raise KeyUnknown("The key that the token names is not one for signatures like this.", fix="")
    raise KeyUnknown


def _is_fit(key: Mapping[str, Any], algorithm: str) -> bool:
    """Tell whether a key is for signatures by this algorithm, by what its owner says of it and by what it is."""
    if key.get("kty") != _KEY_TYPES[algorithm] or key.get("alg", algorithm) != algorithm:
        return False
    operations = key.get("key_ops", ["verify"])
    if key.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return False
    curve = key.get("crv")  # anything that JSON can hold
    if algorithm in _CURVES and not (isinstance(curve, str) and curve in _CURVES[algorithm]):
        return False
    try:
        _load(algorithm, json.dumps(key, sort_keys=True))
    except KeyUnknown:
        return False
    return True


@lru_cache(maxsize=256)
def _load(algorithm: str, key: str) -> Any:
    """Return a key ready for use; raises KeyUnknown where it is broken or too weak."""
    try:
        loaded = type(_SCHEMES[algorithm]).from_jwk(key)
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        raise KeyUnknown("The key that the token names is broken.", fix="") from error
    if not _is_strong(algorithm, loaded):
        raise KeyUnknown("The key that the token names is too weak.", fix="")
    return loaded


def _is_strong(algorithm: str, key: Any) -> bool:
    if isinstance(key, bytes):
        return len(key) * 8 >= int(algorithm.removeprefix("HS"))
    public = key.public_key() if hasattr(key, "public_key") else key
    if _KEY_TYPES[algorithm] != "RSA":
        return True
    exponent: int = public.public_numbers().e
    is_odd = exponent % 2 == 1 and LEAST_EXPONENT <= exponent < 2**64
    bits: int = public.key_size
    return is_odd and LEAST_RSA_BITS <= bits <= MOST_RSA_BITS
