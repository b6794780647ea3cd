"""Whoever takes blobs away and whoever copies them take turns: a blob must not go while a copy of the database names it."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager

from keyhouse.core.configuration import Configuration


@contextmanager
def hold_storage(settings: Configuration) -> Iterator[None]:
    """Keep pruning and backups apart; waits for its turn."""
    with (settings.data / "storage.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@contextmanager
def try_to_hold_storage(settings: Configuration) -> Iterator[bool]:
    """Do the same without waiting; tells whether it is one's turn."""
    with (settings.data / "storage.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
