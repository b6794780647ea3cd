"""What a team may do in a project, ending: at once, or after a wait where it owns one that many depend on (A15).

As with the role of one's own: all owners are told, and until then every owner takes it back.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction

from keyhouse.accounts.holds import is_doubtful
from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import Detail, record
from keyhouse.core import belongings, clock, configuration, faults, standing
from keyhouse.core.actor import Actor, job
from keyhouse.mail.letters import Letter
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.models import Membership, Organization, Team
from keyhouse.projects import organizing_letters as letters
from keyhouse.projects import queries as projects
from keyhouse.projects import rights
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators.departing import lost_between, remember_rights
from keyhouse.projects.collaborators.locking import lock_people, lock_project, people_to_lock
from keyhouse.projects.collaborators.models import FormerRole
from keyhouse.projects.errors import TeamElsewhere
from keyhouse.projects.models import Project, TeamRole
from keyhouse.projects.rights import Right
from keyhouse.projects.rules import OWNER, QUARANTINED

KEEP: Final = "team-role.keep"
SET_TEAM: Final = "team-role.set"
END_TEAM: Final = "team-role.end"
JOB: Final = "collaborators"
AS_BEFORE: Final = {"ends_at": None, "ends_as": "", "ends_asked_by": None, "ends_asked_by_name": ""}


def waits(role: TeamRole, kind: str, action: str, by: Actor, now: datetime) -> bool:
    """Put off what makes owners of a critical project owners no more; asked again by whom one can trust, it goes on."""
    project, due_at = role.project, now + timedelta(days=configuration.current().owner_removal_days)
    is_critical = role.kind == OWNER and standing.is_critical(project.normalized_name)
    if due_at <= now or not is_critical or not _owners_lost(role, by):
        return False
    if role.ends_at is not None and role.ends_as == kind and not is_doubtful(role.ends_asked_by, now):
        return True
    role.ends_at, role.ends_as = due_at, kind
    role.ends_asked_by_id, role.ends_asked_by_name = by.user_id, by.name
    role.save(update_fields=list(AS_BEFORE))
    letter = letters.team_role_will_end(project, role.team.name, kind, by.name, due_at)
    tell_others(rights.owners_of(project.pk), letter, now)
    note(action, project, role.team, role.kind, kind, by, due_at=clock.format_instant(due_at))
    return True


def _owners_lost(role: TeamRole, by: Actor) -> bool:
    """Tell whether anybody but who asks owns the project by this team alone."""
    otherwise: set[int | None] = {by.user_id}
    by_team: set[int | None] = set()
    for one in rights.rights_in(role.project_id):
        if one.kind == OWNER:
            (by_team if one.via == role.team.name else otherwise).add(one.user_id)
    return bool(by_team - otherwise)


def keep_team_role(name: str, team_name: str, *, by: Actor) -> bool:
    """Take back what waits for a team's role, as any owner may; returns whether there was anything.

    Raises TeamElsewhere, ProjectNotFound, ProjectQuarantined, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        project = lock_project(name, KEEP, by)
        team = team_of(project, team_name)
        waiting = TeamRole.objects.filter(project=project, team=team, ends_at__isnull=False)
        if not waiting.update(**AS_BEFORE):
            return False
        tell_others(rights.owners_of(project.pk), letters.team_role_kept(project, team.name, by.name), now)
        note(KEEP, project, team, OWNER, OWNER, by)
    return True


def end(  # noqa: PLR0913, PLR0917 - what is told of it
    role: TeamRole, kind: str, action: str, by: Actor, now: datetime, asked_by: str
) -> None:
    """End or lower a team's role and what hung on it, in the caller's transaction, with the project's row locked."""
    project, team, former = role.project, role.team, role.kind
    before = rights.rights_in(project.pk)
    if kind:
        TeamRole.objects.filter(pk=role.pk).update(kind=kind, since_at=now, **AS_BEFORE)
    else:
        TeamRole.objects.filter(pk=role.pk).delete()
    end_lost(project, team, before, now)
    note(action, project, team, former, kind, by)
    tell(project, before, letters.team_role(project, team.name, kind, asked_by), by, now)


