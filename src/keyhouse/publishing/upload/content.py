"""The file of an upload on its way in: a temporary file, and three digests computed as it comes."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol, Self

from keyhouse.storage.local import hold

_LEFT_SECONDS: Final = 3600  # for which no sweep removes what one process left for another


@dataclass(frozen=True, slots=True)
class Content:
    """A file that has arrived: where it lies, its size in bytes and its digests in lower-case hex."""

    path: Path
    size: int
    md5: str
    sha256: str
    blake2: str


class Places(Protocol):
    """Where new files may lie; a store is one."""

    def incoming(self) -> Path:
        """Return the path for a new temporary file; the caller makes the file."""


class IncomingFile:
    """Writes pieces to a temporary file of the store's own volume and digests them.

    The methods block and may raise OSError; they may be called from any thread. After `discard` nothing is left,
    whatever was under way.
    """

    def __init__(self, places: Places) -> None:
        self._places = places
        self._lock = threading.Lock()
        self._path: Path | None = None
        self._descriptor = -1
        self._size = 0
        self._is_discarded = False
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._sha256 = hashlib.sha256()
        self._blake2 = hashlib.blake2b(digest_size=32)

    def write(self, pieces: Sequence[bytes]) -> None:
        """Append pieces."""
        with self._lock:
            if self._is_discarded:
                return
            self._open()
            self._write(b"".join(pieces))  # one long piece: digests of short ones fight for the interpreter

    def finish(self) -> Content:
        """Return what has arrived; the file stays until `discard`."""
        with self._lock:
            path = self._open()
            return Content(
                path,
                self._size,
                self._md5.hexdigest(),
                self._sha256.hexdigest(),
                self._blake2.hexdigest(),
            )

    def leave(self) -> None:
        """Close the temporary file and let it lie, for another process to take it over within an hour.

        Nobody holds it until then, so it gets a time at which a sweep, which goes by age, passes it over.
        """
        with self._lock:
            if self._path is not None:
                self._path = None
                # file times are the machine's, whatever the product's clock says
                until = time.time() + _LEFT_SECONDS
                os.utime(self._descriptor, (until, until))
                os.close(self._descriptor)

    @classmethod
    def taken_over(cls, content: Content, places: Places) -> Self:
        """Return one that was written by another process, held from now on; it can be discarded. Raises OSError."""
        incoming = cls(places)
        incoming._descriptor = os.open(content.path, os.O_RDONLY | os.O_CLOEXEC)
        incoming._path = content.path
        hold(incoming._descriptor)
        os.utime(incoming._descriptor)  # blobs have an age, too
        return incoming

    def discard(self) -> None:
        """Close and remove the temporary file; one that was kept under a key is no longer there."""
        with self._lock:
            self._is_discarded = True
            if self._path is None:
                return
            self._path.unlink(missing_ok=True)
            self._path = None
            os.close(self._descriptor)

    def _open(self) -> Path:
        if self._path is None:
            path = self._places.incoming()
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            self._path = path
            hold(self._descriptor)
        return self._path

    def _write(self, piece: bytes) -> None:
        self._size += len(piece)
        self._md5.update(piece)
        self._sha256.update(piece)
        self._blake2.update(piece)
        left = memoryview(piece)
        while left:
            left = left[os.write(self._descriptor, left) :]


def digest_file(path: Path) -> Content:
    """Read a file of this machine through once; raises OSError."""
    md5, sha256 = hashlib.md5(usedforsecurity=False), hashlib.sha256()
    blake2 = hashlib.blake2b(digest_size=32)
    size = 0
    with path.open("rb") as file:
        while piece := file.read(2**20):
            size += len(piece)
            md5.update(piece)
            sha256.update(piece)
            blake2.update(piece)
    return Content(path, size, md5.hexdigest(), sha256.hexdigest(), blake2.hexdigest())
