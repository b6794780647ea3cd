"""Projects in organizations: making them there, moving them, what teams may do in them.

A move carries the project with its releases, files and history, the roles that people have of their own, its lineage, its
settings, and the tokens and publishers of whoever has a right in it afterwards. It drops the roles of teams, all
invitations that wait, asked-for ends of roles by whoever owns it no more, and the tokens and publishers of whoever has no
right in it any more. What was kept to some readers is kept to people with a role from then on (`readers`). Rights by an organization are copied nowhere, so nothing of them is left behind.

The project is locked before organizations, and these by their numbers, as the end of an account does.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts import limits
from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import record
from keyhouse.core import actions, belongings, clock, faults, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.distfiles.names import normalise
from keyhouse.organizations import critical
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.changing import count, lock_people, owner_ids, require_answerable, thing_named
from keyhouse.organizations.changing import thing_of as organization_thing
from keyhouse.organizations.errors import OrganizationMissing
from keyhouse.organizations.models import Membership, Organization
from keyhouse.projects import organizing_letters as letters
from keyhouse.projects import pages, rights, services, team_roles
from keyhouse.projects.changing import project_to_change, settled, thing_of
from keyhouse.projects.collaborators.departing import lost_between, remember_rights
from keyhouse.projects.collaborators.errors import OwnerLast, RoleUnknown
from keyhouse.projects.collaborators.locking import lock_project
from keyhouse.projects.collaborators.models import FormerRole
from keyhouse.projects.errors import ProjectMoveRefused, TeamElsewhere
from keyhouse.projects.models import Project, Role, TeamRole
from keyhouse.projects.readers import narrow_for_move
from keyhouse.projects.rights import Right
from keyhouse.projects.rules import MAINTAINER, OWNER

ADD: Final = "organization.add-project"
MOVE_OUT: Final = "organization.move-project"
MOVE: Final = "project.move"
SET_TEAM: Final = "team-role.set"
END_TEAM: Final = "team-role.end"


def create_project_in(organization_name: str, name: str, *, by: Actor) -> Project:
    """Make a project without files in an organization, whose owners own it; a manager who makes one maintains it.

    Raises NameRefused, TooManyAttempts, OrganizationMissing, CreationRestricted, RoleRequired and what the gate raises.
    """
    actions.require_authority(by, ADD, thing_named(organization_name))
    count(by, limits.CREATION)
    return settled(lambda: _create_in(organization_name, name, by))


def _create_in(organization_name: str, name: str, by: Actor) -> Project:
    now = clock.now()
    with transaction.atomic():
        lock_people([*owner_ids(organization_name), by.user_id])
        organization = _organization_for(organization_name, ADD, by)
        actions.require(by, "project.create", Thing("project", None, normalise(name)))
        owners = organizations.owners_of(organization)
        project = services.add_project(name, now, by=by, people=owners, organization=organization)
        if by.user_id is not None and by.user_id not in owners:
            Role.objects.create(project=project, user_id=by.user_id, kind=MAINTAINER, since_at=now)
        details = {"organization": organization.normalized_name}
        record("project.create", by=by, about=thing_of(project), details=details)
        pages.refresh_pages(project, touches_listing=True)
    return project


def move_project(name: str, organization_name: str, *, by: Actor) -> Project:
    """Move the project of that normalised name into an organization, or by an empty name out of its own.

    For an owner of the project who is, where it stands in an organization, an owner of that, and who may add projects to
    the one it goes to. Where it stands already, nothing changes. Raises ProjectMoveRefused, OwnerLast,
    OrganizationMissing, ProjectNotFound, ProjectQuarantined, RoleRequired and what the gate raises.
    """
    now = clock.now()
    with transaction.atomic():
        lock_people([*rights.people_named(name), *owner_ids(organization_name), by.user_id])
        project = project_to_change(name, MOVE, by)
        source, target = _ends_of(project, organization_name, by)
        if source == target:
            return project
        before = rights.rights_in(project.pk)
        _place(project, target, now)
        after = rights.rights_in(project.pk)
        _require_owners(project, before, after, by)
        _drop(project, before, after, now)
        places = {"before": str(source or ""), "after": str(target or "")}
        readers = {"readers": project.reads} if project.reads else {}
        record(MOVE, by=by, about=thing_of(project), details={**places, **readers})
        told = sorted({one.user_id for one in (*before, *after)})
        tell_others(told, letters.moved(project, places["before"], places["after"], by.name), now)
        faults.reach("project.moved")
    return project


def _ends_of(
    project: Project, organization_name: str, by: Actor
) -> tuple[Organization | None, Organization | None]:
    """Return where a project stands and where it shall go, locked by their numbers; authority is asked in both first."""
    if project.organization_id is not None:
        actions.require(by, MOVE_OUT, Thing("organization", project.organization_id))
    if organization_name:
        actions.require(by, ADD, thing_named(organization_name))
    target = organizations.find_organization(organization_name) if organization_name else None
    if organization_name and target is None:
        raise OrganizationMissing
    ends = (project.organization_id, target.pk if target else None)
    wanted = {key for key in ends if key is not None}
    locked = {
        one.pk: one for one in Organization.objects.select_for_update().filter(pk__in=wanted).order_by("pk")
    }
    if len(locked) != len(wanted):
        raise OrganizationMissing
    return locked.get(project.organization_id or 0), locked.get(target.pk) if target else None


def _organization_for(name: str, action: str, by: Actor) -> Organization:
    organization = organizations.lock_organization(name)
    actions.require(by, action, organization_thing(organization) if organization else thing_named(name))
    if organization is None:
        raise OrganizationMissing
    return organization


def _place(project: Project, target: Organization | None, now: datetime) -> None:
    narrow_for_move(project)
    project.organization, project.organization_since_at = target, now if target else None
    project.save(update_fields=["organization", "organization_since_at", "reads"])
    TeamRole.objects.filter(project=project).delete()


def _require_owners(project: Project, before: list[Right], after: list[Right], by: Actor) -> None:
    """Raise OwnerLast where nobody would own it who could act, and ProjectMoveRefused where others would lose a critical project."""
    owners = {one.user_id for one in after if one.kind == OWNER}
    if not User.objects.filter(pk__in=owners).exclude(state=User.State.SUSPENDED).exists():
        raise OwnerLast(
            "Nobody owns this project but by its organization.",
            fix="Let somebody become an owner of the project itself first.",
        )
    losing = {one.user_id for one in before if one.kind == OWNER} - owners - {by.user_id}
    if losing and standing.is_critical(project.normalized_name):
        raise ProjectMoveRefused


def _drop(project: Project, before: list[Right], after: list[Right], now: datetime) -> None:
    """End what hung on rights that are over; they are remembered by the project's lineage."""
    remember_rights(project, lost_between(before, after), FormerRole.How.MOVED, now)
    belongings.let_go_all(project.pk, frozenset(one.user_id for one in after), now)


