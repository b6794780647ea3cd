"""Watching mail domains in the background of a server: by one process at a time, deciding by the clock."""

from __future__ import annotations

import logging
import threading
from typing import Final

from django.db import close_old_connections

from keyhouse.accounts.addresses.watching import watch_domains
from keyhouse.core import clock, configuration
from keyhouse.index.database import open_database

POLL_SECONDS: Final = 600.0
FIRST_SECONDS: Final = 20.0  # after the start, which has more urgent things to do
STOP_SECONDS: Final = 5.0
LOCK: Final = "mail-domains"

_log = logging.getLogger("keyhouse.accounts")


def watch_unless_busy() -> dict[str, int] | None:
    """Do what is due; None where another process is at it."""
    database = open_database(configuration.current())
    try:
        with database.alone(LOCK) as is_mine:
            return watch_domains(clock.now()) if is_mine else None
    finally:
        database.close()


class DomainWatch:
    """Looks every ten minutes, on a thread of its own."""

    def __init__(self) -> None:
        """Begin when told to."""
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to work in the background."""
        self._thread = threading.Thread(target=self._run, name="mail-domains", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; a watch that is cut off goes on where it was in the next process."""
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
            watch_unless_busy()
        except Exception:  # noqa: BLE001 - whatever is wrong now may be right in ten minutes
            _log.warning("mail domains can't be looked for right now", exc_info=True)
        finally:
            close_old_connections()
