"""What is kept about people here: deadlines they put off, and when a mandate first refused them something."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.mandate.shadow.models import FirstRefusal, Snooze, Verdict


def _snoozes(user_id: int) -> QuerySet[Snooze]:
    return Snooze.objects.filter(user_id=user_id).order_by("pk")


def _refusals(user_id: int) -> QuerySet[FirstRefusal]:
    return FirstRefusal.objects.filter(user_id=user_id).order_by("pk")


def _give_up(user_id: int, now: datetime) -> None:
    """Forget what a mandate in its shadow would have refused them."""
    del now
    Verdict.objects.filter(person=user_id).delete()


BELONGINGS: Final = Belongings(
    "shadows of mandates",
    (
        Kept(
            "mandate_snoozes",
            "shadow.Snooze",
            _snoozes,
            ("mandate", "version", "announced_at", "number", "made_at", "until_at"),
            {"id": "a row number", "user": "the account itself"},
        ),
        Kept(
            "mandate_first_refusals",
            "shadow.FirstRefusal",
            _refusals,
            (
                "mandate",
                "version",
                "first_at",
                "action",
                "code",
                "credential",
                "was_compliant",
                "complied_at",
                "left_at",
            ),
            {
                "id": "a row number",
                "user": "the account itself",
                "looked_at": "when the index last looked whether they comply",
            },
        ),
    ),
    give_up=_give_up,
)
