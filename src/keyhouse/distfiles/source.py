"""Read an open file at any place, never past its end."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NoReturn, Self

from keyhouse.distfiles.findings import UnacceptableError

_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class Source:
    """An open file and its size in bytes."""

    descriptor: int
    size: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes; raise `UnacceptableError` where the file has fewer."""
        if offset < 0 or length < 0 or offset + length > self.size:
            _refuse_truncated()
        data = os.pread(self.descriptor, length, offset)
        while len(data) < length:
            more = os.pread(self.descriptor, length - len(data), offset + len(data))
            if not more:
                _refuse_truncated()
            data += more
        return data

    def chunks(self, offset: int, length: int) -> Iterator[bytes]:
        """Yield `length` bytes from `offset` on in pieces of at most 256 KiB."""
        end = offset + length
        while offset < end:
            data = self.read_at(offset, min(_CHUNK, end - offset))
            offset += len(data)
            yield data


@dataclass(frozen=True, slots=True)
class StreamSource(Source):
    """A stream that can be sought in, where there is no file of this machine; for one reader at a time."""

    stream: BinaryIO

    @classmethod
    def of(cls, stream: BinaryIO) -> Self:
        """Return a source of a whole stream."""
        return cls(descriptor=-1, size=stream.seek(0, os.SEEK_END), stream=stream)

    def read_at(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes; raise `UnacceptableError` where the stream has fewer."""
        if offset < 0 or length < 0 or offset + length > self.size:
            _refuse_truncated()
        self.stream.seek(offset)
        data = b""
        while len(data) < length:
            more = self.stream.read(length - len(data))
            if not more:
                _refuse_truncated()
            data += more
        return data


@contextmanager
def open_source(path: Path) -> Iterator[Source]:
    """Open the file at `path`; raises `UnacceptableError` where there is no file to open.

    Faults of the disk stay `OSError`: they are not the fault of the file.
    """
    try:
        # without blocking: opening a FIFO would wait for a writer
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except (FileNotFoundError, NotADirectoryError, PermissionError) as error:
        sentence = f"The file cannot be opened: {error.strerror}."
        raise UnacceptableError("file-unreadable", sentence) from error
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise UnacceptableError("file-unreadable", "This is not a regular file.")
        yield Source(descriptor, status.st_size)
    finally:
        os.close(descriptor)


def _refuse_truncated() -> NoReturn:
    sentence = "The archive ends before all its parts are there; build the file again."
    raise UnacceptableError("archive-truncated", sentence)
