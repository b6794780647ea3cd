"""What accounts need done beside requests, deciding by the clock: deletions whose wait is over, tombstones, check-ups, sign-ins that stopped.

A server looks once a minute in real time; `dev settle` does it until nothing is left. Each work looks anew at what is
due, takes each account in a transaction of its own, and does nothing a second time; so several servers may be at it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import close_old_connections

from keyhouse.accounts import deletion
from keyhouse.accounts.check_up import services as check_ups
from keyhouse.accounts.oversight import addresses, offices
from keyhouse.accounts.unfinished import services as unfinished
from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work, do_all

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 5.0  # after the start, which has more urgent things to do
WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "accounts_deleted": deletion.carry_out_due,
    "tombstones": deletion.forget_tombstones,
    "offices": offices.carry_out_due,
    "addresses": addresses.carry_out_due,
    "check_ups": check_ups.ask_due,
    "check_ups_over": check_ups.close_due,
    "unfinished_sign_ins": unfinished.tell_due,
}


def keep(now: datetime) -> dict[str, int]:
    """Do all that is due at `now`; returns how much of what. Where one work fails the others are done first."""
    return do_all(WORKS, now)


class Keeper(Rounds):
    """Does it in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "account-keeper",
            lambda: keep(clock.now()),
            "what accounts need can't be done right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
