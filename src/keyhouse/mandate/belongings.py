"""What mandates keep about people: exemptions, and notices that reached them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.mandate.models import Exemption, Notice
from keyhouse.mandate.services import let_go_of

_LEDGER: Final = "who was exempt or told, and when, is what a mandate is proven by"


def _exemptions(user_id: int) -> QuerySet[Exemption]:
    return Exemption.objects.filter(user_id=user_id).order_by("pk")


def _notices(user_id: int) -> QuerySet[Notice]:
    return Notice.objects.filter(user_id=user_id).order_by("pk")


def _close(user_id: int, is_final: bool, now: datetime) -> int:  # noqa: FBT001 - as `Belongings` calls it
    return let_go_of(user_id, is_final=is_final, now=now)


BELONGINGS: Final = Belongings(
    "mandates",
    (
        Kept(
            "exemptions",
            "mandate.Exemption",
            _exemptions,
            (
                "version__name",
                "version__version",
                "reason",
                "evidence",
                "control",
                "until",
                "proposed_at",
                "proposed_by",
                "approved_at",
                "approved_by",
                "effective_at",
                "withdrawn_at",
                "withdrawn_by",
            ),
            {"id": "a row number", "user": "the account itself"},
            stays=_LEDGER,
        ),
        Kept(
            "mandate_notices",
            "mandate.Notice",
            _notices,
            ("mandate", "kind", "delivered_at"),
            {"id": "a row number", "user": "the account itself"},
            stays=_LEDGER,
        ),
    ),
    close=_close,
)
