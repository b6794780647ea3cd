"""A certificate authority, a log of certificates and a log of signatures of our own: what they vouch for is up to a test."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pypi_attestations import AttestationType

SIGNED_AT = datetime(2025, 5, 5, 5, 5, 5, tzinfo=UTC)
SCT_LIST = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.2")
JSON_STATEMENT = "application/vnd.in-toto+json"
NUMBERS = {
    "issuer": 8,
    "repository": 12,
    "commit": 13,
    "ref": 14,
    "owner_id": 17,
    "workflow": 18,
    "run": 21,
    "environment": 23,
    "subject": 24,
}


def encoded(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


def new_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def public_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def signature(key: ec.EllipticCurvePrivateKey, data: bytes) -> bytes:
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def number_of(key: ec.EllipticCurvePrivateKey) -> bytes:
    return hashlib.sha256(public_bytes(key)).digest()


@dataclass
class Authority:
    """Gives certificates for whatever is claimed, and logs whatever is signed."""

    key: ec.EllipticCurvePrivateKey = field(default_factory=new_key)
    certificates: ec.EllipticCurvePrivateKey = field(default_factory=new_key)  # signs for their log
    signatures: ec.EllipticCurvePrivateKey = field(default_factory=new_key)  # signs for theirs
    lives: timedelta = timedelta(minutes=10)

    def trusted_root(self) -> str:
        """Return the file of roots that covers this authority."""
        valid = {"start": "2020-01-01T00:00:00Z"}
        logs = [
            {
                "baseUrl": "https://log.example.org",
                "hashAlgorithm": "SHA2_256",
                "publicKey": {
                    "rawBytes": encoded(public_bytes(key)),
                    "keyDetails": "PKIX_ECDSA_P256_SHA_256",
                    "validFor": valid,
                },
                "logId": {"keyId": encoded(number_of(key))},
            }
            for key in (self.signatures, self.certificates)
        ]
        root = {"rawBytes": encoded(self._root().public_bytes(Encoding.DER))}
        authority = {
            "subject": {"organization": "example.org", "commonName": "root"},
            "uri": "https://ca.example.org",
            "certChain": {"certificates": [root]},
            "validFor": valid,
        }
        return json.dumps(
            {
                "mediaType": "application/vnd.dev.sigstore.trustedroot+json;version=0.1",
                "tlogs": logs[:1],
                "certificateAuthorities": [authority],
                "ctlogs": logs[1:],
                "timestampAuthorities": [],
            }
        )

    def attest(
        self,
        statement: Mapping[str, Any] | bytes,
        claims: Mapping[str, str],
        address: str = "https://ci.example.org/job",
    ) -> dict[str, Any]:
        """Return an attestation (PEP 740) that this authority and its logs vouch for."""
        key = new_key()
        certificate = self._certificate(key, claims, address)
        payload = statement if isinstance(statement, bytes) else json.dumps(statement).encode()
        envelope = f"DSSEv1 {len(JSON_STATEMENT)} {JSON_STATEMENT} {len(payload)} ".encode() + payload
        signed = signature(key, envelope)
        return {
            "version": 1,
            "verification_material": {
                "certificate": encoded(certificate.public_bytes(Encoding.DER)),
                "transparency_entries": [self._entry(certificate, payload, signed)],
            },
            "envelope": {"statement": encoded(payload), "signature": encoded(signed)},
        }

    def _name(self) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "root")])

    def _builder(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self._name())
        keys = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        return builder.public_key(key).add_extension(keys, critical=False)

    def _root(self) -> x509.Certificate:
        usage = x509.KeyUsage(*(number in (5, 6) for number in range(9)))
        own = x509.SubjectKeyIdentifier.from_public_key(self.key.public_key())
        builder = self._builder(self._name(), self.key.public_key()).serial_number(1)
        builder = builder.not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        builder = builder.not_valid_after(datetime(2045, 1, 1, tzinfo=UTC)).add_extension(own, critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=1), critical=True)
        return builder.add_extension(usage, critical=True).sign(self.key, hashes.SHA256())

    def _certificate(
        self, key: ec.EllipticCurvePrivateKey, claims: Mapping[str, str], address: str
    ) -> x509.Certificate:
        usage = x509.KeyUsage(*(number == 0 for number in range(9)))
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(address)])
        builder = self._builder(x509.Name([]), key.public_key()).serial_number(7)
        builder = builder.not_valid_before(SIGNED_AT - timedelta(seconds=5))
        builder = builder.not_valid_after(SIGNED_AT + self.lives).add_extension(names, critical=True)
        builder = builder.add_extension(usage, critical=True)
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CODE_SIGNING])
        builder = builder.add_extension(purpose, critical=False)
        for name, value in claims.items():
            number = x509.ObjectIdentifier(f"1.3.6.1.4.1.57264.1.{NUMBERS[name]}")
            builder = builder.add_extension(x509.UnrecognizedExtension(number, _utf8(value)), critical=False)
        without = builder.sign(self.key, hashes.SHA256()).tbs_certificate_bytes
        noted = x509.UnrecognizedExtension(SCT_LIST, self._noted(without))
        return builder.add_extension(noted, critical=False).sign(self.key, hashes.SHA256())

    def _noted(self, certificate: bytes) -> bytes:
        """Return what the log of certificates says to one that it was shown (RFC 6962 3.2 and 3.3)."""
        instant = int(SIGNED_AT.timestamp() * 1000)
        entry = number_of(self.key) + len(certificate).to_bytes(3) + certificate
        signed = signature(self.certificates, struct.pack("!BBQH", 0, 0, instant, 1) + entry + b"\0\0")
        told = struct.pack("!B32sQHBBH", 0, number_of(self.certificates), instant, 0, 4, 3, len(signed))
        one = told + signed
        listed = struct.pack("!HH", len(one) + 2, len(one)) + one
        return b"\x04" + _length(len(listed)) + listed

    def _entry(self, certificate: x509.Certificate, payload: bytes, signed: bytes) -> dict[str, Any]:
        """Return the entry of the log of signatures: the only one there is."""
        digest = {"algorithm": "sha256", "value": hashlib.sha256(payload).hexdigest()}
        by = encoded(certificate.public_bytes(Encoding.PEM))
        told = {
            "envelopeHash": digest,
            "payloadHash": digest,
            "signatures": [{"signature": encoded(signed), "verifier": by}],
        }
        body = _compact({"apiVersion": "0.0.1", "kind": "dsse", "spec": told})
        root, number = hashlib.sha256(b"\0" + body).digest(), number_of(self.signatures)
        note = f"log.example.org\n1\n{encoded(root)}\n"
        stamp = encoded(number[:4] + signature(self.signatures, note.encode()))
        instant = int(SIGNED_AT.timestamp())
        promised = {
            "body": encoded(body),
            "integratedTime": instant,
            "logID": number.hex(),
            "logIndex": 0,
        }
        return {
            "logIndex": "0",
            "logId": {"keyId": encoded(number)},
            "kindVersion": {"kind": "dsse", "version": "0.0.1"},
            "integratedTime": str(instant),
            "inclusionPromise": {
                "signedEntryTimestamp": encoded(signature(self.signatures, _compact(promised)))
            },
            "inclusionProof": {
                "logIndex": "0",
                "rootHash": encoded(root),
                "treeSize": "1",
                "hashes": [],
                "checkpoint": {"envelope": f"{note}\n\u2014 log.example.org {stamp}\n"},
            },
            "canonicalizedBody": encoded(body),
        }


def statement_of(filename: str, sha256: str, **changes: Any) -> dict[str, Any]:
    """Return a statement about a file, as publishing jobs make it."""
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": filename, "digest": {"sha256": sha256}}],
        "predicateType": AttestationType.PYPI_PUBLISH_V1.value,
        "predicate": None,
        **changes,
    }


def _compact(body: object) -> bytes:
    return json.dumps(body, sort_keys=True, separators=(",", ":")).encode()


def _utf8(text: str) -> bytes:
    raw = text.encode()
    return b"\x0c" + _length(len(raw)) + raw


def _length(length: int) -> bytes:
    if length < 128:
        return bytes([length])
    return b"\x81" + bytes([length]) if length < 256 else b"\x82" + length.to_bytes(2)
