"""What campaigns keep about people: which account is kept for emergencies."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.mandate.campaigns.models import EmergencyAccount


def _rows(user_id: int) -> QuerySet[EmergencyAccount]:
    return EmergencyAccount.objects.filter(user_id=user_id).order_by("pk")


def _close(user_id: int, is_final: bool, now: datetime) -> int:  # noqa: FBT001 - as `Belongings` calls it
    """Keep no account for emergencies whose person has left."""
    del now
    return _rows(user_id).delete()[0] if is_final else 0


BELONGINGS: Final = Belongings(
    "campaigns",
    (
        Kept(
            "emergency_account",
            "campaigns.EmergencyAccount",
            _rows,
            ("marked_at", "used_at", "key_used_at"),
            {"id": "a row number", "user": "the account itself"},
        ),
    ),
    close=_close,
)
