"""The file of compromised passwords: exact, a little over 19 bytes a password, looked up by memory map.

Layout, all numbers big-endian:

    header    magic (8) · version (2) · bytes of an entry (2) · entries of a block (4) · entries (8) · least count (8) ·
              lines of the source (8) · made at, Unix seconds (8) · SHA-256 of the source's text (32) ·
              SHA-256 of the header so far and the table (32)
    blocks    up to 1,024 entries in ascending order, then their CRC-32 (4)
    table     for each first byte 0 to 255 how many entries begin with it (LEB128)

An entry is a SHA-1 digest without its first byte, which the table tells. Opening verifies header, table and size. A
look-up verifies the blocks that its answer rests on: the two neighbours between which a digest would stand. So a
damaged file raises `CompromisedFileDamaged`, and never says "not known" of what it was made to know.
"""

from __future__ import annotations

import hashlib
import mmap
import struct
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from typing import Final

from keyhouse.accounts.passwords.errors import CompromisedFileDamaged

FILE_NAME: Final = "compromised-passwords.bin"
MAGIC: Final = b"\x89KHPW\r\n\x1a"  # a transfer as text would change it
VERSION: Final = 1
DIGEST_BYTES: Final = 20
ENTRY: Final = DIGEST_BYTES - 1
BLOCK: Final = 1024  # entries
CRC: Final = struct.Struct(">I")
BLOCK_BYTES: Final = BLOCK * ENTRY + CRC.size
FIELDS: Final = struct.Struct(">8sHHIQQQQ32s")
HEADER_BYTES: Final = FIELDS.size + hashlib.sha256().digest_size
FIRST_BYTES: Final = 256
_KEY: Final = struct.Struct(">Q")  # the part of an entry that is reckoned with
_WHOLE: Final = 1 << 64
_MORE: Final = 0x80  # the mark of LEB128 on a byte that is not a number's last
_AROUND: Final = 3 * BLOCK_BYTES + mmap.PAGESIZE
_GUESSES: Final = 8  # evenly spread digests need about four; others are halved after that


@dataclass(frozen=True, slots=True)
class About:
    """What the header tells: how many entries, from how many lines, of what count at least, which source, when."""

    entries: int
    least_count: int
    lines: int
    made_at: datetime
    source_sha256: bytes

    def pack(self, table: bytes) -> bytes:
        """Return the header as it stands in the file."""
        fields = FIELDS.pack(
            MAGIC,
            VERSION,
            ENTRY,
            BLOCK,
            self.entries,
            self.least_count,
            self.lines,
            int(self.made_at.timestamp()),
            self.source_sha256,
        )
        return fields + hashlib.sha256(fields + table).digest()


def pack_table(counts: list[int]) -> bytes:
    """Return the table: 256 numbers, seven bits a byte, the lowest first."""
    packed = bytearray()
    for count in counts:
        left = count
        while left >= _MORE:
            packed.append(_MORE | left % _MORE)
            left //= _MORE
        packed.append(left)
    return bytes(packed)


def _read_table(packed: bytes) -> list[int]:
    counts, number, shift = [], 0, 0
    for byte in packed:
        number |= byte % _MORE << shift
        shift += 7
        if byte < _MORE:
            counts.append(number)
            number = shift = 0
    if len(counts) != FIRST_BYTES or shift:
        raise CompromisedFileDamaged
    return counts


