"""Watching mail domains in the background of a server: by one process at a time, deciding by the clock."""

from __future__ import annotations

from typing import Final

from django.db import close_old_connections

from keyhouse.accounts.addresses.watching import watch_domains
from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work
from keyhouse.index.turns import unless_busy

POLL_SECONDS: Final = 600.0
FIRST_SECONDS: Final = 20.0  # after the start, which has more urgent things to do
LOCK: Final = "mail-domains"


def watch_unless_busy() -> dict[str, int] | None:
    """Do what is due; None where another process is at it."""
    return unless_busy(LOCK, lambda: watch_domains(clock.now()))


class DomainWatch(Rounds):
    """Looks every ten minutes; a watch that is cut off goes on where it was in the next process."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "mail-domains",
            watch_unless_busy,
            "mail domains can't be looked for right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
