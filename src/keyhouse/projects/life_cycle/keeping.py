"""What the life cycle needs done beside requests: letting go of what can't be brought back any more."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import close_old_connections

from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work, do_all
from keyhouse.projects.life_cycle.sweeping import sweep_removals

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 7.0  # after the start, which has more urgent things to do
WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {"removals_swept": sweep_removals}


def keep(now: datetime) -> dict[str, int]:
    """Do all that is due at `now`; returns how much of what."""
    return do_all(WORKS, now)


class Keeper(Rounds):
    """Does it in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "removal-keeper",
            lambda: keep(clock.now()),
            "what was deleted long ago can't be let go of right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
