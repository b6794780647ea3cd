"""What organizations keep about people: memberships, teams, invitations, applications."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db.models import Q, QuerySet

from keyhouse.accounts.errors import OwnsAlone
from keyhouse.core.belongings import Belongings, Kept
from keyhouse.organizations.membership import end_membership, take_back_asked_by
from keyhouse.organizations.models import (
    Membership,
    Organization,
    OrganizationApplication,
    OrganizationInvitation,
    TeamMember,
)
from keyhouse.organizations.queries import for_person, owned_alone


def _memberships(user_id: int) -> QuerySet[Membership]:
    return Membership.objects.filter(user_id=user_id).order_by("pk")


def _teams(user_id: int) -> QuerySet[TeamMember]:
    return TeamMember.objects.filter(member__user_id=user_id).order_by("pk")


def _invitations(user_id: int) -> QuerySet[OrganizationInvitation]:
    found = OrganizationInvitation.objects.filter(for_person(user_id) | Q(accepted_by_id=user_id))
    return found.order_by("pk")


def _applications(user_id: int) -> QuerySet[OrganizationApplication]:
    return OrganizationApplication.objects.filter(asked_by_id=user_id).order_by("pk")


def _give_up(user_id: int, now: datetime) -> None:
    """End a person's memberships; raises OwnsAlone.

    The organizations are locked first: of two owners who go at once, the later one sees that they are the last.
    """
    del now
    mine = Membership.objects.filter(user_id=user_id).values_list("organization_id", flat=True)
    list(Organization.objects.select_for_update().filter(pk__in=list(mine)).order_by("pk"))
    alone = [f"the organization {one.name}" for one in owned_alone(user_id)]
    if alone:
        raise OwnsAlone(alone)
    for member in _memberships(user_id).select_related("organization"):
        end_membership(member.organization, member)


def _disown(user_id: int, since: datetime, now: datetime) -> int:
    """End what was offered from the account since then, and what it asked for, as it may be from whoever was in it."""
    take_back_asked_by(user_id)
    asked = OrganizationApplication.objects.filter(asked_by_id=user_id, asked_at__gte=since, decided_at=None)
    asked.update(decided_at=now, outcome=OrganizationApplication.Outcome.WITHDRAWN)
    waiting = OrganizationInvitation.objects.filter(
        invited_by_id=user_id, invited_at__gte=since, ended_at=None
    )
    return waiting.update(ended_at=now, outcome=OrganizationInvitation.Outcome.REVOKED)


_ACCOUNT: Final = "the account itself"
_ROW: Final = "a row number"

BELONGINGS: Final = Belongings(
    "organizations",
    (
        Kept(
            "memberships",
            "organizations.Membership",
            _memberships,
            (
                "organization__name",
                "kind",
                "since_at",
                "ends_at",
                "ends_as",
                "ends_asked_by_name",
                "nudged_at",
            ),
            {"id": _ROW, "user": _ACCOUNT, "ends_asked_by": "told by name"},
        ),
        Kept(
            "teams",
            "organizations.TeamMember",
            _teams,
            ("team__name", "member__organization__name", "since_at", "ends_at", "ends_asked_by_name"),
            {"id": _ROW, "ends_asked_by": "told by name"},
        ),
        Kept(
            "organization_invitations",
            "organizations.OrganizationInvitation",
            _invitations,
            (
                "organization__name",
                "kind",
                "hands_over",
                "username",
                "address",
                "invited_by_name",
                "invited_at",
                "sent_at",
                "expires_at",
                "ended_at",
                "outcome",
            ),
            {"id": _ROW, "user": _ACCOUNT, "invited_by": "told by name", "accepted_by": _ACCOUNT},
        ),
        Kept(
            "organization_applications",
            "organizations.OrganizationApplication",
            _applications,
            (
                "name",
                "title",
                "reason",
                "asked_at",
                "question",
                "question_at",
                "reply",
                "replied_at",
                "decided_at",
                "outcome",
                "answer",
            ),
            {
                "id": _ROW,
                "asked_by": _ACCOUNT,
                "decided_by_name": "somebody else",
                "question_by_name": "somebody else",
                "folded_name": "the name, to compare it",
            },
        ),
    ),
    give_up=_give_up,
    disown=_disown,
)
