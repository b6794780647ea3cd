"""A security key made of code: answers as a browser with a good authenticator does, and wrongly where it is told to."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from keyhouse.accounts.second_factors.webauthn.rules import decode, encode

UP, UV, BE, BS, AT = 0x01, 0x04, 0x08, 0x10, 0x40


@dataclass
class SoftKey:
    """`flags` are those it signs beside AT; what it says is changed by the keywords of `create` and `get`."""

    origin: str = "http://localhost:8400"
    rp_id: str = "localhost"
    flags: int = UP | UV
    count: int = 0
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    handle: bytes = b""
    aaguid: bytes = bytes(16)
    attest: Callable[[bytes], dict[str, Any]] | None = None  # makes a statement about what is signed
    private: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def create(self, options: Mapping[str, Any], **faults: Any) -> dict[str, Any]:
        """Answer a registration (JSON form of Level 3)."""
        self.handle = decode(options["user"]["id"])
        attested = (
            faults.get("aaguid", self.aaguid)
            + len(self.id).to_bytes(2)
            + self.id
            + faults.get("cose", self.cose())
        )
        data = self._data(faults, AT) + attested + faults.get("more_data", b"")
        client = self._client("webauthn.create", options, faults)
        statement = faults.get("statement", {"fmt": "none", "attStmt": {}})
        if self.attest is not None and "statement" not in faults and options.get("attestation") == "direct":
            statement = self.attest(data + hashlib.sha256(client).digest())
        attestation = cbor2.dumps({**statement, "authData": data}) + faults.get("more_cbor", b"")
        return self._answer(
            faults, clientDataJSON=encode(client), attestationObject=encode(attestation), transports=["usb"]
        )

    def get(self, options: Mapping[str, Any], **faults: Any) -> dict[str, Any]:
        """Answer a question for a proof; the counter rises where it counts."""
        self.count += 1 if self.count else 0
        data = self._data(faults, 0)
        client = self._client("webauthn.get", options, faults)
        signed = data + hashlib.sha256(client).digest()
        signature = self.private.sign(signed, ec.ECDSA(hashes.SHA256()))
        handle = faults.get("handle", self.handle)
        return self._answer(
            faults,
            clientDataJSON=encode(client),
            authenticatorData=encode(data),
            signature=encode(faults.get("signature", signature)),
            **({} if handle is None else {"userHandle": encode(handle)}),
        )

    def cose(self, **changed: Any) -> bytes:
        """Return the public key as COSE (RFC 9053)."""
        numbers = self.private.public_key().public_numbers()
        key = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        encoded: bytes = cbor2.dumps({**key, **changed.get("labels", {})})
        return encoded

    def _data(self, faults: Mapping[str, Any], more: int) -> bytes:
        site = hashlib.sha256(faults.get("rp_id", self.rp_id).encode()).digest()
        flags = faults.get("flags", self.flags) | more
        count: int = faults.get("count", self.count)
        return site + bytes([flags]) + count.to_bytes(4)

    def _client(self, kind: str, options: Mapping[str, Any], faults: Mapping[str, Any]) -> bytes:
        told = {
            "type": faults.get("type", kind),
            "challenge": faults.get("challenge", options["challenge"]),
            "origin": faults.get("origin", self.origin),
            "crossOrigin": False,
            **faults.get("client", {}),
        }
        raw: bytes = faults.get("raw_client", json.dumps(told).encode())
        return raw

    def _answer(self, faults: Mapping[str, Any], **response: Any) -> dict[str, Any]:
        id_ = encode(faults.get("id", self.id))
        whole = {"id": id_, "rawId": id_, "type": "public-key", "response": response}
        return {**whole, **faults.get("answer", {})}
