"""Nobody would be refused sooner than the notice floor after they were told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from keyhouse.mandate.campaigns.guards.guard import Guard, Missing
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.previews import notice_looks_at_everybody, notice_remarks


def _look(mandate: Mandate, now: datetime) -> Iterator[Missing]:
    for one in notice_remarks(mandate, now):
        yield Missing(
            "notice",
            f"{one.reason[:1].upper()}{one.reason[1:]}.",
            "Let the stage begin later, or announce it earlier.",
        )


NOTICE: Final = Guard(
    "notice",
    "Nobody covered now is refused sooner than the floor after their notice.",
    _look,
    plans=notice_looks_at_everybody,
)
