"""Reading the published list: lines `SHA1:count`, ordered by hash, in big bites.

A bite is judged as a whole by a few calls that each run through it in C. Only where those don't agree it is read line
by line, to tell which line is wrong.
"""

from __future__ import annotations

import binascii
import gzip
import io
import operator
import re
import zlib
from binascii import unhexlify
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import IO, Final, cast

from keyhouse.accounts.passwords.errors import DumpRefused, dump_refused

BITE: Final = 2**18  # what is made of it stays in the cache of a processor
LONGEST_LINE: Final = 80  # a digest, a colon, a count that a 64 bit number holds, CR and LF: 64
_GZIP: Final = b"\x1f\x8b"
_LINES: Final = re.compile(rb"^(.{40}):[0-9]{1,20}\r?\n", re.MULTILINE)
_COUNTED: Final = re.compile(rb"^(.{40}):([0-9]{1,20})\r?\n", re.MULTILINE)
_LINE: Final = re.compile(rb"([0-9A-F]{40}):([0-9]{1,20})\r?")


def open_text(file: IO[bytes]) -> IO[bytes]:
    """Return the text of a file: itself, or what it holds compressed by gzip."""
    buffered = file if isinstance(file, io.BufferedReader) else io.BufferedReader(file)  # type: ignore[type-var]  # whatever has `readinto`
    if buffered.peek(len(_GZIP)).startswith(_GZIP):
        return cast("IO[bytes]", gzip.GzipFile(fileobj=buffered))
    return buffered


def read_pieces(file: IO[bytes], line: int = 1) -> Iterator[bytes]:
    """Give the text in pieces of whole lines, from this line on; the last may lack its end. Raises DumpRefused."""
    rest, number = b"", line
    for piece in _read(file, BITE):
        text = rest + piece
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end]
            number += text.count(b"\n")
        rest = text[end:]
        if len(rest) > LONGEST_LINE:
            raise dump_refused(number, "longer than any line `SHA1:count` is")
    if rest:
        yield rest


def skip(file: IO[bytes], size: int) -> Iterator[bytes]:
    """Give the first `size` bytes of the text; fewer where it ends before. Raises DumpRefused."""
    while size and (piece := next(_read(file, min(BITE, size)), b"")):
        size -= len(piece)
        yield piece


def _read(file: IO[bytes], most: int) -> Iterator[bytes]:
    try:
        yield from iter(partial(file.read, most), b"")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DumpRefused(f"The compressed list is cut off or damaged ({error}).") from error


@dataclass(slots=True)
class Reader:
    """Judges a dump bite by bite: `lines` and `last` tell how far it is."""

    least_count: int = 1
    lines: int = 0
    last: bytes = b""

    def read(self, text: bytes) -> bytes:
        """Return the digests of the next whole lines; raises DumpRefused with the number of the first wrong one."""
        text = text if text.endswith(b"\n") else text + b"\n"
        names: list[bytes] = _LINES.findall(text)
        digests = _digests_of(names) if self._is_in_order(text, names) else None
        if digests is None:
            names = self._judge_lines(text.upper())
            digests = unhexlify(b"".join(names))
        self.lines += len(names)
        self.last = names[-1].upper()
        if self.least_count <= 1:
            return digests
        counted = _COUNTED.findall(text)
        return unhexlify(b"".join(name for name, count in counted if int(count) >= self.least_count))

    def _is_in_order(self, text: bytes, names: list[bytes]) -> bool:
        """Whether every line was taken, each behind the one before.

        It goes by their text: where upper and lower case are mixed in one piece, it is read line by line.
        """
        is_whole = len(names) == text.count(b"\n") and bool(names) and names[0].upper() > self.last
        return is_whole and all(map(operator.lt, names, islice(names, 1, None)))

    def _judge_lines(self, text: bytes) -> list[bytes]:
        names, last = [], self.last
        for number, line in enumerate(text.removesuffix(b"\n").split(b"\n"), self.lines + 1):
            found = _LINE.fullmatch(line)
            if found is None:
                raise dump_refused(number, "not 40 hexadecimal digits, a colon and a count")
            if found[1] <= last:
                raise dump_refused(
                    number, "the digest of the line before" if found[1] == last else "not in order"
                )
            last = found[1]
            names.append(last)
        return names


def _digests_of(names: list[bytes]) -> bytes | None:
    """Return the digests, or None where something isn't hexadecimal."""
    try:
        return unhexlify(b"".join(names))
    except binascii.Error:
        return None
