"""Reading files of this machine that somebody else put there: regular files below one folder, through no link."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final

from keyhouse.distfiles.findings import shown
from keyhouse.publishing.importing.errors import SourceEntryInvalid, SourceUnanswered

_PIECE: Final = 2**20


@contextmanager
def opened(path: Path, root: Path) -> Iterator[int]:
    """Open a regular file and give its descriptor; raises SourceEntryInvalid for whatever else lies there."""
    try:
        # without blocking: opening a FIFO would wait for a writer
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        raise SourceEntryInvalid(f"{shown(path.name)} can't be opened: {error.strerror}.") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SourceEntryInvalid(f"{shown(path.name)} is not a regular file.")
        if not _place_of(descriptor, path).startswith(_beginning_of(root)):
            raise SourceEntryInvalid(f"{shown(path.name)} lies outside of the folder.")
        yield descriptor
    finally:
        os.close(descriptor)


@lru_cache(maxsize=4)
def _beginning_of(root: Path) -> str:
    """Return where the folder lay when it was asked first: what takes its place meanwhile was named by nobody."""
    return os.path.join(root.resolve(), "")  # noqa: PTH118 - with a slash at its end


def _place_of(descriptor: int, path: Path) -> str:
    """Return where an open file lies; Linux tells it by one call (proc_pid_fd(5))."""
    try:
        return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - a text, for each file
    except OSError:
        return str(path.resolve())


def pieces_of(path: Path, root: Path, most: int) -> Iterator[bytes]:
    """Give the bytes of a file, stopping behind `most`."""
    came = 0
    with opened(path, root) as descriptor:
        while piece := _read(descriptor, path):
            came += len(piece)
            yield piece
            if came > most:
                return


def sha256_of(path: Path, root: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    digest = hashlib.sha256()
    with opened(path, root) as descriptor:
        while piece := _read(descriptor, path):
            digest.update(piece)
    return digest.hexdigest()


def read_small(path: Path, root: Path, most: int) -> bytes | None:
    """Return a whole file of at most `most` bytes, or None where there is none."""
    if not path.exists():
        return None
    body = b"".join(pieces_of(path, root, most))
    if len(body) > most:
        raise SourceEntryInvalid(f"{shown(path.name)} has more than {most:,} bytes.")
    return body


def _read(descriptor: int, path: Path) -> bytes:
    """Read on. Room of one size each time is used again; room as large as each file costs a hundred page faults more."""
    try:
        return os.read(descriptor, _PIECE)
    except OSError as error:
        raise SourceUnanswered(f"{shown(path.name)} can't be read: {error.strerror}.") from error
