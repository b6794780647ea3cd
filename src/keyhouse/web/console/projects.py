"""Reading projects for the console: by name or size, a page at a time, with what a page needs in a fixed number of questions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Q, QuerySet

from keyhouse.accounts.models import Proposal
from keyhouse.core import configuration
from keyhouse.projects import ownership
from keyhouse.projects.models import File, Project, Role
from keyhouse.projects.queries import roles_of_project

PAGE: Final = 50


@dataclass(frozen=True, slots=True)
class Row:
    """A project in the list."""

    project: Project
    files: int
    owners: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Listed:
    """A page of projects, and what the next one begins after; empty at the end."""

    rows: list[Row]
    after: str


def list_projects(asked: Mapping[str, Any], after: str) -> Listed:
    """Return the projects that fit: as many as a page holds, whatever the size of the index."""
    by_size = asked.get("order") == "size"
    found = _narrowed(asked)
    found = found.order_by("-size", "normalized_name") if by_size else found.order_by("normalized_name")
    found = _behind(found, after, by_size=by_size)
    projects = list(found[: PAGE + 1])
    shown = projects[:PAGE]
    return Listed(_rows(shown), _mark(shown[-1], by_size=by_size) if len(projects) > PAGE else "")


def _narrowed(asked: Mapping[str, Any]) -> QuerySet[Project]:
    found = ownership.projects_without_owner() if asked.get("only") == "ownerless" else Project.objects.all()
    if asked.get("only") == "limits":
        found = found.filter(Q(file_limit__isnull=False) | Q(project_limit__isnull=False))
    return found.filter(normalized_name__contains=text.lower()) if (text := asked.get("q")) else found


def _mark(last: Project, *, by_size: bool) -> str:
    return f"{last.size}:{last.normalized_name}" if by_size else last.normalized_name


def _behind(found: QuerySet[Project], after: str, *, by_size: bool) -> QuerySet[Project]:
    if not after or "\x00" in after:
        return found
    if not by_size:
        return found.filter(normalized_name__gt=after)
    size, _, name = after.partition(":")
    if not size.isascii() or not size.isdigit() or len(size) > len(str(2**60)):
        return found
    return found.filter(Q(size__lt=int(size)) | Q(size=int(size), normalized_name__gt=name))


def _rows(projects: list[Project]) -> list[Row]:
    keys = [project.pk for project in projects]
    files = dict(
        File.objects.filter(project_id__in=keys)
        .order_by()
        .values_list("project_id")
        .annotate(count=Count("pk"))
    )
    roles = Role.objects.filter(project_id__in=keys, kind=Role.Kind.OWNER).select_related("user")
    owners: dict[int, list[str]] = {key: [] for key in keys}
    for role in roles.order_by("user__username"):
        owners[role.project_id].append(role.user.username)
    return [Row(one, files.get(one.pk, 0), tuple(owners[one.pk])) for one in projects]


@dataclass(frozen=True, slots=True)
class Seen:
    """One project as the console shows it."""

    project: Project
    files: int
    biggest: list[File]
    roles: list[Role]
    file_limit: int
    project_limit: int
    may_have_new_owner: bool
    proposals: list[Proposal]

    @property
    def used_percent(self) -> int:
        """Return how much of its limit the project uses."""
        return min(100, 100 * self.project.size // self.project_limit) if self.project_limit else 100


def see_project(project: Project, now: datetime) -> Seen:
    """Return what there is to know about a project."""
    settings = configuration.current()
    files = File.objects.filter(project=project)
    return Seen(
        project=project,
        files=files.count(),
        biggest=list(files.order_by("-size", "filename")[:10]),
        roles=list(roles_of_project(project)[:PAGE]),
        file_limit=project.file_limit or settings.file_limit,
        project_limit=project.project_limit or settings.project_limit,
        may_have_new_owner=ownership.may_have_new_owner(project, now),
        proposals=list(
            Proposal.objects.filter(
                kind=Proposal.Kind.OWNER, about=project.normalized_name, done_at=None, ended_at=None
            ).select_related("user")
        ),
    )
