"""What a robot token or a publisher belongs to, so that its owners look after it: a project, or an organization."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

from keyhouse.core.actions import Thing
from keyhouse.organizations import changing
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.models import Organization
from keyhouse.projects import rights
from keyhouse.projects.changing import thing_of
from keyhouse.projects.models import Project

ORGANIZATION: Final = "organization"


@dataclass(frozen=True, slots=True)
class Home:
    """A project or an organization, as records, mails and pages name it."""

    thing: Thing
    name: str  # as its owners spell it

    @property
    def is_organization(self) -> bool:
        """Whether it is an organization."""
        return self.thing.kind == ORGANIZATION

    @property
    def words(self) -> str:
        """Return how a sentence calls it."""
        return f"the organization {self.name}" if self.is_organization else self.name

    @property
    def path(self) -> str:
        """Return where the pages of its owners begin."""
        return f"/manage/{self.thing.kind}/{self.thing.name}/"

    @property
    def key(self) -> int:
        """Return the number of its row."""
        return int(self.thing.id or 0)

    def owner_ids(self) -> set[int]:
        """Return who owns it now."""
        if self.is_organization:
            return set(organizations.owner_ids(self.key))
        return set(rights.owners_of(self.key))


class Belonging(Protocol):
    """A row that belongs to one of both, or to a person."""

    @property
    def project(self) -> Project | None:
        """Return its project, if it has one."""

    @property
    def organization(self) -> Organization | None:
        """Return its organization, if it has one."""


def of_project(project: Project) -> Home:
    """Return a project as a home."""
    return Home(thing_of(project), project.name)


def of_organization(organization: Organization) -> Home:
    """Return an organization as a home."""
    return Home(changing.thing_of(organization), organization.name)


def find_home(row: Belonging) -> Home | None:
    """Return what a token or publisher belongs to, or None where that is a person."""
    if row.project is not None:
        return of_project(row.project)
    return None if row.organization is None else of_organization(row.organization)
