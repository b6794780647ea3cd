"""What staged releases need done beside requests: telling of their end, ending them, letting go of their bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import close_old_connections

from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work, do_all
from keyhouse.publishing.staging.sweeping import expire_staged, sweep_staged, warn_of_ends

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 11.0  # after the start, which has more urgent things to do
WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "staged_expired": expire_staged,
    "staged_ends_told": warn_of_ends,
    "staged_swept": sweep_staged,
}


def keep(now: datetime) -> dict[str, int]:
    """Do all that is due at `now`; returns how much of what."""
    return do_all(WORKS, now)


class Keeper(Rounds):
    """Does it in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "staging-keeper",
            lambda: keep(clock.now()),
            "staged releases whose time is over can't be let go of right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
