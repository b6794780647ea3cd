"""How works beside requests are doing: kept in the database, since another process shows it."""

from __future__ import annotations

from typing import Final

from django.db import close_old_connections

from keyhouse.audit.models import WorkRound
from keyhouse.core.rounds import Round, Rounds, Work, last_rounds

SECONDS: Final = 10.0


def keep_rounds() -> int:
    """Write down how the last rounds of this process went; returns how many are newer than what is there."""
    known = dict(WorkRound.objects.values_list("name", "ended_at"))
    newer = [one for one in last_rounds() if one.name not in known or known[one.name] < one.ended_at]
    for one in newer:
        _keep(one)
    return len(newer)


def _keep(one: Round) -> None:
    failed = {"failed_at": one.ended_at, "last_error": one.error} if one.error else {}
    told = {"ended_at": one.ended_at, "error": one.error, **failed}
    WorkRound.objects.update_or_create(name=one.name, defaults=told)


class Bookkeeper(Rounds):
    """Writes it down in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "work-rounds", keep_rounds, "how works are doing can't be kept right now", close_old_connections
        )
        super().__init__(work, first=SECONDS / 2, every=SECONDS, also_at_end=True)
