"""Judging what a security key or passkey answers (WebAuthn Level 3, sections 7.1 and 7.2). Pure.

`webauthn` (py_webauthn) reads and verifies; what it leaves to its caller is judged here: the exact origin, frames of other
sites, that the id is the signed one, which keys are accepted, backup flags, bytes left over, whose the key is.
Options and answers are the JSON forms of Level 3; binary values in them are base64url without padding.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from keyhouse.accounts.second_factors.webauthn.errors import (
    KeyAnswerMalformed,
    KeyBackupInconsistent,
    KeyChallengeWrong,
    KeyCloned,
    KeyKnown,
    KeyOriginWrong,
    KeyRefused,
    KeySignatureWrong,
    KeySiteWrong,
    KeyTypeRefused,
    KeyUnknown,
    UserNotVerified,
)

if TYPE_CHECKING:
    from webauthn.helpers.structs import AuthenticatorData

ES256: Final = -7
EDDSA: Final = -8
ES512: Final = -36
RS256: Final = -257
# Statements of these formats prove themselves. The others need their makers' roots: where no attestation was asked for,
# they say nothing, and nothing is believed of them (WebAuthn Level 3, 7.1 step 24).
_JUDGED_FORMATS: Final = frozenset({"none", "packed"})
# What registration offers, the preferred one first.
OFFERED: Final = (ES256, EDDSA, RS256)
_ACCEPTED: Final = frozenset({ES256, EDDSA, ES512, RS256})
_TRANSPORT: Final = re.compile(r"[a-z][a-z-]{0,31}")
_MOST_TRANSPORTS: Final = 8
_LONGEST_ANSWER: Final = 64 * 1024  # characters of one base64url value
_LONGEST_ID: Final = 1023  # bytes (WebAuthn Level 3, 4)
_HANDLE_SIZES: Final = range(1, 65)
_CREATE: Final = "webauthn.create"
_GET: Final = "webauthn.get"
# COSE (RFC 9053): key types, curves and labels
_OKP, _EC2, _RSA = 1, 2, 3
_CURVES: Final = {ES256: 1, ES512: 3, EDDSA: 6}
_SIZES: Final = {1: 32, 3: 66, 6: 32}  # bytes of a coordinate, by curve
_KTY, _ALG, _CRV, _X, _Y, _N, _E = 1, 3, -1, -2, -3, -1, -2
_RSA_SIZES: Final = range(2048, 8193)  # bits
_RSA_EXPONENT: Final = 65537


@dataclass(frozen=True, slots=True)
class Site:
    """Who asks: the exact origin of the base URL, the RP ID, and whether the user must be verified."""

    origin: str
    rp_id: str
    needs_user_verified: bool


@dataclass(frozen=True, slots=True)
class NewKey:
    """What a registration proved; `public_key` is a COSE key."""

    id: bytes
    public_key: bytes
    algorithm: int
    user_handle: bytes
    sign_count: int
    user_verified: bool
    backup_eligible: bool
    backup_state: bool
    aaguid: str
    transports: tuple[str, ...] = ()
    is_kept: bool = False  # on the authenticator, as far as the browser says, so that no name need be typed
    attested_model: str = ""  # its maker vouches for that; empty: nobody does

    @property
    def is_passkey(self) -> bool:
        """Whether it signs its owner in alone: found without a name, and it verified who holds it."""
        return self.is_kept and self.user_verified

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values, for a draft."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return told | {name: encode(told[name]) for name in _BINARY} | {"transports": list(self.transports)}

    @classmethod
    def read(cls, told: Mapping[str, Any]) -> NewKey:
        """Read it as `as_dict` wrote it."""
        binary = {name: decode(told[name]) for name in _BINARY}
        return cls(**{**told, **binary, "transports": tuple(told["transports"])})


_BINARY: Final = ("id", "public_key", "user_handle")


@dataclass(frozen=True, slots=True)
class KnownKey:
    """What is kept of an enrolled credential."""

    id: bytes
    public_key: bytes
    user_handle: bytes
    sign_count: int
    backup_eligible: bool


@dataclass(frozen=True, slots=True)
class Assertion:
    """What an assertion proved."""

    sign_count: int
    user_verified: bool
    backup_state: bool


def verify_registration(options: Mapping[str, Any], response: Mapping[str, Any], site: Site) -> NewKey:
    """Judge the answer to a registration (7.1); raises a KeyRefused."""
    answer = _Answer(response)
    answer.require_asked(_CREATE, _challenge_of(options), site)
    form, statement, data = _attested(answer.binary("attestationObject"))
    _require_site(data, site)
    _require_user(data, site)
    _require_consistent_backup(data)
    attested = data.attested_credential_data
    if attested is None or not 0 < len(attested.credential_id) <= _LONGEST_ID:
        raise KeyAnswerMalformed
    if attested.credential_id != answer.id:
        raise KeyAnswerMalformed("The answer names another key than the one that signed.")
    algorithm = _require_good_key(attested.credential_public_key, _offered(options))
    if attested.credential_id in _ids(options.get("excludeCredentials")):
        raise KeyKnown
    if form in _JUDGED_FORMATS and (options.get("attestation") != "direct" or can_judge(statement)):
        _verify_by_library(_registration_check(response, options, site))
    from webauthn.helpers import aaguid_to_string  # noqa: PLC0415 - slow to import, and seldom needed

    return NewKey(
        id=attested.credential_id,
        public_key=attested.credential_public_key,
        algorithm=algorithm,
        user_handle=_user_handle_of(options),
        sign_count=data.sign_count,
        user_verified=data.flags.uv,
        backup_eligible=data.flags.be,
        backup_state=data.flags.bs,
        aaguid=aaguid_to_string(attested.aaguid),
        transports=answer.transports(),
        is_kept=_is_kept(options, response),
    )


def read_statement(response: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
    """Return format and content of the attestation statement in an answer that was judged before."""
    form, statement, _ = _attested(_Answer(response).binary("attestationObject"))
    return form, statement


def can_judge(statement: Mapping[str, Any]) -> bool:
    """Tell whether the certificate of a statement, if it has one, can be read, and its algorithm is one that we verify.

    Makers get some wrong. Where they are asked, such a statement says nothing, and keeps nobody from enrolling.
    """
    from cryptography import x509  # noqa: PLC0415 - only enrolment needs it

    if not statement.get("x5c"):
        return True
    try:
        x509.load_der_x509_certificate(statement["x5c"][0]).public_key()
        return statement.get("alg") in _ACCEPTED
    except Exception:  # noqa: BLE001 - whatever stands there, and whatever the library makes of it
        return False


def _is_kept(options: Mapping[str, Any], response: Mapping[str, Any]) -> bool:
    """Tell whether the key can be found without a name: the browser says so, or had to see to it (10.1.3, 5.4.6)."""
    results = response.get("clientExtensionResults")
    properties = results.get("credProps") if isinstance(results, Mapping) else None
    told = properties.get("rk") if isinstance(properties, Mapping) else None
    asked = options.get("authenticatorSelection")
    is_required = isinstance(asked, Mapping) and asked.get("residentKey") == "required"
    return told if isinstance(told, bool) else is_required


def verify_assertion(
    options: Mapping[str, Any], response: Mapping[str, Any], known: KnownKey, site: Site
) -> Assertion:
    """Judge the answer to a question for a proof (7.2); raises a KeyRefused."""
    answer = _Answer(response)
    answer.require_asked(_GET, _challenge_of(options), site)
    _require_own_key(options, answer, known)
    data = _parsed(answer.binary("authenticatorData"))
    _require_site(data, site)
    _require_user(data, site)
    _require_consistent_backup(data)
    if data.flags.be != known.backup_eligible:
        raise KeyBackupInconsistent
    _verify_by_library(_assertion_check(response, options, known, site))
    if (data.sign_count or known.sign_count) and data.sign_count <= known.sign_count:
        raise KeyCloned
    return Assertion(data.sign_count, data.flags.uv, data.flags.bs)


def decode(text: object) -> bytes:
    """Read base64url without padding, in its one spelling; raises KeyAnswerMalformed."""
    if not isinstance(text, str) or len(text) > _LONGEST_ANSWER or not text.isascii():
        raise KeyAnswerMalformed
    try:
        value = base64.b64decode(text.encode() + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise KeyAnswerMalformed from error
    if encode(value) != text:
        raise KeyAnswerMalformed
    return value


def encode(value: bytes) -> str:
    """Write base64url without padding."""
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


class _Answer:
    """The JSON form of a browser's answer, its parts taken out by name and type."""

    def __init__(self, body: Mapping[str, Any]) -> None:
        inner = body.get("response") if isinstance(body, Mapping) else None
        if not isinstance(inner, Mapping) or body.get("type") != "public-key":
            raise KeyAnswerMalformed
        if "rawId" in body and body["rawId"] != body.get("id"):
            raise KeyAnswerMalformed
        self._inner = inner
        self.id = decode(body.get("id"))

    def binary(self, name: str) -> bytes:
        return decode(self._inner.get(name))

    def user_handle(self) -> bytes | None:
        value = self._inner.get("userHandle")
        return None if value is None else decode(value)

    def transports(self) -> tuple[str, ...]:
        value = self._inner.get("transports", [])
        named = value if isinstance(value, list) else []
        return tuple(one for one in named if isinstance(one, str) and _TRANSPORT.fullmatch(one))[
            :_MOST_TRANSPORTS
        ]

    def require_asked(self, kind: str, challenge: bytes, site: Site) -> None:
        """Judge what the browser signed about itself: purpose, challenge, origin, frames (5.8.1)."""
        told = _client_data(self.binary("clientDataJSON"))
        if told.get("type") != kind or decode(told.get("challenge")) != challenge:
            raise KeyChallengeWrong
        if told.get("origin") != site.origin:
            raise KeyOriginWrong
        if told.get("crossOrigin", False) is not False or "topOrigin" in told:
            raise KeyOriginWrong("The security key was used inside a page of another site.")


