"""Two operators' accounts are kept for emergencies, with two keys each, and were tried lately."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from keyhouse.mandate.campaigns import emergency
from keyhouse.mandate.campaigns.guards.guard import Guard, Missing
from keyhouse.mandate.documents import Mandate

NEEDED: Final = 2


def _look(mandate: Mandate, now: datetime) -> Iterator[Missing]:
    del mandate
    kept = emergency.kept_accounts(now)
    ready = [one for one in kept if not one.lacks]
    if len(ready) >= NEEDED:
        return
    lacking = [f"{one.name} {' and '.join(one.lacks)}" for one in kept if one.lacks]
    why = f" ({'; '.join(lacking)})" if lacking else ""
    yield Missing(
        "break-glass",
        f"{len(ready)} of {NEEDED} accounts for emergencies are ready{why}.",
        "`keyhouse mandate emergency mark USER` proposes one; sign in to each with a key to test it.",
        "/operator/proposals/",
    )


BREAK_GLASS: Final = Guard(
    "break-glass",
    "Two operators' accounts are kept for emergencies, with two security keys each, and were tried within 180 days.",
    _look,
)
