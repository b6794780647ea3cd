"""Parts of files: the `Range` and `If-Range` headers (RFC 9110 sections 13.1.5 and 14)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

# one range of bytes; a list of several is answered with the whole file, which RFC 9110 14.2 allows
_ONE_RANGE: Final = re.compile(rb"bytes=[ \t]*(\d{0,19})-(\d{0,19})[ \t]*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes `first` to `last` of a file, both counted from 0 and both included."""

    first: int
    last: int

    @property
    def length(self) -> int:
        """Return the number of bytes."""
        return self.last - self.first + 1


class OutsideError(Exception):
    """No byte of the range exists in the file: 416."""


def find_part(header: bytes, size: int) -> Part | None:
    """Return the part that a `Range` header asks for, or None where it is to be ignored.

    Raises OutsideError where it is well-formed and touches no byte of a file of `size` bytes.
    """
    match = _ONE_RANGE.match(header)
    if match is None or match.group(1) == match.group(2) == b"":
        return None
    first, last = match.groups()
    if not first:
        return _last_bytes(int(last), size)
    if last and int(last) < int(first):
        return None  # not a range at all (RFC 9110 14.1.1)
    if int(first) >= size:
        raise OutsideError
    return Part(int(first), min(int(last), size - 1) if last else size - 1)


def _last_bytes(count: int, size: int) -> Part:
    if count == 0 or size == 0:
        raise OutsideError
    return Part(max(size - count, 0), size - 1)


def is_still(if_range: bytes | None, etag: bytes) -> bool:
    """Tell whether a part may be sent: no condition, or exactly our strong tag.

    A date never holds: files carry no `Last-Modified`.
    """
    return if_range is None or if_range.strip() == etag


def is_known(if_none_match: bytes, etag: bytes) -> bool:
    """Tell whether `If-None-Match` holds this tag; compared weakly, as RFC 9110 13.1.2 wants."""
    if if_none_match == etag:
        return True
    if if_none_match.strip() == b"*":
        return True
    return any(part.strip().removeprefix(b"W/") == etag for part in if_none_match.split(b","))
