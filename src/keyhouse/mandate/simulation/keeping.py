"""Doing the simulations that somebody wants, beside requests: by one process at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import close_old_connections

from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work, do_all
from keyhouse.index.turns import unless_busy
from keyhouse.mandate.simulation import services

POLL_SECONDS: Final = 5.0  # somebody waits and looks
FIRST_SECONDS: Final = 5.0
LOCK: Final = "simulation-keeping"
WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "simulations": services.carry_out_wanted,
    "old-simulations": services.prune,
}


def keep(now: datetime) -> dict[str, int] | None:
    """Do what is wanted, and return how much of what; None where another process is at it. Raises DatabaseError."""
    return unless_busy(LOCK, lambda: do_all(WORKS, now))


class Keeper(Rounds):
    """Does it in the background of a server; those who count have processes of their own."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "simulation-keeper",
            lambda: keep(clock.now()),
            "simulations can't be made right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
