"""Macaroons: bearer tokens that anybody may narrow offline and nobody can widen. Pure.

Binary form as in libmacaroons' format description (V2 for what we hand out; V1 and the JSON form of V2 are only read, for tools that verify).
The signature is a chain: HMAC-SHA-256 over the identifier with a key derived from the root key, then over each caveat
with the signature so far as key (Birgisson et al., NDSS 2014). Third-party caveats are not part of it: a macaroon
that has one is malformed here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

MAX_BYTES: Final = 8 * 1024  # of the binary form; a header line must hold the text
MAX_CAVEATS: Final = 64
SIGNATURE_BYTES: Final = 32

_KEY_GENERATOR: Final = b"macaroons-key-generator".ljust(32, b"\0")
_VERSION_2: Final = 2
_END: Final = 0
_LOCATION: Final = 1
_IDENTIFIER: Final = 2
_SIGNATURE: Final = 6
_V1_HEADER: Final = 4  # hexadecimal digits of a packet's length


class MacaroonMalformed(ValueError):  # noqa: N818 - what was sent is malformed; nothing of ours broke
    """The text or bytes are no macaroon of the form that is taken here."""


@dataclass(frozen=True, slots=True)
class Macaroon:
    """One macaroon. `location` is a hint for people and is not signed; `signature` is 32 bytes."""

    location: bytes
    identifier: bytes
    caveats: tuple[bytes, ...]
    signature: bytes


def mint(root_key: bytes, identifier: bytes, *, location: bytes = b"") -> Macaroon:
    """Make a macaroon without caveats under a secret root key."""
    return Macaroon(location, identifier, (), _first_signature(root_key, identifier))


def attenuate(macaroon: Macaroon, caveat: bytes) -> Macaroon:
    """Add a first-party caveat; needs no key, so that whoever holds a macaroon can narrow it."""
    return replace(
        macaroon,
        caveats=(*macaroon.caveats, caveat),
        signature=_sign(macaroon.signature, caveat),
    )


def is_signed_by(macaroon: Macaroon, root_key: bytes) -> bool:
    """Tell whether the signature chain holds under that root key (compared in constant time)."""
    signature = _first_signature(root_key, macaroon.identifier)
    for caveat in macaroon.caveats:
        signature = _sign(signature, caveat)
    return hmac.compare_digest(signature, macaroon.signature)


def verify(macaroon: Macaroon, root_key: bytes, is_satisfied: Callable[[bytes], bool]) -> bool:
    """Tell whether the chain holds and every single caveat is satisfied."""
    return is_signed_by(macaroon, root_key) and all(map(is_satisfied, macaroon.caveats))


def _first_signature(root_key: bytes, identifier: bytes) -> bytes:
    return _sign(_sign(_KEY_GENERATOR, root_key), identifier)


def _sign(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)


# ---- text form


def text_of(macaroon: Macaroon, prefix: str) -> str:
    """Return the text people copy: the prefix, then base64url of the V2 form without padding (RFC 4648 5)."""
    return prefix + base64.urlsafe_b64encode(serialize(macaroon)).decode().rstrip("=")


def read_text(text: str, prefix: str) -> Macaroon:
    """Read what `text_of` wrote; raises MacaroonMalformed for any other prefix, alphabet, length or form."""
    if not text.startswith(prefix):
        raise MacaroonMalformed("it doesn't begin with the prefix of this index")
    return parse(decode(text[len(prefix) :]))


def decode(text: str) -> bytes:
    """Decode strict base64url, padded rightly or not at all; one text for each sequence of bytes."""
    if len(text) > 2 * MAX_BYTES:
        raise MacaroonMalformed("it is too long")
    bare = text.rstrip("=")
    padded = bare + "=" * (-len(bare) % 4)
    if text not in {bare, padded}:
        raise MacaroonMalformed("its padding is wrong")
    try:
        data = base64.b64decode(padded.encode("ascii"), altchars=b"-_", validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise MacaroonMalformed("it isn't base64url") from error
    if base64.urlsafe_b64encode(data).decode() != padded:
        raise MacaroonMalformed("it isn't canonical base64url")
    return data


# ---- V2: fields of type, length, value; sections end with a zero byte


def serialize(macaroon: Macaroon) -> bytes:
    """Write the V2 binary form."""
    parts = [bytes([_VERSION_2])]
    if macaroon.location:
        parts.append(_field(_LOCATION, macaroon.location))
    parts += [_field(_IDENTIFIER, macaroon.identifier), bytes([_END])]
    for caveat in macaroon.caveats:
        parts += [_field(_IDENTIFIER, caveat), bytes([_END])]
    parts += [bytes([_END]), _field(_SIGNATURE, macaroon.signature)]
    return b"".join(parts)


def _field(kind: int, value: bytes) -> bytes:
    return bytes([kind]) + _varint(len(value)) + value


def _varint(number: int) -> bytes:
    found = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        found.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*found, number])


def parse(data: bytes) -> Macaroon:
    """Read the V2 binary form, all of it; raises MacaroonMalformed."""
    if len(data) > MAX_BYTES:
        raise MacaroonMalformed("it is too long")
    reader = _Reader(data)
    if reader.take(1) != bytes([_VERSION_2]):
        raise MacaroonMalformed("it isn't a macaroon of version 2")
    location = reader.optional(_LOCATION)
    identifier = reader.required(_IDENTIFIER)
    reader.end_section()
    caveats = _parse_caveats(reader)
    signature = reader.required(_SIGNATURE)
    if reader.rest or len(signature) != SIGNATURE_BYTES:
        raise MacaroonMalformed("its signature has the wrong length or something follows it")
    return Macaroon(location, identifier, caveats, signature)


def _parse_caveats(reader: _Reader) -> tuple[bytes, ...]:
    """Read caveats up to the section's end; a location or verification id would make one a third-party caveat."""
    caveats: list[bytes] = []
    while reader.peek() != _END:
        caveats.append(reader.required(_IDENTIFIER))
        reader.end_section()
        if len(caveats) > MAX_CAVEATS:
            raise MacaroonMalformed("it has too many caveats")
    reader.end_section()
    return tuple(caveats)


