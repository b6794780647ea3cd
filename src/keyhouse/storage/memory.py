"""Blobs in memory, for tests: nothing outlives the process, temporary files excepted."""

from __future__ import annotations

import io
import secrets
import tempfile
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from keyhouse.storage.blobs import check_key


class MemoryBlobs:
    """Blobs in a dictionary; temporary files are real ones, in a folder that goes away with the store."""

    def __init__(self) -> None:
        self._contents: dict[str, bytes] = {}
        self._folder = tempfile.TemporaryDirectory(prefix="keyhouse-incoming-")

    def incoming(self) -> Path:
        """Return a path for a new temporary file; the caller makes the file."""
        return Path(self._folder.name, secrets.token_hex(16))

    def keep(self, temp: Path, key: str) -> None:
        """Take the bytes of a temporary file, which goes away."""
        self.keep_all([(temp, key)])

    def keep_all(self, pairs: Sequence[tuple[Path, str]]) -> None:
        """Do what `keep` does for several files."""
        self.name_all(pairs)()
        for temp, _ in pairs:
            temp.unlink()

    def name_all(self, pairs: Sequence[tuple[Path, str]]) -> Callable[[], None]:
        """Take the bytes of several files; nothing is left to do."""
        for temp, key in pairs:
            self._contents[check_key(key)] = temp.read_bytes()
        return lambda: None

    def path_of(self, key: str) -> Path | None:
        """Return None: no blob lies in a file."""
        check_key(key)
        return None

    def open(self, key: str) -> BinaryIO:
        """Open a blob for reading; raises FileNotFoundError."""
        try:
            return io.BytesIO(self._contents[check_key(key)])
        except KeyError:
            raise FileNotFoundError(key) from None

    def size(self, key: str) -> int | None:
        """Return the size in bytes, or None where there is no such blob."""
        content = self._contents.get(check_key(key))
        return None if content is None else len(content)

    def keys(self) -> Iterator[str]:
        """Give every key."""
        yield from list(self._contents)

    def remove(self, key: str) -> None:
        """Remove a blob; one that is not there is fine."""
        self._contents.pop(check_key(key), None)

    def sweep_incoming(self, older_than: timedelta) -> int:
        """Remove every temporary file: one process holds them all, and asks only when it holds none."""
        del older_than
        left = list(Path(self._folder.name).iterdir())
        for path in left:
            path.unlink()
        return len(left)
