"""`keyhouse passwords import`: from the published list to the file, whole or not at all, and gone on with if interrupted.

While it works there are two more files in the data folder: the file as far as it is, and a note that says how far
that is. The note tells of nothing that isn't on the disk. Whoever goes on reads the source once more up to there and
compares its digest, so that one list is never continued with another.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Final

from keyhouse.accounts.passwords import dump
from keyhouse.accounts.passwords.compromised_file import (
    FILE_NAME,
    HEADER_BYTES,
    About,
    blocks_bytes,
)
from keyhouse.accounts.passwords.errors import DumpRefused
from keyhouse.accounts.passwords.writing import Writer, Written
from keyhouse.core import clock, data_folder, faults

PART_NAME: Final = "compromised-passwords.part"
NOTE_NAME: Final = "compromised-passwords.part.json"
LOCK_NAME: Final = "compromised-passwords"
NOTE_SECONDS: Final = 2.0
EVEN_LEAST: Final = 1000  # lines from which on the spread of digests tells something
EVEN_GAP: Final = 40  # times the usual distance: once in e⁴⁰ whole lists


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an import is: bytes of the source, lines, entries; `is_again` while it reads what it had read before."""

    source_bytes: int
    lines: int
    entries: int
    is_again: bool = False


@dataclass(frozen=True, slots=True)
class Imported:
    """What came of an import; `seems_cut_off`: the list ends so early that it is hardly whole."""

    about: About
    size: int
    went_on_at: int
    seems_cut_off: bool


@dataclass(slots=True)
class _Note:
    """What is on the disk of an unfinished import."""

    least_count: int
    source_bytes: int
    source_sha256: str
    lines: int
    last: str
    entries: int
    waiting: str
    counts: list[int]

    @classmethod
    def find(cls, data: Path, least_count: int) -> _Note | None:
        """Return the note of an import that can be gone on with, or None."""
        with suppress(OSError, ValueError, TypeError):
            note = cls(**json.loads((data / NOTE_NAME).read_text(encoding="utf-8")))
            has_written = HEADER_BYTES + blocks_bytes(note.entries) <= (data / PART_NAME).stat().st_size
            if has_written and note.least_count == least_count:
                return note
        return None


def import_dump(
    source: IO[bytes], data: Path, *, least_count: int = 1, tell: Callable[[Progress], None] = lambda _: None
) -> Imported:
    """Make the file in the data folder from a dump; a running server takes it from its next look-up on.

    Raises DumpRefused: then nothing is replaced, and nothing is left over. An interrupted import is gone on with.
    """
    with data_folder.exclusively(data, LOCK_NAME):
        try:
            return _Import(source, data, least_count, tell).run()
        except DumpRefused:
            _forget(data)
            raise


def _forget(data: Path) -> None:
    for name in (NOTE_NAME, PART_NAME):
        (data / name).unlink(missing_ok=True)


class _Import:
    """One import on its way."""

    def __init__(
        self, source: IO[bytes], data: Path, least_count: int, tell: Callable[[Progress], None]
    ) -> None:
        self._text, self._can_rewind = dump.open_text(source), source.seekable()
        self._data, self._tell = data, tell
        self._reader = dump.Reader(least_count)
        self._digest, self._read = hashlib.sha256(), 0
        self._went_on_at = 0
        self._noted_at = time.monotonic()

    def run(self) -> Imported:
        note = self._go_on()
        with _open_part(self._data / PART_NAME, is_new=note is None) as file:
            writer = Writer(file, _written(note) if note else None)
            self._convert(writer)
            about = self._about(writer)
            writer.finish(about)
        faults.reach("passwords.written")
        _put_in_place(self._data)
        return Imported(
            about, (self._data / FILE_NAME).stat().st_size, self._went_on_at, self._seems_cut_off()
        )

    def _go_on(self) -> _Note | None:
        """Return the note of an unfinished import of this very list, having read as far as it tells."""
        note = _Note.find(self._data, self._reader.least_count)
        if note is None:
            return None
        for piece in dump.skip(self._text, note.source_bytes):
            self._take(piece)
            self._tell(Progress(self._read, 0, 0, is_again=True))
        if (self._read, self._digest.hexdigest()) != (note.source_bytes, note.source_sha256):
            self._begin_anew()
            return None
        self._reader.lines, self._reader.last = note.lines, note.last.encode()
        self._went_on_at = note.lines
        return note

    def _begin_anew(self) -> None:
        if not self._can_rewind:
            raise DumpRefused(
                "An import of another list was interrupted before; what there was of it is gone now.",
                fix="Run this once more.",
            )
        self._text.seek(0)
        self._digest, self._read = hashlib.sha256(), 0

    def _convert(self, writer: Writer) -> None:
        for text in dump.read_pieces(self._text, self._reader.lines + 1):
            self._take(text)
            writer.add(self._reader.read(text))
            self._tell(Progress(self._read, self._reader.lines, writer.entries))
            if time.monotonic() - self._noted_at > NOTE_SECONDS:
                self._note(writer)

    def _take(self, text: bytes) -> None:
        self._read += len(text)
        self._digest.update(text)

    def _note(self, writer: Writer) -> None:
        """Write down how far this is, once that is on the disk."""
        writer.sync()
        written = writer.written
        note = _Note(
            self._reader.least_count,
            self._read,
            self._digest.hexdigest(),
            self._reader.lines,
            self._reader.last.decode(),
            written.entries,
            written.waiting.hex(),
            written.counts,
        )
        draft = self._data / f"{NOTE_NAME}.new"
        draft.write_text(json.dumps(asdict(note)), encoding="utf-8")
        draft.replace(self._data / NOTE_NAME)
        self._noted_at = time.monotonic()
        faults.reach("passwords.noted")

    def _about(self, writer: Writer) -> About:
        if not writer.entries:
            raise DumpRefused("There is no password in this list that is common enough.")
        return About(
            writer.entries,
            self._reader.least_count,
            self._reader.lines,
            clock.now(),
            self._digest.digest(),
        )

    def _seems_cut_off(self) -> bool:
        """Whether the list ends before digests do, which are spread evenly."""
        gap = (1 << 160) - int(self._reader.last, 16)
        return self._reader.lines >= EVEN_LEAST and gap * self._reader.lines > EVEN_GAP << 160


def _written(note: _Note) -> Written:
    return Written(note.entries, bytearray.fromhex(note.waiting), note.counts)


def _open_part(path: Path, *, is_new: bool) -> IO[bytes]:
    flags = os.O_RDWR | os.O_CREAT | (os.O_TRUNC if is_new else 0)
    return os.fdopen(os.open(path, flags, 0o600), "r+b")


def _put_in_place(data: Path) -> None:
    """Let the whole file take the place of the one before, in one step that survives a crash."""
    (data / PART_NAME).replace(data / FILE_NAME)
    folder = os.open(data, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    _forget(data)
