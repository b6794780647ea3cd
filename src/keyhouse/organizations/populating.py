"""Members and teams of an organization as the host fills it, without invitations. For whoever fills an index at the host."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor
from keyhouse.organizations import queries, rules, teams
from keyhouse.organizations.changing import thing_of
from keyhouse.organizations.errors import MemberMissing
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember

ADD: Final = "host.command"


def add_members(organization: Organization, people: Mapping[User, str], *, by: Actor) -> None:
    """Let these people belong to an organization, by kind; whoever does already has the higher role then."""
    now = clock.now()
    with transaction.atomic():
        actions.require(by, ADD)
        present = {one.user_id: one for one in organization.members.all()}
        for user, kind in people.items():
            member = present.get(user.pk) or Membership(organization=organization, user=user, since_at=now)
            if rules.is_higher(kind, member.kind or None):
                member.kind = kind
                member.save()
        details: dict[str, Detail] = {"organization": organization.normalized_name, "members": len(people)}
        record(ADD, by=by, about=thing_of(organization), details=details)


def add_team(organization: Organization, name: str, people: Iterable[User], *, by: Actor) -> Team:
    """Make a team of members. Raises MemberMissing, OrganizationNameRefused and TeamNameTaken."""
    with transaction.atomic():
        team = teams.create_team(organization.normalized_name, name, by=by)
        wanted = {user.pk for user in people}
        members = list(queries.members_of(organization).filter(user_id__in=wanted))
        if len(members) != len(wanted):
            raise MemberMissing
        TeamMember.objects.bulk_create(
            TeamMember(team=team, member=member, since_at=clock.now()) for member in members
        )
    return team
