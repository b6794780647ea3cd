"""Who reads one project, where the index is private: saying so, and how many people that is. `reading` works out what follows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actor import Actor
from keyhouse.organizations import queries as organizations
from keyhouse.organizations import readers as organization_readers
from keyhouse.organizations.changing import thing_of as organization_thing
from keyhouse.organizations.models import Membership, Organization, Team, TeamMember
from keyhouse.organizations.readers import require_readers, teams_named
from keyhouse.organizations.rules import EVERYBODY, MEMBERS, TEAMS
from keyhouse.projects import organizing_letters as letters
from keyhouse.projects import reading, rights
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators.locking import lock_project
from keyhouse.projects.models import Project, ReadingTeam
from keyhouse.projects.rules import AS_ORGANIZATION, READERS, ROLES

SET: Final = "project.set-readers"
_WITHOUT_ORGANIZATION: Final = (EVERYBODY, ROLES)


def set_project_readers(name: str, reads: str, team_names: Collection[str] = (), *, by: Actor) -> Project:
    """Say who reads a project; the same again changes nothing. An empty `reads`: as its organization says.

    For an owner of the project who is, where it stands in an organization, an owner of that. It counts from the next
    reading on; all owners are told. Raises ReadersPublic, ReadersUnknown, TeamMissing, ProjectNotFound,
    ProjectQuarantined, RoleRequired and what the gate raises.
    """
    with transaction.atomic():
        project = lock_project(name, SET, by)
        organization = _lock_organization(project, by)
        require_readers(reads, READERS if organization else _WITHOUT_ORGANIZATION, team_names)
        teams = teams_named(organization, team_names)
        before, after = _told(project.reads, teams_of(project)), _told(reads, teams)
        # without an organization there is nothing that it would say otherwise
        stored = AS_ORGANIZATION if organization is None and reads == EVERYBODY else reads
        if (project.reads, before) == (stored, _told(stored, teams)):
            return project
        project.reads = stored
        project.save(update_fields=["reads"])
        ReadingTeam.objects.filter(project=project).delete()
        ReadingTeam.objects.bulk_create(ReadingTeam(project=project, team=team) for team in teams)
        details: dict[str, Detail] = {"before": before, "after": after}
        record(SET, by=by, about=thing_of(project), details=details)
        others = [pk for pk in rights.owners_of(project.pk) if pk != by.user_id]
        tell_others(others, letters.readers_changed(project, after, by.name), clock.now())
        faults.reach("project.readers-written")
    return project


def _lock_organization(project: Project, by: Actor) -> Organization | None:
    """Return the organization of a project with its row locked, after it was asked as well; the project is locked before."""
    if project.organization_id is None:
        return None
    organization = Organization.objects.select_for_update().get(pk=project.organization_id)
    actions.require(by, organization_readers.SET, organization_thing(organization))
    return organization


def narrow_for_move(project: Project) -> bool:
    """Keep a project that moves to those who have a role in it, unless everybody read it; returns whether it is kept.

    Members and teams of where it stood are nobody where it goes, and nobody else is let in before an owner says so. Must be
    called in the transaction of the move, before the project's organization changes; the caller saves `reads`.
    """
    was_open = reading.readers_of(project) == EVERYBODY
    project.reads = AS_ORGANIZATION if was_open else ROLES
    ReadingTeam.objects.filter(project=project).delete()
    return not was_open


def teams_of(project: Project) -> list[Team]:
    """Return the teams that read a project which is kept to some, by name."""
    rows = ReadingTeam.objects.filter(project=project, team__organization=project.organization_id)
    return [one.team for one in rows.select_related("team").order_by("team__normalized_name")]


def _told(reads: str, teams: Collection[Team]) -> str:
    return organization_readers.told(reads, teams) if reads else "as its organization"


def losing_in_organization(organization: Organization, reads: str, teams: Collection[Team]) -> int:
    """Return how many people will read fewer projects than now, once an organization says so."""
    now = _outsiders_read(organization, organization.reads, organizations.reading_teams_of(organization))
    then = _outsiders_read(organization, reads, teams)
    kept = Project.objects.filter(organization=organization, reads=AS_ORGANIZATION)
    return _losing(now - then, set(kept.values_list("pk", flat=True)))


def losing_of_project(project: Project, reads: str, teams: Collection[Team]) -> int:
    """Return how many people will no more read a project, once it says so."""
    here = project.organization
    own = teams_of(project)
    now = _said(here, project.reads, own)
    then = _said(here, reads, teams)
    return _losing(now - then, {project.pk})


def _said(organization: Organization | None, reads: str, teams: Collection[Team]) -> set[int]:
    if reads == AS_ORGANIZATION and organization is not None:
        return _outsiders_read(organization, organization.reads, organizations.reading_teams_of(organization))
    return _outsiders_read(organization, reads or EVERYBODY, teams)


def _outsiders_read(organization: Organization | None, reads: str, teams: Collection[Team]) -> set[int]:
    """Return the numbers of the accounts that read without a role of their own."""
    if reads == EVERYBODY:
        closed = (User.State.DELETED, User.State.SUSPENDED)
        return set(User.objects.exclude(state__in=closed).values_list("pk", flat=True))
    if reads == MEMBERS and organization is not None:
        return set(Membership.objects.filter(organization=organization).values_list("user_id", flat=True))
    if reads == TEAMS:
        return set(TeamMember.objects.filter(team__in=teams).values_list("member__user_id", flat=True))
    return set()


def _losing(fewer: set[int], project_ids: set[int]) -> int:
    """Return how many of these people have no right of their own in at least one of the projects."""
    if not project_ids or not fewer:
        return 0
    held = {(one.user_id, one.project_id) for one in rights.rights_in_several(project_ids)}
    everywhere = Counter(user_id for user_id, _ in held)
    return sum(everywhere[user_id] < len(project_ids) for user_id in fewer)
