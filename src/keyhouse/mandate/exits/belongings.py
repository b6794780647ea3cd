"""What ways out keep about people: what they asked for, and what they lay down."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.mandate.exits import asking, laying_down
from keyhouse.mandate.exits.models import LayingDown
from keyhouse.mandate.exits.queries import requests_of

_WITHHELD: Final = {"id": "a row number", "user": "the account itself"}


def _laying_down(user_id: int) -> QuerySet[LayingDown]:
    return LayingDown.objects.filter(user_id=user_id).order_by("pk")


def _disown(user_id: int, since: datetime, now: datetime) -> int:
    del now
    return laying_down.disown(user_id, since)


def _close(user_id: int, is_final: bool, now: datetime) -> int:  # noqa: FBT001 - as `Belongings` calls it
    del is_final
    return asking.close(user_id, now)


BELONGINGS: Final = Belongings(
    "exits",
    (
        Kept(
            "mandate_requests",
            "exits.Request",
            requests_of,
            (
                "kind",
                "mandate",
                "reason",
                "evidence",
                "control",
                "days",
                "asked_at",
                "ended_at",
                "outcome",
                "answered_by",
                "answer",
            ),
            {**_WITHHELD, "exemption": "told with the exemptions"},
        ),
        Kept(
            "laying_down",
            "exits.LayingDown",
            _laying_down,
            ("kind", "normalized_name", "asked_at", "due_at"),
            {**_WITHHELD, "key": "a number of what is laid down"},
        ),
    ),
    disown=_disown,
    close=_close,
)
