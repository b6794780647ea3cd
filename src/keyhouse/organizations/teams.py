"""Teams: making, renaming and deleting them, and who is in them. What a team may do in a project stands with the project."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts.holds import is_doubtful
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import Detail, record
from keyhouse.core import belongings, clock, faults
from keyhouse.core.actor import Actor, job
from keyhouse.core.errors import RoleRequired
from keyhouse.distfiles.names import normalise
from keyhouse.organizations import critical, letters, queries, rules
from keyhouse.organizations.changing import (
    lock_people,
    organization_to_change,
    owner_ids,
    require_answerable,
    thing_of,
)
from keyhouse.organizations.errors import (
    MemberMissing,
    OwnTeamRefused,
    TeamMissing,
    TeamNameTaken,
    TeamOwnsCritical,
)
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember

CREATE: Final = "team.create"
RENAME: Final = "team.rename"
DELETE: Final = "team.delete"
ADD: Final = "team.add-member"
REMOVE: Final = "team.remove-member"
KEEP: Final = "team.keep-member"
JOB: Final = "organizations"
_AS_BEFORE: Final = {"ends_at": None, "ends_asked_by": None, "ends_asked_by_name": ""}


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
    """Delete a team, and with it what its members may do by it.

    Raises OrganizationLeft, TeamMissing and as `create_team`.
    """
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
        if critical.living_owners(team).exists():
            require_answerable(team.organization, by, clock.now())
        _require_nobody_unseen(team, by)
        _record(DELETE, team, by, members=len(people))
        now, organization = clock.now(), team.organization
        with belongings.leaving_all(organization.pk, people, now):
            team.delete()
        told = {*queries.owners_of(organization), *people}
        tell_others(sorted(told), letters.team_deleted(organization, team.name, by.name), now)


def add_to_team(name: str, team_name: str, username: str, *, by: Actor) -> TeamMember:
    """Put a member of the organization into a team; whoever is in it stays. A manager doesn't put managers into one.

    Raises MemberMissing, OrganizationLeft, OwnTeamRefused, TeamMissing and as `create_team`.
    """
    with transaction.atomic():
        team = _team_to_change(name, team_name, ADD, by, *_ids_of(username))
        member, now = _member(team.organization, username), clock.now()
        _require_not_raising(team.organization, member, by)
        present = TeamMember.objects.filter(team=team, member=member).first()
        if present is not None:
            return present
        require_answerable(team.organization, by, now)
        found = TeamMember.objects.create(team=team, member=member, since_at=now)
        _record(ADD, team, by, member)
        _tell(team, member, by.name, is_in=True)
    return found


def remove_from_team(name: str, team_name: str, username: str, *, by: Actor) -> TeamMember | None:
    """Take somebody out of a team; returns what waits, or None where it is done.

    Whoever owns a critical project by the team goes after a wait (A15), unless it is their own act. Raises MemberMissing,
    OrganizationLeft, TeamMissing and as `create_team`.
    """
    with transaction.atomic():
        team = _team_to_change(name, team_name, REMOVE, by, *_ids_of(username))
        member, now = _member(team.organization, username), clock.now()
        found = TeamMember.objects.filter(team=team, member=member).first()
        if found is None:
            raise MemberMissing("Nobody of that name is in this team.")
        if critical.living_owners(team).filter(member=member).exists():
            require_answerable(team.organization, by, now)
        if _waits(found, member, by, now):
            return found
        _take_out(team, member, now)
        _record(REMOVE, team, by, member)
        _tell(team, member, by.name, is_in=False)
    return None


def _take_out(team: Team, member: Membership, now: datetime) -> None:
    with belongings.leaving_all(team.organization_id, frozenset({member.user_id}), now):
        TeamMember.objects.filter(team=team, member=member).delete()


def _waits(found: TeamMember, member: Membership, by: Actor, now: datetime) -> bool:
    """Put off what takes an owner by a team out; asked again by whom one can trust, it goes on."""
    team = found.team
    if member.kind == rules.OWNER or member.user_id == by.user_id or not critical.owns_critical(team):
        return False
    due_at = critical.due_at(now)
    if due_at <= now:
        return False
    if found.ends_at is not None and not is_doubtful(found.ends_asked_by, now):
        return True
    found.ends_at, found.ends_asked_by_id, found.ends_asked_by_name = due_at, by.user_id, by.name
    found.save(update_fields=list(_AS_BEFORE))
    letter = letters.team_member_will_end(team.organization, team.name, member.user.username, by.name, due_at)
    tell_others(_concerned(team, member), letter, now)
    _record(REMOVE, team, by, member, due_at=clock.format_instant(due_at))
    return True


def keep_in_team(name: str, team_name: str, username: str, *, by: Actor) -> bool:
    """Take back that somebody is taken out of a team, as managers and owners may and whoever it is about.

    Returns whether there was anything. Raises RoleRequired for other members, and as `remove_from_team`.
    """
    with transaction.atomic():
        team = _team_to_change(name, team_name, KEEP, by, *_ids_of(username))
        member, now = _member(team.organization, username), clock.now()
        _require_own_or_managing(team, member, by)
        found = TeamMember.objects.filter(team=team, member=member, ends_at__isnull=False)
        if not found.update(**_AS_BEFORE):
            return False
        letter = letters.team_member_kept(team.organization, team.name, member.user.username, by.name)
        tell_others(_concerned(team, member), letter, now)
        _record(KEEP, team, by, member)
    return True


def _require_own_or_managing(team: Team, member: Membership, by: Actor) -> None:
    managing = team.organization.members.filter(
        user_id=by.user_id or 0, kind__in=(rules.MANAGER, rules.OWNER)
    )
    if by.kind != "host" and member.user_id != by.user_id and not managing.exists():
        raise RoleRequired(fix="Ask an owner of the organization.")


def _concerned(team: Team, member: Membership) -> list[int]:
    return sorted({*queries.owners_of(team.organization), member.user_id})


def _require_nobody_unseen(team: Team, by: Actor) -> None:
    """Raise TeamOwnsCritical where deleting a team would take owners out of a critical project at once."""
    others = team.members.exclude(member__kind=rules.OWNER).exclude(member__user_id=by.user_id or 0)
    is_quick = critical.due_at(clock.now()) <= clock.now()
    if not is_quick and others.exists() and critical.owns_critical(team):
        raise TeamOwnsCritical


def carry_out_due(now: datetime) -> int:
    """Take out of teams whose wait is over; returns how many. Twice, or by two at once, does no harm.

    Where the account of whoever asked is on hold, frozen or suspended by now, it waits on.
    """
    due = TeamMember.objects.filter(ends_at__lte=now).order_by("ends_at", "pk")
    found = list(
        due.values_list("pk", "team__organization__normalized_name", "member__user_id", "ends_asked_by_id")
    )
    return sum(_carry_out(pk, name, people, now) for pk, name, *people in found)


def _carry_out(row_id: int, name: str, people: Sequence[int | None], now: datetime) -> bool:
    by = job(JOB)
    with transaction.atomic():
        lock_people([*owner_ids(name), *people])
        organization = queries.lock_organization(name)
        rows = TeamMember.objects.select_related("team__organization", "member__user", "ends_asked_by")
        found = rows.filter(pk=row_id, ends_at__lte=now, team__organization=organization).first()
        if organization is None or found is None or is_doubtful(found.ends_asked_by, now):
            return False
        _take_out(found.team, found.member, now)
        _record(REMOVE, found.team, by, found.member, is_done=True)
        _tell(found.team, found.member, found.ends_asked_by_name, is_in=False)
        faults.reach("membership.ended")
    return True


def take_back_asked_by(user_id: int, organization: Organization | None = None) -> int:
    """Let what somebody asked for not come who may ask for it no more; returns how many."""
    asked = TeamMember.objects.filter(ends_asked_by_id=user_id)
    if organization is not None:
        asked = asked.filter(team__organization=organization)
    return asked.update(**_AS_BEFORE)


def _tell(team: Team, member: Membership, by: str, *, is_in: bool) -> None:
    """Tell the owners, and whom it is about: a team may own projects, so it may make or unmake an owner."""
    organization = team.organization
    letter = letters.team_changed(organization, team.name, member.user.username, by, is_in=is_in)
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