class _Reader:
    """Takes fields from the front of some bytes."""

    def __init__(self, data: bytes) -> None:
        self.rest = data

    def take(self, length: int) -> bytes:
        if length > len(self.rest):
            raise MacaroonMalformed("it ends too early")
        taken, self.rest = self.rest[:length], self.rest[length:]
        return taken

    def peek(self) -> int:
        if not self.rest:
            raise MacaroonMalformed("it ends too early")
        return self.rest[0]

    def optional(self, kind: int) -> bytes:
        return self.required(kind) if self.peek() == kind else b""

    def required(self, kind: int) -> bytes:
        if self.take(1)[0] != kind:
            raise MacaroonMalformed("a field stands where it doesn't belong")
        return self.take(self._length())

    def end_section(self) -> None:
        if self.take(1)[0] != _END:
            raise MacaroonMalformed("a section doesn't end where it should")

    def _length(self) -> int:
        """Read a varint of at most two bytes (enough for MAX_BYTES), in its shortest form only."""
        first = self.take(1)[0]
        if first < 0x80:  # noqa: PLR2004 - the top bit says that another byte follows
            return first
        second = self.take(1)[0]
        if not 0 < second < 0x80:  # noqa: PLR2004 - the same
            raise MacaroonMalformed("a length is too large or not in its shortest form")
        return first & 0x7F | second << 7


# ---- V1: packets of four hexadecimal digits, a key, a space, a value, a line end; only ever read


def parse_v1(data: bytes) -> Macaroon:
    """Read the V1 binary form, all of it; raises MacaroonMalformed."""
    if len(data) > MAX_BYTES:
        raise MacaroonMalformed("it is too long")
    packets = _packets(data)
    keys = [key for key, _ in packets]
    if len(keys) < 3 or keys != [b"location", b"identifier", *[b"cid"] * (len(keys) - 3), b"signature"]:  # noqa: PLR2004 - the three that every macaroon has
        raise MacaroonMalformed("its packets aren't location, identifier, caveats and signature")
    if len(keys) - 3 > MAX_CAVEATS:
        raise MacaroonMalformed("it has too many caveats")
    location, identifier, *caveats, signature = (value for _, value in packets)
    if len(signature) != SIGNATURE_BYTES:
        raise MacaroonMalformed("its signature has the wrong length")
    return Macaroon(location, identifier, tuple(caveats), signature)


def _packets(data: bytes) -> list[tuple[bytes, bytes]]:
    packets = []
    while data:
        length = _packet_length(data)
        key, space, value = data[_V1_HEADER:length].partition(b" ")
        if not space or not value.endswith(b"\n"):
            raise MacaroonMalformed("a packet isn't a key, a space, a value and a line end")
        packets.append((key, value[:-1]))
        data = data[length:]
    return packets


def _packet_length(data: bytes) -> int:
    digits = data[:_V1_HEADER]
    if len(digits) < _V1_HEADER or not set(digits) <= set(b"0123456789abcdef"):
        raise MacaroonMalformed("a packet doesn't begin with its length")
    length = int(digits, 16)
    if not _V1_HEADER < length <= len(data):
        raise MacaroonMalformed("a packet's length is wrong")
    return length


# ---- the JSON form of V2: the same fields by their letters, those that are no text in base64; only ever read


def parse_json(data: bytes) -> Macaroon:
    """Read the JSON form of V2, all of it; raises MacaroonMalformed."""
    if len(data) > MAX_BYTES:
        raise MacaroonMalformed("it is too long")
    try:
        told = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        raise MacaroonMalformed("it is no JSON in UTF-8") from error
    caveats = told.get("c", []) if isinstance(told, dict) else None
    if not isinstance(caveats, list) or told.get("v") != _VERSION_2 or len(caveats) > MAX_CAVEATS:
        raise MacaroonMalformed("it isn't a macaroon of version 2")
    signature = _member(told, "s")
    if len(signature) != SIGNATURE_BYTES:
        raise MacaroonMalformed("its signature has the wrong length")
    location = _member(told, "l") if {"l", "l64"} & told.keys() else b""
    return Macaroon(location, _member(told, "i"), tuple(map(_json_caveat, caveats)), signature)


def _json_caveat(told: Any) -> bytes:
    if not isinstance(told, dict) or not told.keys() <= {"i", "i64"}:
        raise MacaroonMalformed("a caveat is none of the first party")
    return _member(told, "i")


def _member(told: Mapping[str, Any], name: str) -> bytes:
    """Return a field that stands there either as text or in base64, once."""
    found = [told[one] for one in (name, f"{name}64") if one in told]
    if len(found) != 1 or not isinstance(found[0], str):
        raise MacaroonMalformed("a field is missing, doubled or no text")
    try:
        return found[0].encode() if name in told else decode(found[0])
    except UnicodeEncodeError as error:  # half a character
        raise MacaroonMalformed("a field is no text") from error


def read_any(text: str) -> Macaroon:
    """Read base64url of either version and of the JSON form, for verifying by hand; servers take V2 with their prefix only.

    Raises MacaroonMalformed.
    """
    data = decode(text)
    if data[:1] == b"{":
        return parse_json(data)
    return parse(data) if data[:1] == bytes([_VERSION_2]) else parse_v1(data)
