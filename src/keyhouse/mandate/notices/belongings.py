"""What is kept about people's notices."""

from __future__ import annotations

from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.mandate.notices.models import Delivery, WeakUse

_LEDGER: Final = "who was told what, and whether it arrived, is what a mandate is proven by"
_ROW: Final = {"id": "a row number", "user": "the account itself"}


def _deliveries(user_id: int) -> QuerySet[Delivery]:
    return Delivery.objects.filter(user_id=user_id).order_by("pk")


def _weak_uses(user_id: int) -> QuerySet[WeakUse]:
    return WeakUse.objects.filter(user_id=user_id).order_by("pk")


BELONGINGS: Final = Belongings(
    "mandate notices",
    (
        Kept(
            "mandate_deliveries",
            "notices.Delivery",
            _deliveries,
            (
                "mandate", "version", "kind", "about", "wording", "addresses", "tries", "scheduled_at",
                "deadline_at", "queued_at", "state", "ended_at", "read_at",
            ),
            {**_ROW, "letter": "a name within the outbox"},
            stays=_LEDGER,
        ),
        Kept("weak_uses", "notices.WeakUse", _weak_uses, ("project", "mandate", "at"), _ROW),
    ),
)  # fmt: skip
