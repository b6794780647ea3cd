"""Organizations of a document that is seeded: their people and teams, where projects stand, what teams may do there."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.cli.dev_document import SeedOrganization, SeedProject, SeedRefused
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.distfiles.names import normalise
from keyhouse.organizations import queries
from keyhouse.organizations.models import Organization
from keyhouse.organizations.populating import add_members, add_team
from keyhouse.organizations.rules import MANAGER, MEMBER, OWNER
from keyhouse.organizations.services import create_organization
from keyhouse.projects import queries as projects
from keyhouse.projects.models import TeamRole
from keyhouse.projects.organizing import move_project
from keyhouse.projects.team_roles import team_of

_BY: Final = host()
Person = Callable[[str], User]


def make_organization(entry: SeedOrganization, where: str, person: Person) -> Organization:
    """Make an organization with its people and teams; whoever is in a team is at least a member."""
    if not entry.owners:
        raise SeedRefused(f"{where}: an organization needs an owner.")
    owners = [person(name) for name in entry.owners]
    organization = create_organization(entry.name, by=_BY, owners=owners)
    in_teams = [name for team in entry.teams for name in team.members]
    kinds = {person(name): MEMBER for name in (*in_teams, *entry.members)}
    kinds |= {person(name): MANAGER for name in entry.managers} | dict.fromkeys(owners, OWNER)
    add_members(organization, kinds, by=_BY)
    for team in entry.teams:
        add_team(organization, team.name, [person(name) for name in team.members], by=_BY)
    return organization


def homes_by_team(entries: Iterable[SeedOrganization]) -> dict[str, str]:
    """Return in which organization's teams each project is named, by its normalised name: it stands there, then."""
    homes: dict[str, str] = {}
    for entry in entries:
        for name in (normalise(name) for team in entry.teams for name, _ in team.projects):
            if normalise(homes.setdefault(name, entry.name)) != normalise(entry.name):
                raise SeedRefused(f"Teams of two organizations name the project {name!r}.")
    return homes


def home_of(entry: SeedProject, where: str, homes: Mapping[str, str]) -> Organization | None:
    """Return the organization that a project to be made stands in, or None."""
    by_team = homes.get(normalise(entry.name))
    name = entry.organization or by_team
    if name is None:
        return None
    if by_team is not None and normalise(by_team) != normalise(name):
        raise SeedRefused(f"{where}: a team of the organization {by_team!r} names this project.")
    found = queries.find_organization(name)
    if found is None:
        raise SeedRefused(f"{where}: there is no organization {name!r}.")
    return found


def give_roles(entry: SeedOrganization, where: str) -> None:
    """Give an organization's teams their roles; a project that was there before and stands nowhere moves into it."""
    for team in entry.teams:
        for name, kind in team.projects:
            project = projects.find_project(normalise(name))
            if project is None:
                raise SeedRefused(f"{where}: there is no project {name!r}.")
            if project.organization_id is None:
                project = move_project(project.normalized_name, entry.name, by=_BY)
            # not by the act of the page: owners of a made-up index may be silent for long, and mails tell nobody of it
            with transaction.atomic():
                given = {"kind": kind, "since_at": clock.now()}
                mine = team_of(project, team.name)
                TeamRole.objects.update_or_create(project=project, team=mine, defaults=given)
