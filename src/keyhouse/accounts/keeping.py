"""What accounts need done beside requests, deciding by the clock: deletions whose wait is over, tombstones that are old.

A server looks once a minute in real time; `dev settle` does it until nothing is left. Each work looks anew at what is
due, takes each account in a transaction of its own, and does nothing a second time; so several servers may be at it.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import close_old_connections

from keyhouse.accounts import deletion
from keyhouse.core import clock

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 5.0  # after the start, which has more urgent things to do
STOP_SECONDS: Final = 5.0
WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "accounts_deleted": deletion.carry_out_due,
    "tombstones": deletion.forget_tombstones,
}

_log = logging.getLogger("keyhouse.accounts")


def keep(now: datetime) -> dict[str, int]:
    """Do all that is due at `now`; returns how much of what. Where one work fails the others are done first."""
    done: dict[str, int] = {}
    failures: list[Exception] = []
    for name, work in WORKS.items():
        try:
            done[name] = work(now)
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
    if failures:
        raise failures[0]
    return done


class Keeper:
    """Does it in the background of a server, on a thread of its own."""

    def __init__(self) -> None:
        """Begin when told to."""
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work in the background."""
        self._thread = threading.Thread(target=self._run, name="account-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; a round that takes long is cut off with the process and done again by the next one."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        rest = FIRST_SECONDS
        while not self._is_stopping.wait(rest):
            self._do_round()
            rest = POLL_SECONDS

    def _do_round(self) -> None:
        try:
            keep(clock.now())
        except Exception:  # noqa: BLE001 - whatever is wrong now may be right in a minute
            _log.warning("what accounts need can't be done right now", exc_info=True)
        finally:
            close_old_connections()
