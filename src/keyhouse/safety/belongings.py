"""What the answers to abuse keep about people: which names are kept for them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.safety.models import ReservedFor


def _names(user_id: int) -> QuerySet[ReservedFor]:
    return ReservedFor.objects.filter(user_id=user_id).order_by("pk")


def _give_up(user_id: int, now: datetime) -> None:
    del now
    _names(user_id).delete()


BELONGINGS: Final = Belongings(
    "safety",
    (
        Kept(
            "reserved_names",
            "safety.ReservedFor",
            _names,
            ("reserved__name", "reserved__is_prefix"),
            {"id": "a row number", "user": "the account itself"},
        ),
    ),
    give_up=_give_up,
)
