"""A maker of security keys made of code: a root, certificates below it, statements (`packed`), and a metadata file."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from tests.accounts.second_factors.soft_key import SoftKey

AAGUID: Final = UUID("ee882879-721c-4913-9775-3dfcce97072a")
NAME: Final = "Blue Key 5"
BEGIN: Final = datetime(2024, 1, 1, tzinfo=UTC)
UNIT: Final = "Authenticator Attestation"
_OF_MODEL: Final = x509.ObjectIdentifier("1.3.6.1.4.1.45724.1.1.4")


def new_private() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass
class Maker:
    """`root` signs `between`, which signs the certificates in keys."""

    name: str = "Blue"
    private: ec.EllipticCurvePrivateKey = field(default_factory=new_private)
    begin: datetime = BEGIN
    days: int = 3650

    def __post_init__(self) -> None:
        self.root = self.sign(self.private, self._name("root"), is_authority=True)
        self.lower = new_private()
        self.between = self.sign(self.lower, self._name("between"), is_authority=True)

    def _name(self, what: str, unit: str = "") -> x509.Name:
        parts = [(NameOID.COUNTRY_NAME, "AA"), (NameOID.ORGANIZATION_NAME, self.name)]
        parts += [(NameOID.ORGANIZATIONAL_UNIT_NAME, unit)] if unit else []
        return x509.Name([x509.NameAttribute(*one) for one in [*parts, (NameOID.COMMON_NAME, what)]])

    def sign(
        self, private: ec.EllipticCurvePrivateKey, name: x509.Name, *, is_authority: bool = False, **told: Any
    ) -> x509.Certificate:
        """Make a certificate; what it says is changed by the keywords."""
        begin = told.get("begin", self.begin)
        builder = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(told.get("issuer", self._name("root")))
            .public_key(private.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(begin)
            .not_valid_after(begin + timedelta(days=told.get("days", self.days)))
            .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        )
        model = told.get("model")
        if model is not None:
            value = x509.UnrecognizedExtension(_OF_MODEL, b"\x04\x10" + model.bytes)
            builder = builder.add_extension(value, critical=told.get("critical", False))
        return builder.sign(told.get("by", self.private), hashes.SHA256())

    def key(self, model: UUID = AAGUID, **told: Any) -> SoftKey:
        """Make a key with a certificate by this maker; `between` puts one below the root into the chain."""
        private = new_private()
        chain = [self.between] if told.pop("between", False) else []
        below = {"by": self.lower, "issuer": self._name("between")} if chain else {}
        is_authority, unit = told.pop("is_authority", False), told.pop("unit", UNIT)
        said = {"model": model, **below, **told}
        leaf = self.sign(private, self._name("key", unit), is_authority=is_authority, **said)
        written = [one.public_bytes(serialization.Encoding.DER) for one in (leaf, *chain)]

        def attest(signed: bytes) -> dict[str, Any]:
            signature = private.sign(signed, ec.ECDSA(hashes.SHA256()))
            return {"fmt": "packed", "attStmt": {"alg": -7, "sig": signature, "x5c": written}}

        return SoftKey(aaguid=AAGUID.bytes, attest=attest)

    def entry(self, *reports: Mapping[str, Any], **changed: Any) -> dict[str, Any]:
        """Return what the metadata file says of its model."""
        certified = {"status": "FIDO_CERTIFIED_L1", "effectiveDate": "2024-01-02"}
        trusted = changed.pop("trusted", self.root)
        root = base64.b64encode(trusted.public_bytes(serialization.Encoding.DER)).decode()
        statement = {"description": NAME, "attestationRootCertificates": [root]}
        told = {"aaguid": str(AAGUID), "metadataStatement": statement, "statusReports": [certified, *reports]}
        return {**told, **changed}


def self_attesting() -> SoftKey:
    """Make a key that vouches for itself and names a model that is listed."""
    key = SoftKey(aaguid=AAGUID.bytes)

    def attest(signed: bytes) -> dict[str, Any]:
        signature = key.private.sign(signed, ec.ECDSA(hashes.SHA256()))
        return {"fmt": "packed", "attStmt": {"alg": -7, "sig": signature}}

    key.attest = attest
    return key


def metadata(*entries: Mapping[str, Any]) -> bytes:
    """Return a metadata file."""
    return json.dumps({"no": 1, "nextUpdate": "2024-12-01", "entries": list(entries)}).encode()
