"""What the mandates need done beside requests: by one process at a time, deciding by the clock.

A server looks once a minute in real time; `dev settle` does it until nothing is left. Each work looks anew at what is
due, and a round that is cut off leaves nothing half-done.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import close_old_connections

from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work, do_all
from keyhouse.index.database import UnavailableError
from keyhouse.index.turns import unless_busy
from keyhouse.mandate import criticality, dispositions, history, protection, unanswered
from keyhouse.mandate.campaigns import emergency, signals
from keyhouse.mandate.exits import laying_down, weighing
from keyhouse.mandate.metrics import daily
from keyhouse.mandate.notices import following
from keyhouse.mandate.notices import services as notices
from keyhouse.mandate.shadow import keeping as shadows
from keyhouse.organizations import ownership as organizations
from keyhouse.projects import ownership

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 2.0  # after the start, which has more urgent things to do
TURN_SECONDS: Final = 60.0
WAIT_SECONDS: Final = 0.05
LOCK: Final = "mandate-keeping"

# What is critical is worked out first: it says whom the mandates cover.
WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "criteria": criticality.renew_critical_projects,
    "unanswered": unanswered.take_back,
    "tokens": dispositions.revoke_due_tokens,
    "protection": protection.renew_protection,
    "campaigns": signals.look_after,
    "history": history.prune,
    "owners": ownership.carry_out_due,
    "adoption": daily.renew_adoption,
    "delivered": following.follow,
    "notices": notices.queue_due,
    "weak_uses": notices.forget_weak_uses,
    **shadows.WORKS,
    "emergency_accounts": emergency.carry_out_due,
    "organization_owners": organizations.carry_out_due,
    "laid_down": laying_down.carry_out_due,
    "weights": weighing.renew,
}


def keep(now: datetime) -> dict[str, int]:
    """Do all that is due at `now` and return how much of what; waits for another process that is at it.

    Raises UnavailableError where that one doesn't finish, and DatabaseError.
    """
    deadline = time.monotonic() + TURN_SECONDS
    while time.monotonic() < deadline:
        done = keep_unless_busy(now)
        if done is not None:
            return done
        time.sleep(WAIT_SECONDS)
    raise UnavailableError("another process keeps the mandates and doesn't finish")


def keep_unless_busy(now: datetime) -> dict[str, int] | None:
    """Do all that is due at `now`; None where another process is at it."""
    return unless_busy(LOCK, lambda: do_all(WORKS, now))


class Keeper(Rounds):
    """Does it in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "mandate-keeper",
            lambda: keep_unless_busy(clock.now()),
            "what the mandates need can't be done right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