def _client_data(raw: bytes) -> dict[str, Any]:
    try:
        told = json.loads(raw.decode("utf-8"), object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise KeyAnswerMalformed from error
    if not isinstance(told, dict):
        raise KeyAnswerMalformed
    return told


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse an object that says something twice: readers would not agree on which holds."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _challenge_of(options: Mapping[str, Any]) -> bytes:
    return decode(options.get("challenge"))


def _user_handle_of(options: Mapping[str, Any]) -> bytes:
    user = options.get("user")
    handle = decode(user.get("id")) if isinstance(user, Mapping) else b""
    if len(handle) not in _HANDLE_SIZES:
        raise KeyAnswerMalformed("The options name no user.")
    return handle


def _offered(options: Mapping[str, Any]) -> frozenset[int]:
    asked = options.get("pubKeyCredParams")
    if not isinstance(asked, list):
        return frozenset(OFFERED)
    named = (one.get("alg") for one in asked if isinstance(one, Mapping) and one.get("type") == "public-key")
    return frozenset(one for one in named if isinstance(one, int)) & _ACCEPTED


def _ids(descriptors: object) -> frozenset[bytes]:
    if descriptors is None:
        return frozenset()
    if not isinstance(descriptors, list) or not all(isinstance(one, Mapping) for one in descriptors):
        raise KeyAnswerMalformed
    return frozenset(decode(one.get("id")) for one in descriptors)


def _attested(attestation: bytes) -> tuple[str, Mapping[str, Any], AuthenticatorData]:
    """Read format, statement and data of an attestation object, which must be nothing but one CBOR map."""
    import cbor2  # noqa: PLC0415 - only enrolment needs it

    source = io.BytesIO(attestation)
    try:
        found = cbor2.CBORDecoder(source).decode()
    except Exception as error:
        raise KeyAnswerMalformed from error
    if not isinstance(found, Mapping) or source.read(1):
        raise KeyAnswerMalformed("Bytes are left over behind the answer of the security key.")
    form, statement, data = found.get("fmt"), found.get("attStmt"), found.get("authData")
    if not isinstance(form, str) or not isinstance(data, bytes) or not isinstance(statement, Mapping):
        raise KeyAnswerMalformed
    return form, statement, _parsed(data)


def _parsed(raw: bytes) -> AuthenticatorData:
    from webauthn.helpers import parse_authenticator_data  # noqa: PLC0415 - slow to import, and seldom needed

    try:
        return parse_authenticator_data(raw)
    except Exception as error:
        raise KeyAnswerMalformed from error


def _require_site(data: AuthenticatorData, site: Site) -> None:
    import hashlib  # noqa: PLC0415 - beside the others

    if data.rp_id_hash != hashlib.sha256(site.rp_id.encode()).digest():
        raise KeySiteWrong


def _require_user(data: AuthenticatorData, site: Site) -> None:
    """Ask for presence always, and for verification where it was asked for: both in the signed flags."""
    if not data.flags.up:
        raise UserNotVerified("Nobody touched the security key.", fix="Touch it when it blinks.")
    if site.needs_user_verified and not data.flags.uv:
        raise UserNotVerified


def _require_consistent_backup(data: AuthenticatorData) -> None:
    if data.flags.bs and not data.flags.be:
        raise KeyBackupInconsistent


def _require_own_key(options: Mapping[str, Any], answer: _Answer, known: KnownKey) -> None:
    """Judge whose key answered; where nobody was named before, the answer itself must say whose it is (7.2 step 6)."""
    allowed = _ids(options.get("allowCredentials"))
    handle = answer.user_handle()
    if answer.id != known.id or (allowed and answer.id not in allowed):
        raise KeyUnknown
    if handle is None and not allowed:
        raise KeyUnknown("The answer does not say whose key it is.")
    if handle is not None and handle != known.user_handle:
        raise KeyUnknown


def _require_good_key(cose: bytes, offered: frozenset[int]) -> int:
    """Judge type, algorithm, curve and size of a COSE key, and return its algorithm (RFC 9053, SP 800-131A)."""
    import cbor2  # noqa: PLC0415 - only enrolment needs it

    try:
        key = cbor2.loads(cose)
    except Exception as error:
        raise KeyAnswerMalformed from error
    if not isinstance(key, Mapping) or key.get(_ALG) not in offered:
        raise KeyTypeRefused
    algorithm = int(key[_ALG])
    is_good = _is_good_rsa(key) if algorithm == RS256 else _is_good_curve(key, algorithm)
    if not is_good:
        raise KeyTypeRefused
    return algorithm


def _is_good_curve(key: Mapping[int, Any], algorithm: int) -> bool:
    curve = _CURVES[algorithm]
    names = (_X,) if algorithm == EDDSA else (_X, _Y)
    kty = _OKP if algorithm == EDDSA else _EC2
    are_right = all(isinstance(key.get(name), bytes) and len(key[name]) == _SIZES[curve] for name in names)
    is_right = key.get(_KTY) == kty and key.get(_CRV) == curve and are_right
    return is_right and (algorithm == EDDSA or _is_on_curve(key, curve))


def _is_on_curve(key: Mapping[int, Any], curve: int) -> bool:
    """Tell whether the point lies on its curve (SP 800-186, D.1.1)."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - only enrolment needs it

    curves = {1: ec.SECP256R1, 3: ec.SECP521R1}
    numbers = ec.EllipticCurvePublicNumbers(int.from_bytes(key[_X]), int.from_bytes(key[_Y]), curves[curve]())
    try:
        numbers.public_key()
    except ValueError:
        return False
    return True


def _is_good_rsa(key: Mapping[int, Any]) -> bool:
    modulus, exponent = key.get(_N), key.get(_E)
    if key.get(_KTY) != _RSA or not isinstance(modulus, bytes) or not isinstance(exponent, bytes):
        return False
    return int.from_bytes(modulus).bit_length() in _RSA_SIZES and int.from_bytes(exponent) == _RSA_EXPONENT


def _registration_check(
    response: Mapping[str, Any], options: Mapping[str, Any], site: Site
) -> Callable[[], object]:
    from webauthn import verify_registration_response  # noqa: PLC0415 - slow to import, and seldom needed
    from webauthn.helpers.cose import COSEAlgorithmIdentifier  # noqa: PLC0415 - the same

    return lambda: verify_registration_response(
        credential=_as_the_library_reads(response),
        expected_challenge=_challenge_of(options),
        expected_rp_id=site.rp_id,
        expected_origin=site.origin,
        require_user_verification=site.needs_user_verified,
        supported_pub_key_algs=[COSEAlgorithmIdentifier(one) for one in sorted(_ACCEPTED)],
    )


def _assertion_check(
    response: Mapping[str, Any], options: Mapping[str, Any], known: KnownKey, site: Site
) -> Callable[[], object]:
    from webauthn import verify_authentication_response  # noqa: PLC0415 - slow to import, and seldom needed

    return lambda: verify_authentication_response(
        credential=_as_the_library_reads(response),
        expected_challenge=_challenge_of(options),
        expected_rp_id=site.rp_id,
        expected_origin=site.origin,
        credential_public_key=known.public_key,
        credential_current_sign_count=0,  # judged by us, after the signature
        require_user_verification=site.needs_user_verified,
    )


def _as_the_library_reads(response: Mapping[str, Any]) -> dict[str, Any]:
    return {**response, "rawId": response["id"]}


def _verify_by_library(check: Callable[[], object]) -> None:
    """Let the library verify all once more, signatures with it; whatever it raises is a refusal, never a defect."""
    try:
        check()
    except KeyRefused:
        raise
    except Exception as error:
        raise KeySignatureWrong from error
