"""Many projects without files at once: for whoever fills an index at the host. One project: `services.create_project`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.audit.services import Act, record_all
from keyhouse.core import actions, clock, creators
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.distfiles.names import fold, judge_new_name, normalise
from keyhouse.organizations.models import Organization
from keyhouse.projects import pages, rules
from keyhouse.projects.errors import NameRefused, OwnerMissing
from keyhouse.projects.models import Project, Role, Tombstone

_AT_ONCE: Final = 500  # rows of one statement, names of one question


@dataclass(frozen=True, slots=True)
class NewProject:
    """A project to be made; who is named twice is an owner."""

    name: str
    owners: Sequence[User]
    maintainers: Sequence[User] = ()
    created_at: datetime | None = None  # None: now
    organization: Organization | None = None  # whose owners own it; then it needs no other owner


def create_projects(new: Iterable[NewProject], *, by: Actor) -> list[Project]:
    """Make all these projects or none, with pages and one audit record each; returns them in order.

    Raises NameRefused (also where two of them are too similar to each other) and OwnerMissing; IntegrityError where
    somebody else makes one of that name at the same time.
    """
    new, now = list(new), clock.now()
    with transaction.atomic():
        actions.require(by, "project.create")
        creators.require(by)
        _judge(new)
        projects = Project.objects.bulk_create(_rows(new, now), batch_size=_AT_ONCE)
        Role.objects.bulk_create(_roles(projects, new, now), batch_size=_AT_ONCE)
        record_all([_act(project) for project in projects], by=by)
        for project in projects:
            pages.refresh_pages(project, touches_listing=True)
    return projects


def _judge(new: Sequence[NewProject]) -> None:
    taken = _taken_folds([fold(one.name) for one in new])
    for one in new:
        if not one.owners and one.organization is None:
            raise OwnerMissing
        finding = judge_new_name(one.name, taken)
        if finding is not None:
            raise NameRefused(finding.sentence)
        taken.add(fold(one.name))


def _taken_folds(wanted: Sequence[str]) -> set[str]:
    taken: set[str] = set()
    for some in _pieces(wanted):
        taken |= set(Project.objects.filter(folded_name__in=some).values_list("folded_name", flat=True))
    return taken


def _pieces(names: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(names), _AT_ONCE):
        yield names[start : start + _AT_ONCE]


def _rows(new: Sequence[NewProject], now: datetime) -> list[Project]:
    lineages = _lineages([normalise(one.name) for one in new])
    projects = []
    for one in new:
        normalized = normalise(one.name)
        project = Project(
            name=one.name,
            normalized_name=normalized,
            folded_name=fold(one.name),
            created_at=one.created_at or now,
            organization=one.organization,
            organization_since_at=(one.created_at or now) if one.organization else None,
        )
        project.lineage = lineages.get(normalized, project.lineage)
        projects.append(project)
    return projects


def _lineages(names: Sequence[str]) -> dict[str, UUID]:
    """Return what deleted projects of these names left behind."""
    found: dict[str, UUID] = {}
    for some in _pieces(names):
        rows = Tombstone.objects.filter(normalized_name__in=some)
        found |= dict(rows.values_list("normalized_name", "lineage"))
    return found


def _roles(projects: Sequence[Project], new: Sequence[NewProject], now: datetime) -> Iterator[Role]:
    for project, one in zip(projects, new, strict=True):
        kinds = {user.pk: rules.MAINTAINER for user in one.maintainers}
        kinds |= {user.pk: rules.OWNER for user in one.owners}
        for user_id, kind in kinds.items():
            yield Role(project=project, user_id=user_id, kind=kind, since_at=one.created_at or now)


def _act(project: Project) -> Act:
    about = Thing("project", project.pk, project.normalized_name)
    return Act("project.create", about, details={"is_archived": False})
