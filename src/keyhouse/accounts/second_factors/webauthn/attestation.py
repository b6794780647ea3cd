"""Who made a key: judging the certificates of its attestation statement (WebAuthn Level 3, 7.1 steps 23 and 24). Pure.

Only for a registration that `rules.verify_registration` has judged: there the statement's signature was verified by the
first of these certificates. Only `packed` statements with certificates count (8.2); that is what security keys make.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeGuard
from uuid import UUID

from keyhouse.accounts.second_factors.webauthn import rules
from keyhouse.accounts.second_factors.webauthn.key_models import KeyModel, Models

_FORM: Final = "packed"
_AAGUID: Final = "1.3.6.1.4.1.45724.1.1.4"
_OCTETS: Final = b"\x04\x10"  # DER: a string of sixteen bytes
_UNIT: Final = "Authenticator Attestation"
_LONGEST_CHAIN: Final = 8


def find_attested(aaguid: str, response: Mapping[str, Any], models: Models, now: datetime) -> KeyModel | None:
    """Return the model that the answer's statement proves, or None where it proves none that is listed and sound."""
    form, statement = rules.read_statement(response)
    model, chain = models.get(aaguid), statement.get("x5c")
    if form != _FORM or model is None or not model.is_sound or not _is_chain(chain):
        return None
    if not rules.can_judge(statement):  # then its signature was not verified
        return None
    try:
        is_proven = _is_of_model(chain[0], aaguid) and leads_to(chain, model.roots, now)
    except Exception:  # noqa: BLE001 - certificates are read by libraries that raise what they like; odd ones prove nothing
        return None
    return model if is_proven else None


def _is_chain(chain: object) -> TypeGuard[list[bytes]]:
    return (
        isinstance(chain, list)
        and 0 < len(chain) <= _LONGEST_CHAIN
        and all(isinstance(one, bytes) for one in chain)
    )


def _is_of_model(certificate: bytes, aaguid: str) -> bool:
    """Tell whether a certificate is one for attestation, and of this model by its own word (8.2.1).

    One that names no model is none: its root may stand behind several.
    """
    from cryptography import x509  # noqa: PLC0415 - only enrolment needs it

    read = x509.load_der_x509_certificate(certificate)
    units = [one.value for one in read.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATIONAL_UNIT_NAME)]
    of_model = read.extensions.get_extension_for_oid(x509.ObjectIdentifier(_AAGUID))
    told = of_model.value.public_bytes()
    limits = read.extensions.get_extension_for_class(x509.BasicConstraints)
    return (
        read.version is x509.Version.v3
        and _UNIT in units
        and not limits.value.ca
        and not of_model.critical
        and told == _OCTETS + UUID(aaguid).bytes
    )


def leads_to(chain: Sequence[bytes], roots: Sequence[bytes], now: datetime) -> bool:
    """Tell whether a chain leads to one of the roots, all certificates valid now; a root may be no root of its own.

    The library checks chains as well, but by the clock of the machine, and to self-signed roots only.
    """
    from OpenSSL import crypto  # noqa: PLC0415 - only enrolment needs it

    store = crypto.X509Store()
    store.set_flags(crypto.X509StoreFlags.PARTIAL_CHAIN)
    store.set_time(now)
    for root in roots:
        store.add_cert(crypto.load_certificate(crypto.FILETYPE_ASN1, root))
    leaf, *between = (crypto.load_certificate(crypto.FILETYPE_ASN1, one) for one in chain)
    try:
        crypto.X509StoreContext(store, leaf, between).verify_certificate()
    except crypto.X509StoreContextError:
        return False
    return True
