"""Waking the postman of this process at once when something was queued; those of others look every second."""

from __future__ import annotations

import threading
from typing import Final

_sleepers: Final[set[threading.Event]] = set()


def join(sleeper: threading.Event) -> None:
    """Be woken from now on."""
    _sleepers.add(sleeper)


def leave(sleeper: threading.Event) -> None:
    """Be woken no more."""
    _sleepers.discard(sleeper)


def wake(but: threading.Event | None = None) -> None:
    """Wake all, or all but one."""
    for sleeper in tuple(_sleepers):
        if sleeper is not but:
            sleeper.set()