def carry_out_due(now: datetime) -> int:
    """End and lower the roles of teams whose wait is over; returns how many. Twice, or by two at once, does no harm.

    Where the project is in quarantine, or the account of whoever asked is on hold, frozen or suspended by now, it waits on.
    """
    due = TeamRole.objects.filter(ends_at__lte=now).order_by("ends_at", "pk")
    found = list(due.values_list("pk", "project__normalized_name", "ends_asked_by_id"))
    return sum(_carry_out(pk, name, asked_by, now) for pk, name, asked_by in found)


def _carry_out(role_id: int, name: str, asked_by: int | None, now: datetime) -> bool:
    by = job(JOB)
    with transaction.atomic():
        lock_people(people_to_lock(name, asked_by))
        project = projects.lock_project(name)
        rows = TeamRole.objects.select_related("project", "team", "ends_asked_by")
        role = rows.filter(pk=role_id, project=project, ends_at__lte=now).first()
        if (
            project is None
            or role is None
            or project.status == QUARANTINED
            or is_doubtful(role.ends_asked_by, now)
        ):
            return False
        list(Organization.objects.select_for_update().filter(pk=role.team.organization_id))
        if not _has_owner_after(role):
            TeamRole.objects.filter(pk=role.pk).update(**AS_BEFORE)
            letter = letters.team_role_kept(project, role.team.name, "this index, as nobody else owns it")
            tell_others(rights.owners_of(project.pk), letter, now)
            note(KEEP, project, role.team, role.kind, role.kind, by)
            return True
        action = SET_TEAM if role.ends_as else END_TEAM
        end(role, role.ends_as, action, by, now, role.ends_asked_by_name)
        faults.reach("role.ended")
    return True


def _has_owner_after(role: TeamRole) -> bool:
    """Tell whether somebody who can act owns the project otherwise: an owner of its organization does."""
    rest = [one.user_id for one in rights.rights_in(role.project_id) if one.kind == OWNER]
    members = Membership.objects.filter(organization=role.team.organization_id, kind=OWNER)
    others = {
        *members.values_list("user_id", flat=True),
        *role.project.roles.filter(kind=OWNER).values_list("user_id", flat=True),
    }
    able = User.objects.filter(pk__in=others.intersection(rest)).exclude(state__in=_CLOSED)
    return able.exists()


_CLOSED: Final = (User.State.SUSPENDED, User.State.DELETED)


def end_lost(project: Project, team: Team, before: list[Right], now: datetime) -> None:
    """Remember what a team's members may do no more in a project, and end what hung on it."""
    lost = lost_between(before, rights.rights_in(project.pk))
    remember_rights(project, lost, FormerRole.How.REMOVED, now)
    for user_id in sorted({one.user_id for one in lost}):
        belongings.leave_all(team.organization_id, user_id, now)


def team_of(project: Project, team_name: str) -> Team:
    """Return a team of a project's organization, whose row is locked so that the team stays until the end."""
    organization = Organization.objects.select_for_update().filter(pk=project.organization_id or 0).first()
    team = organizations.find_team(organization, team_name) if organization else None
    if team is None:
        raise TeamElsewhere
    return team


def note(  # noqa: PLR0913, PLR0917 - what an auditor asks
    action: str, project: Project, team: Team, before: str, after: str, by: Actor, **more: Detail
) -> None:
    """Write down a change of what a team may do in a project."""
    details: dict[str, Detail] = {"team": team.name, "before": before, "after": after, **more}
    record(action, by=by, about=thing_of(project), details=details)


def tell(project: Project, before: list[Right], letter: Letter, by: Actor, now: datetime) -> None:
    """Tell who owns the project, and who owned it until now; nobody's own act is told of."""
    owned = {one.user_id for one in before if one.kind == OWNER}
    tell_others(sorted({*rights.owners_of(project.pk), *owned} - {by.user_id}), letter, now)
