"""What the answers to abuse keep about people: which names are kept for them, whether they may make projects, what they reported."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.safety.models import Creator, Report, ReservedFor


def _names(user_id: int) -> QuerySet[ReservedFor]:
    return ReservedFor.objects.filter(user_id=user_id).order_by("pk")


def _approval(user_id: int) -> QuerySet[Creator]:
    return Creator.objects.filter(user_id=user_id).order_by("pk")


def _reports(user_id: int) -> QuerySet[Report]:
    return Report.objects.filter(reporter_id=user_id).order_by("pk")


def _give_up(user_id: int, now: datetime) -> None:
    """Let names go; what was reported stays without whoever reported it, as others may be in danger by it."""
    del now
    _reports(user_id).update(reporter=None)
    _names(user_id).delete()
    _approval(user_id).delete()


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
        Kept(
            "approval_to_make_projects",
            "safety.Creator",
            _approval,
            ("approved_at",),
            {"id": "a row number", "user": "the account itself", "approved_by": "somebody else"},
        ),
        Kept(
            "reports",
            "safety.Report",
            _reports,
            (
                "normalized_name",
                "version",
                "kind",
                "text",
                "reported_at",
                "outcome",
                "note",
                "closed_at",
            ),
            {
                "id": "a row number",
                "reporter": "the account itself",
                "closed_by": "somebody else",
            },
        ),
    ),
    give_up=_give_up,
)
