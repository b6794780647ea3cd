"""Read a multipart/form-data body as it comes (RFC 7578, RFC 2046): fields into memory, the file piece by piece.

Bounded on every side: number of fields, bytes of one field, bytes of everything that is not the file.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser

from keyhouse.distfiles.findings import shown
from keyhouse.publishing.upload.errors import BodyMalformed, FormInvalid, FormTooLarge

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

CONTENT: Final = "content"
_MIB: Final = 2**20
_BOUNDARY: Final = re.compile(r"[0-9A-Za-z'()+_,./:=? -]{0,69}[0-9A-Za-z'()+_,./:=?-]")
_PARAMETER: Final = re.compile(r';\s*([!#$&-.^-~\w]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s";]+))\s*')
_QUOTED_PAIR: Final = re.compile(r'\\(["\\])')


@dataclass(frozen=True, slots=True)
class FormBounds:
    """How much form there may be around the file; bytes, except `fields`."""

    fields: int = 4096
    field_size: int = 4 * _MIB
    form_size: int = 8 * _MIB
    header_size: int = 4096


@dataclass(slots=True)
class _Part:
    """The part being read: its headers as they come, then its name and value."""

    header_name: bytearray = field(default_factory=bytearray)
    header_value: bytearray = field(default_factory=bytearray)
    disposition: str = ""
    name: str = ""
    filename: str | None = None
    is_wanted: bool = False
    value: bytearray = field(default_factory=bytearray)


class MultipartReader:
    """Takes a body in chunks of any size.

    `fields` holds name and value of the wanted fields in their order. `content_begun` tells that the file's part has
    begun, under `filename`; its bytes are to be taken by `take_content`, which frees them. `is_whole` tells that the
    closing boundary has come. Everything wrong raises a `Refusal`.
    """

    def __init__(self, boundary: str, is_wanted: Callable[[str], bool], bounds: FormBounds) -> None:
        self.fields: list[tuple[str, str]] = []
        self.filename: str | None = None
        self.content_begun = False
        self.content_size = 0
        self.is_whole = False
        self._pieces: list[bytes] = []
        self._received = 0
        self._parts = 0
        self._part = _Part()
        self._is_wanted = is_wanted
        self._bounds = bounds
        self._parser = MultipartParser(boundary, self._callbacks(), max_header_size=bounds.header_size)

    def feed(self, chunk: bytes) -> None:
        """Read one chunk; raises BodyMalformed, FormInvalid or FormTooLarge."""
        self._received += len(chunk)
        try:
            self._parser.write(chunk)
        except FormParserError as error:
            raise BodyMalformed("The body of the request can't be read as a multipart form.") from error
        if self._received - self.content_size > self._bounds.form_size:
            raise FormTooLarge(f"The form without its file has more than {self._bounds.form_size} bytes.")

    def finish(self) -> None:
        """Say that nothing more comes; raises BodyMalformed where the form isn't at its end."""
        if not self.is_whole:
            raise BodyMalformed("The body of the request ends before the form does.")

    @property
    def waiting(self) -> int:
        """Return how many bytes of the file wait to be taken."""
        return sum(map(len, self._pieces))

    def take_content(self) -> list[bytes]:
        """Give the bytes of the file that have come since the last time, and forget them."""
        pieces, self._pieces = self._pieces, []
        return pieces

    def _callbacks(self) -> MultipartCallbacks:
        return {
            "on_part_begin": self._begin_part,
            "on_header_field": self._take_header_name,
            "on_header_value": self._take_header_value,
            "on_header_end": self._end_header,
            "on_headers_finished": self._end_headers,
            "on_part_data": self._take_data,
            "on_part_end": self._end_part,
            "on_end": self._end,
        }

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > self._bounds.fields:
            raise FormTooLarge(f"The form has more than {self._bounds.fields} fields.")
        self._part = _Part()

    def _take_header_name(self, data: bytes, start: int, end: int) -> None:
        self._part.header_name += data[start:end]

    def _take_header_value(self, data: bytes, start: int, end: int) -> None:
        self._part.header_value += data[start:end]

    def _end_header(self) -> None:
        part = self._part
        if bytes(part.header_name).lower() == b"content-disposition":
            if part.disposition:
                raise BodyMalformed("A part of the form has two Content-Disposition headers.")
            part.disposition = _decode(part.header_value)
        part.header_name.clear()
        part.header_value.clear()

    def _end_headers(self) -> None:
        part = self._part
        part.name, part.filename = parse_disposition(part.disposition)
        part.is_wanted = self._is_wanted(part.name)
        if part.name == CONTENT:
            self._begin_content(part)
        elif part.is_wanted and part.filename is not None:
            raise FormInvalid(f"The field {part.name} must not be a file.")

    def _begin_content(self, part: _Part) -> None:
        if self.content_begun:
            raise FormInvalid("The form has more than one file in `content`.")
        if part.filename is None:
            raise FormInvalid("The field content must be a file with a name.")
        self.content_begun = True
        self.filename = part.filename

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        part = self._part
        if part.name == CONTENT:
            self._pieces.append(data[start:end])
            self.content_size += end - start
        elif part.is_wanted:
            part.value += data[start:end]
            if len(part.value) > self._bounds.field_size:
                raise FormTooLarge(f"The field {part.name} has more than {self._bounds.field_size} bytes.")

    def _end_part(self) -> None:
        part = self._part
        if part.is_wanted and part.name != CONTENT:
            self.fields.append((part.name, _decode(part.value)))

    def _end(self) -> None:
        self.is_whole = True


def parse_boundary(content_type: str) -> str:
    """Return the boundary a Content-Type header names; raises BodyMalformed for another type or a bad one."""
    kind, parameters = _split_header(content_type)
    if kind != "multipart/form-data":
        raise BodyMalformed("An upload is a multipart/form-data form.")
    boundary = parameters.get("boundary", "")
    if not _BOUNDARY.fullmatch(boundary):
        raise BodyMalformed("The Content-Type of the request names no usable boundary.")
    return boundary


@lru_cache(maxsize=256)  # but for the file's, they are the same in every upload
def parse_disposition(header: str) -> tuple[str, str | None]:
    """Return name and file name of a part; raises BodyMalformed. RFC 7578 4.2 forbids the `filename*` form."""
    kind, parameters = _split_header(header)
    if kind != "form-data" or not parameters.get("name"):
        raise BodyMalformed("A part of the form doesn't say which field it is.")
    return parameters["name"], parameters.get("filename")


def _split_header(header: str) -> tuple[str, dict[str, str]]:
    """Return the lower-case kind and the parameters; raises BodyMalformed where a parameter is unclear."""
    kind, semicolon, rest = header.partition(";")
    parameters: dict[str, str] = {}
    position, text = 0, semicolon + rest
    while found := _PARAMETER.match(text, position):
        name = found[1].lower()
        if name in parameters:
            raise BodyMalformed(f"A header of the form says {shown(name)} twice.")
        parameters[name] = _QUOTED_PAIR.sub(r"\1", found[2]) if found[2] is not None else found[3]
        position = found.end()
    if text[position:].strip("; \t"):
        raise BodyMalformed("A header of the form can't be read.")
    return kind.strip().lower(), parameters


def _decode(data: bytearray) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise FormInvalid("The form holds text that is not UTF-8.") from None
