"""What trusted publishers keep about people."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import QuerySet

from keyhouse.core.belongings import Belongings, Kept
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.services import end_late_publishers_of, end_publishers_in


def _publishers(user_id: int) -> QuerySet[Publisher]:
    return Publisher.objects.filter(configured_by_id=user_id).order_by("pk")


def _give_up(user_id: int, now: datetime) -> None:
    """Drop what waits for a project; those of projects and organizations stay, and rest until another owner confirms them."""
    del now
    _publishers(user_id).filter(project__isnull=True, organization__isnull=True).delete()


BELONGINGS: Final = Belongings(
    "publishers",
    (
        Kept(
            "trusted_publishers",
            "publishers.Publisher",
            _publishers,
            (
                "id",
                "issuer_url",
                "provider",
                "project__name",
                "organization__name",
                "is_for_all_projects",
                "pending_name",
                "expires_at",
                "claims",
                "environment",
                "added_at",
                "configured_at",
                "configured_methods",
                "configured_user_verified",
                "configured_device_bound",
                "configured_session",
                "configured_mandate",
                "last_used_at",
                "last_used_claims",
                "seen_environment",
                "known_id",
                "refused_at",
                "warned_at",
                "reminded_at",
            ),
            {
                "configured_by": "the account itself",
                "pending_normalized_name": "follows from the name",
                "lookup": "follows from the claims",
                "identity": "follows from the claims",
            },
            stays="it is the project's or organization's; it rests until another owner confirms it",
        ),
    ),
    give_up=_give_up,
    disown=end_late_publishers_of,
    let_go=end_publishers_in,
)
