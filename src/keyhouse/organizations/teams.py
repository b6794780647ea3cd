"""Teams: making, renaming and deleting them, and who is in them. What a team may do in a project stands with the project."""

from __future__ import annotations

from typing import Final

from django.db import transaction

from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import Detail, record
from keyhouse.core import belongings, clock
from keyhouse.core.actor import Actor
from keyhouse.distfiles.names import normalise
from keyhouse.organizations import letters, queries, rules
from keyhouse.organizations.changing import organization_to_change, thing_of
from keyhouse.organizations.errors import MemberMissing, OwnTeamRefused, TeamMissing, TeamNameTaken
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember

CREATE: Final = "team.create"
RENAME: Final = "team.rename"
DELETE: Final = "team.delete"
ADD: Final = "team.add-member"
REMOVE: Final = "team.remove-member"


def create_team(name: str, team_name: str, *, by: Actor) -> Team:
    """Make a team without members. Raises OrganizationNameRefused, TeamNameTaken and as `organization_to_change`."""
    with transaction.atomic():
        organization = organization_to_change(name, CREATE, by)
        _require_free(organization, team_name)
        team = Team.objects.create(
            organization=organization,
            name=team_name,
            normalized_name=normalise(team_name),
            created_at=clock.now(),
        )
        _record(CREATE, team, by)
    return team


def rename_team(name: str, team_name: str, new_name: str, *, by: Actor) -> Team:
    """Give a team another name; the same again changes nothing. Raises TeamMissing and as `create_team`."""
    with transaction.atomic():
        team = _team_to_change(name, team_name, RENAME, by)
        if team.name == new_name:
            return team
        _require_free(team.organization, new_name, besides=team)
        before, team.name, team.normalized_name = team.name, new_name, normalise(new_name)
        team.save(update_fields=["name", "normalized_name"])
        _record(RENAME, team, by, before=before)
    return team


def delete_team(name: str, team_name: str, *, by: Actor) -> None:
    """Delete a team, and with it what its members may do by it. Raises TeamMissing and as `create_team`."""
    with transaction.atomic():
        # held like those of whoever is taken out of a team: what they give out now is there to be ended, or refused
        members = TeamMember.objects.filter(
            team__organization__normalized_name=rules.key_of(name),
            team__normalized_name=rules.key_of(team_name),
        )
        team = _team_to_change(
            name, team_name, DELETE, by, *members.values_list("member__user_id", flat=True)
        )
        people = frozenset(team.members.values_list("member__user_id", flat=True))
        _record(DELETE, team, by, members=len(people))
        now, organization = clock.now(), team.organization
        with belongings.leaving_all(organization.pk, people, now):
            team.delete()
        told = {*queries.owners_of(organization), *people}
        tell_others(sorted(told), letters.team_deleted(organization, team.name, by.name), now)


def add_to_team(name: str, team_name: str, username: str, *, by: Actor) -> TeamMember:
    """Put a member of the organization into a team; whoever is in it stays. A manager doesn't put managers into one.

    Raises MemberMissing, OwnTeamRefused, TeamMissing and as `create_team`.
    """
    with transaction.atomic():
        team = _team_to_change(name, team_name, ADD, by, *_ids_of(username))
        member = _member(team.organization, username)
        _require_not_raising(team.organization, member, by)
        found, is_new = TeamMember.objects.get_or_create(
            team=team, member=member, defaults={"since_at": clock.now()}
        )
        if is_new:
            _record(ADD, team, by, member)
            _tell(team, member, by, is_in=True)
    return found


def remove_from_team(name: str, team_name: str, username: str, *, by: Actor) -> None:
    """Take somebody out of a team. Raises MemberMissing, TeamMissing and as `create_team`."""
    with transaction.atomic():
        team = _team_to_change(name, team_name, REMOVE, by, *_ids_of(username))
        member = _member(team.organization, username)
        with belongings.leaving_all(team.organization_id, frozenset({member.user_id}), clock.now()):
            if not TeamMember.objects.filter(team=team, member=member).delete()[0]:
                raise MemberMissing("Nobody of that name is in this team.")
        _record(REMOVE, team, by, member)
        _tell(team, member, by, is_in=False)


def _tell(team: Team, member: Membership, by: Actor, *, is_in: bool) -> None:
    """Tell the owners, and whom it is about: a team may own projects, so it may make or unmake an owner."""
    organization = team.organization
    letter = letters.team_changed(organization, team.name, member.user.username, by.name, is_in=is_in)
    told = {*queries.owners_of(organization), member.user_id}
    tell_others(sorted(told), letter, clock.now())


def _require_not_raising(organization: Organization, member: Membership, by: Actor) -> None:
    """Raise OwnTeamRefused where a manager would give rights in projects to themselves or to another manager."""
    if by.kind == "host" or member.kind != rules.MANAGER:
        return
    if not organization.members.filter(user_id=by.user_id or 0, kind=rules.OWNER).exists():
        raise OwnTeamRefused


def _require_free(organization: Organization, team_name: str, besides: Team | None = None) -> None:
    rules.check_name(team_name)
    present = queries.find_team(organization, team_name)
    if present is not None and present != besides:
        raise TeamNameTaken


def _ids_of(username: str) -> list[int]:
    user = queries.find_account(username)
    return [] if user is None else [user.pk]


def _team_to_change(name: str, team_name: str, action: str, by: Actor, *more: int) -> Team:
    organization = organization_to_change(name, action, by, *more)
    team = queries.find_team(organization, team_name)
    if team is None:
        raise TeamMissing
    return team


def _member(organization: Organization, username: str) -> Membership:
    member = queries.find_member(organization, username)
    if member is None:
        raise MemberMissing
    return member


def _record(action: str, team: Team, by: Actor, member: Membership | None = None, **details: Detail) -> None:
    told: dict[str, Detail] = {"team": team.name, **details}
    if member is not None:
        told["user"] = member.user.username
    about = thing_of(team.organization)
    record(action, by=by, about=about, account_id=member.user_id if member else None, details=told)
