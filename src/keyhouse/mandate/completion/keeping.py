"""The daily check of every mandate in force, and one more at the instant at which a mandate calls itself completed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from django.db import close_old_connections

from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work
from keyhouse.index.turns import unless_busy
from keyhouse.mandate import queries
from keyhouse.mandate.completion.queries import completed_at, is_in_force, last_check
from keyhouse.mandate.completion.services import check_by_job
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.rules import Policy

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 20.0  # after the start, which has more urgent things to do
LOCK: Final = "completion-keeping"


def keep(now: datetime) -> dict[str, int]:
    """Check what is due and return how many were checked; nothing where another process is at it."""
    return unless_busy(LOCK, lambda: {"completion": _check_due(now)}) or {}


def _check_due(now: datetime) -> int:
    due = [one for one in queries.live_policies(now) if is_due(one, now)]
    for policy in due:
        check_by_job(policy, now)
    return len(due)


def is_due(policy: Policy, now: datetime) -> bool:
    """Tell whether a mandate is to be checked: once a day while in force, and anew once it calls itself completed.

    What a new index starts with is no campaign: nobody calls it completed, so nothing is to be proven.
    """
    if policy.mandate.announced_at <= BEGINNING or not is_in_force(policy.mandate, now):
        return False
    row, at = last_check(policy, now), completed_at(policy.mandate)
    if row is None or row.checked_on < now.astimezone(UTC).date():
        return True
    return at is not None and row.checked_at < at <= now


class Keeper(Rounds):
    """Does it in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "completion-keeper",
            lambda: keep(clock.now()),
            "whether mandates are complete can't be checked right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