def blocks_bytes(entries: int) -> int:
    """Return how many bytes the blocks of so many entries take."""
    return entries * ENTRY + -(-entries // BLOCK) * CRC.size


class CompromisedFile:
    """One opened file. It may be asked by many threads at once."""

    def __init__(self, path: Path) -> None:
        """Open and verify it. Raises CompromisedFileDamaged; FileNotFoundError where there is none."""
        with path.open("rb") as file:
            if file.seek(0, 2) < HEADER_BYTES:
                raise CompromisedFileDamaged
            self._map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        self._map.madvise(mmap.MADV_RANDOM)  # or each page would bring megabytes with it on some disks
        self.about, table = self._read_head()
        self._starts = [0, *accumulate(table)]
        if self._starts[-1] != self.about.entries:
            raise CompromisedFileDamaged

    def __len__(self) -> int:
        return self.about.entries

    @property
    def size(self) -> int:
        """Return the size in bytes, everything counted."""
        return len(self._map)

    def __contains__(self, digest: bytes) -> bool:
        """Whether the SHA-1 digest is in the file; raises CompromisedFileDamaged."""
        low, high = self._starts[digest[0]], self._starts[digest[0] + 1]
        tail = digest[1:]
        self._fetch_around(low + _KEY.unpack_from(tail)[0] * (high - low) // _WHOLE)
        position = self._place(tail, low, high)
        for neighbour in {position - 1, position}:
            if low <= neighbour < high:
                self.verify_block(neighbour // BLOCK)
        is_between = (position == low or self._entry(position - 1) < tail) and (
            position == high or self._entry(position) >= tail
        )
        if not is_between:
            raise CompromisedFileDamaged
        return position < high and self._entry(position) == tail

    def verify(self, follow: Callable[[range], Iterable[int]] = iter) -> None:
        """Verify every block, which `follow` may watch; raises CompromisedFileDamaged."""
        self._map.madvise(mmap.MADV_SEQUENTIAL)
        for block in follow(range(self.blocks)):
            self.verify_block(block)
        self._map.madvise(mmap.MADV_RANDOM)

    @property
    def blocks(self) -> int:
        """Return how many blocks there are."""
        return -(-self.about.entries // BLOCK)

    def verify_block(self, block: int) -> None:
        """Verify one block by its CRC-32; raises CompromisedFileDamaged."""
        start = HEADER_BYTES + block * BLOCK_BYTES
        end = start + min(BLOCK, self.about.entries - block * BLOCK) * ENTRY
        if CRC.unpack_from(self._map, end)[0] != zlib.crc32(self._map[start:end]):
            raise CompromisedFileDamaged

    def _read_head(self) -> tuple[About, list[int]]:
        fields = self._map[: FIELDS.size]
        magic, version, entry, block, entries, least, lines, made, source = FIELDS.unpack(fields)
        if (magic, version, entry, block) != (MAGIC, VERSION, ENTRY, BLOCK):
            raise CompromisedFileDamaged(
                "This is not a file of compromised passwords that this version reads."
            )
        table = self._map[HEADER_BYTES + blocks_bytes(entries) :]
        if hashlib.sha256(fields + table).digest() != self._map[FIELDS.size : HEADER_BYTES]:
            raise CompromisedFileDamaged
        return About(entries, least, lines, datetime.fromtimestamp(made, UTC), source), _read_table(table)

    def _entry(self, position: int) -> bytes:
        start = HEADER_BYTES + position * ENTRY + position // BLOCK * CRC.size
        return self._map[start : start + ENTRY]

    def _fetch_around(self, position: int) -> None:
        """Let the disk bring, in one read, the blocks around where a digest should stand."""
        start = HEADER_BYTES + max(position // BLOCK - 1, 0) * BLOCK_BYTES
        start -= start % mmap.PAGESIZE
        self._map.madvise(mmap.MADV_WILLNEED, start, min(_AROUND, len(self._map) - start))

    def _place(self, tail: bytes, low: int, high: int) -> int:
        """Return the position of the first entry that is not before `tail`.

        Digests are spread evenly, so the first guesses reckon where it should stand; each costs a page of the file.
        """
        wanted, below, above = _KEY.unpack_from(tail)[0], 0, _WHOLE
        guesses = 0
        while low < high:
            middle = (low + high) // 2
            if guesses < _GUESSES and below <= wanted < above:
                middle = low + (wanted - below) * (high - low) // (above - below)
            guesses += 1
            entry = self._entry(middle)
            if entry < tail:
                low, below = middle + 1, _KEY.unpack_from(entry)[0]
            elif entry == tail:
                return middle
            else:
                high, above = middle, _KEY.unpack_from(entry)[0]
        return low