def set_team_role(name: str, team_name: str, kind: str, *, by: Actor) -> TeamRole:
    """Give a team of a project's organization a role in it; the one it has changes nothing.

    What makes its members owners of a critical project no more waits (`ends_at`). Raises RoleUnknown, TeamElsewhere,
    OrganizationLeft, ProjectNotFound, ProjectQuarantined, RoleRequired and what the gate raises.
    """
    if kind not in {OWNER, MAINTAINER}:
        raise RoleUnknown
    now = clock.now()
    with transaction.atomic():
        project = lock_project(name, SET_TEAM, by)
        team = team_roles.team_of(project, team_name)
        present = TeamRole.objects.filter(project=project, team=team).first()
        if present is not None and present.kind == kind:
            return present
        if present is None or kind == OWNER or critical.living_owners(team).exists():
            require_answerable(team.organization, by, now)
        if present is not None and team_roles.waits(present, kind, SET_TEAM, by, now):
            return present
        before = rights.rights_in(project.pk)
        # what a team is given more counts from now on, for the grace of mandates
        role, _ = TeamRole.objects.update_or_create(
            project=project, team=team, defaults={"kind": kind, "since_at": now, **team_roles.AS_BEFORE}
        )
        team_roles.end_lost(project, team, before, now)
        team_roles.note(SET_TEAM, project, team, present.kind if present else "", kind, by)
        team_roles.tell(project, before, letters.team_role(project, team.name, kind, by.name), by, now)
    return role


def end_team_role(name: str, team_name: str, *, by: Actor) -> TeamRole | None:
    """Take a team's role in a project away; returns what waits, or None where it is done.

    Raises TeamElsewhere where it has none, and as `set_team_role`.
    """
    now = clock.now()
    with transaction.atomic():
        project = lock_project(name, END_TEAM, by)
        team = team_roles.team_of(project, team_name)
        present = TeamRole.objects.filter(project=project, team=team).first()
        if present is None:
            raise TeamElsewhere("This team has no role in the project.")
        if present.kind == OWNER and critical.living_owners(team).exists():
            require_answerable(team.organization, by, now)
        if team_roles.waits(present, "", END_TEAM, by, now):
            return present
        team_roles.end(present, "", END_TEAM, by, now, by.name)
    return None


def projects_of(organization: Organization, limit: int | None = None) -> list[Project]:
    """Return the projects that stand in an organization, by name."""
    return list(Project.objects.filter(organization=organization).order_by("normalized_name")[:limit])


def may_add_to(user_id: int) -> list[Organization]:
    """Return the organizations into which somebody may move projects, by name."""
    kinds = ("owner", "manager")
    mine = Membership.objects.filter(user_id=user_id, kind__in=kinds).select_related("organization")
    return [one.organization for one in mine.order_by("organization__normalized_name")]
