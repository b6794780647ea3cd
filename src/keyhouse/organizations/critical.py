"""Whether a team makes its members owners of a project that many depend on: then nobody is taken out unseen (A15)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db.models import QuerySet

from keyhouse.accounts.oversight.new_owners import GONE
from keyhouse.core import configuration, standing
from keyhouse.organizations.models import Membership, Team, TeamMember
from keyhouse.organizations.rules import OWNER


def owns_critical(team: Team) -> bool:
    """Tell whether a team owns a critical project of its organization."""
    owned = team.project_roles.filter(kind=OWNER, project__organization=team.organization_id)
    names = owned.values_list("project__normalized_name", flat=True)
    return any(standing.is_critical(name) for name in names)


def is_owner_by_team(member: Membership) -> bool:
    """Tell whether somebody owns a critical project by a team, and not by the organization anyway."""
    if member.kind == OWNER:
        return False
    return any(owns_critical(one.team) for one in member.teams.select_related("team"))


def living_owners(team: Team) -> QuerySet[TeamMember]:
    """Return the members whose account is there, of a team that owns a project of its organization; else nobody."""
    owned = team.project_roles.filter(kind=OWNER, project__organization=team.organization_id)
    members = TeamMember.objects.filter(team=team).exclude(member__user__state__in=GONE)
    return members if owned.exists() else members.none()


def due_at(now: datetime) -> datetime:
    """Return when what takes such an owner out takes effect, whoever asks for it."""
    return now + timedelta(days=configuration.current().owner_removal_days)
