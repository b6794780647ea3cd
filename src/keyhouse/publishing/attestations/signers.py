"""What a signing certificate claims of the job that asked for it.

The numbers are those of the certificate authority's registry (`1.3.6.1.4.1.57264.1`, from 8 on DER-encoded UTF-8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from cryptography import x509

_ARC: Final = "1.3.6.1.4.1.57264.1."
_NAMES: Final[Mapping[str, int]] = {
    "issuer": 8,
    "repository": 12,
    "commit": 13,
    "ref": 14,
    "repository_id": 15,
    "owner_id": 17,
    "workflow": 18,
    "run": 21,
    "environment": 23,
    "subject": 24,
}
_UTF8_STRING: Final = 0x0C
_LONG: Final = 0x80
_SHOWN: Final = ("repository", "commit", "ref", "workflow", "run", "environment")


@dataclass(frozen=True, slots=True)
class Signer:
    """The claims of one certificate; what it doesn't say is empty. `addresses`: its alternative names."""

    issuer: str = ""
    repository: str = ""  # an address
    commit: str = ""
    ref: str = ""
    repository_id: str = ""
    owner_id: str = ""
    workflow: str = ""  # an address with `@` and the ref or commit at its end
    run: str = ""  # an address
    environment: str = ""
    subject: str = ""
    addresses: tuple[str, ...] = ()

    def shown(self) -> dict[str, str]:
        """Return what is kept with a file and shown to people."""
        return {name: value for name in _SHOWN if (value := getattr(self, name))}


def signer_of(certificate: x509.Certificate) -> Signer:
    """Return the claims of a certificate; raises ValueError for one that can't be read."""
    raw: dict[str, bytes] = {}
    addresses: tuple[str, ...] = ()
    for extension in certificate.extensions:
        if isinstance(extension.value, x509.UnrecognizedExtension):
            raw[extension.oid.dotted_string] = extension.value.value
        elif isinstance(extension.value, x509.SubjectAlternativeName):
            names = [*extension.value.get_values_for_type(x509.UniformResourceIdentifier)]
            addresses = (*names, *extension.value.get_values_for_type(x509.RFC822Name))
    claims = {
        name: _utf8(raw[f"{_ARC}{number}"]) for name, number in _NAMES.items() if f"{_ARC}{number}" in raw
    }
    return Signer(**claims, addresses=addresses)


def _utf8(der: bytes) -> str:
    """Decode one DER-encoded UTF8String that fills all of `der`."""
    if len(der) < 2 or der[0] != _UTF8_STRING:  # noqa: PLR2004 - tag and length
        message = "a claim of the certificate is no text"
        raise ValueError(message)
    length, start = der[1], 2
    if length & _LONG:
        count = length ^ _LONG
        length, start = int.from_bytes(der[2 : 2 + count]), 2 + count
    if len(der) != start + length:
        message = "a claim of the certificate is cut off"
        raise ValueError(message)
    text = der[start:].decode()
    if "\0" in text:
        message = "a claim of the certificate holds a NUL"
        raise ValueError(message)
    return text
