"""What a blob store must do: keep whole files under a key, durably, and give them back."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO, Final, Protocol

METADATA_SUFFIX: Final = ".metadata"

_KEY: Final = re.compile(r"[0-9a-f]{2}/[0-9a-f]{2}/[0-9a-f]{60}/[A-Za-z0-9_][A-Za-z0-9._+!-]{0,299}")


class Blobs(Protocol):
    """A store of blobs. A key is `{2}/{2}/{60}/{filename}`: the BLAKE2b-256 of the bytes, then a name.

    One key has one content for ever, so keeping it a second time changes nothing. Every method may raise OSError.
    """

    def incoming(self) -> Path:
        """Return a path for a new temporary file on the store's own volume; the caller makes the file."""

    def keep(self, temp: Path, key: str) -> None:
        """Move a temporary file to its key; when this returns, no power cut takes it away."""

    def keep_all(self, pairs: Sequence[tuple[Path, str]]) -> None:
        """Do what `keep` does for several files, syncing each folder once."""

    def name_all(self, pairs: Sequence[tuple[Path, str]]) -> Callable[[], None]:
        """Give several files their keys and return what makes that durable; the temporary files are the caller's.

        It is to be called once, from any thread. Nobody may rely on a key before it has returned; if it raises OSError,
        new keys are taken back where that can be.
        """

    def path_of(self, key: str) -> Path | None:
        """Return where the blob lies as a plain file, or None: not here, or not in a file."""

    def open(self, key: str) -> BinaryIO:
        """Open a blob for reading; raises FileNotFoundError."""

    def size(self, key: str) -> int | None:
        """Return the size in bytes, or None where there is no such blob."""

    def keys(self) -> Iterator[str]:
        """Give every key, in no particular order."""

    def remove(self, key: str) -> None:
        """Remove a blob; one that is not there is fine."""

    def sweep_incoming(self, older_than: timedelta) -> int:
        """Remove temporary files that nobody holds and that are older; return how many."""


def check_key(key: str) -> str:
    """Return the key, or raise ValueError for anything that could leave its place in the store."""
    if not _KEY.fullmatch(key):
        message = f"{key!r} is not the key of a blob"
        raise ValueError(message)
    return key


def key_of(blake2: str, filename: str) -> str:
    """Return the key of a file by its BLAKE2b-256 (64 hex digits) and name; raises ValueError."""
    return check_key(f"{blake2[:2]}/{blake2[2:4]}/{blake2[4:]}/{filename}")


def metadata_key_of(blake2: str, filename: str) -> str:
    """Return the key of the metadata file that stands beside a wheel (PEP 658)."""
    return check_key(key_of(blake2, filename) + METADATA_SUFFIX)
