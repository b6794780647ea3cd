"""What the public pages read. Every page asks a fixed number of questions, however big the index is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import (
    Case,
    CharField,
    F,
    IntegerField,
    OuterRef,
    Q,
    QuerySet,
    Subquery,
    TextField,
    Value,
    When,
)
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Length
from packaging.utils import canonicalize_name

from keyhouse.projects.models import File, IndexPage, Project, Release, Role
from keyhouse.web.versions import ReleaseLine, newest_first

NEWEST: Final = 8
RESULTS: Final = 20
_SEARCHABLE: Final = re.compile(r"[a-z0-9-]*[a-z0-9][a-z0-9-]*")  # no name holds anything else
LONGEST_SHOWN: Final = 48_000  # characters of a description on the project's own page


@dataclass(frozen=True, slots=True)
class Totals:
    """How much the index holds."""

    projects: int
    releases: int
    files: int


@dataclass(frozen=True, slots=True)
class ProjectLine:
    """A project as a line of a list, with its latest release."""

    name: str
    normalized_name: str
    version: str
    summary: str
    at: datetime
    status: str


@dataclass(frozen=True, slots=True)
class ChosenRelease:
    """A release with what its page shows. `description_html` is empty where it `is_long`."""

    release: Release
    description_html: str
    is_long: bool


@dataclass(frozen=True, slots=True)
class Results:
    """One page of what a search found."""

    lines: list[ProjectLine]
    total: int


def visible_projects() -> QuerySet[Project]:
    """Return the projects that lists name; quarantined ones keep their page, with a banner."""
    return Project.objects.exclude(status=Project.Status.QUARANTINED)


def totals() -> Totals:
    """Return the counts, from the statistics the index keeps where they are ready."""
    page = IndexPage.objects.filter(kind="stats", form="json", is_gone=False).values_list("body", flat=True)
    kept = _kept_totals(bytes(next(iter(page[:1]), b"")))
    return kept or Totals(visible_projects().count(), Release.objects.count(), File.objects.count())


def _kept_totals(body: bytes) -> Totals | None:
    try:
        kept = json.loads(body)
        return Totals(int(kept["projects"]), int(kept["releases"]), int(kept["files"]))
    except (ValueError, KeyError, TypeError):
        return None


def newest_releases() -> list[ProjectLine]:
    """Return the releases made last, the newest first."""
    rows = _with_summary(Release.objects.exclude(project__status=Project.Status.QUARANTINED))
    return [_line_of(release) for release in rows.order_by("-created_at", "-id")[:NEWEST]]


def newest_projects() -> list[Project]:
    """Return the projects made last, the newest first."""
    return list(visible_projects().order_by("-created_at", "-id")[:NEWEST])


def search(text: str, *, page: int) -> Results:
    """Find projects whose name is, begins with or holds `text`, in this order; `page` counts from one."""
    name = canonicalize_name("-".join(text.split()))
    if not _SEARCHABLE.fullmatch(name):
        return Results([], 0)
    found = visible_projects().filter(normalized_name__contains=name)
    first = (page - 1) * RESULTS
    ranked = found.annotate(rank=_rank_of(name)).order_by("rank", "normalized_name")
    return Results(_lines_of(ranked[first : first + RESULTS]), found.count())


def _rank_of(name: str) -> Case:
    return Case(
        When(normalized_name=name, then=Value(0)),
        When(normalized_name__startswith=name, then=Value(1)),
        default=Value(2),
        output_field=IntegerField(),
    )


def _lines_of(projects: Iterable[Project]) -> list[ProjectLine]:
    """Add to each project its latest release, in two questions for all of them."""
    rows = list(projects)
    latest = (
        Release.objects.filter(project=OuterRef("project")).order_by("-created_at", "-id").values("id")[:1]
    )
    releases = _with_summary(
        Release.objects.filter(project__in=[row.pk for row in rows], id=Subquery(latest))
    )
    by_project = {release.project_id: _line_of(release) for release in releases}
    return [by_project.get(row.pk) or _bare_line(row) for row in rows]


def _with_summary(releases: QuerySet[Release]) -> QuerySet[Release]:
    """Load the summary alone: the metadata holds whole descriptions."""
    summary = KeyTextTransform("summary", "metadata", output_field=CharField())
    return releases.select_related("project").defer("metadata", "description_html").annotate(summary=summary)


def _line_of(release: Release) -> ProjectLine:
    project = release.project
    summary = str(getattr(release, "summary", None) or "")
    return ProjectLine(
        project.name,
        project.normalized_name,
        release.version,
        summary,
        release.created_at,
        project.status,
    )


def _bare_line(project: Project) -> ProjectLine:
    return ProjectLine(project.name, project.normalized_name, "", "", project.created_at, project.status)


def find_project(normalized_name: str) -> Project | None:
    """Return the project of that normalised name."""
    return Project.objects.filter(normalized_name=normalized_name).first()


def history_of(project: Project) -> list[ReleaseLine]:
    """Return all releases, the newest version first."""
    fields = ("id", "version", "created_at", "yanked_at", "yanked_reason")
    return newest_first(ReleaseLine(*row) for row in project.releases.values_list(*fields))


def get_release(release_id: int) -> ChosenRelease:
    """Return a release without a description too long for its page."""
    fits = Q(length__lte=LONGEST_SHOWN)
    release = (
        Release.objects.defer("description_html")
        .annotate(length=Length("description_html"))
        .annotate(
            shown=Case(When(fits, then=F("description_html")), default=Value(""), output_field=TextField())
        )
        .get(pk=release_id)
    )
    return ChosenRelease(release, release.shown, release.length > LONGEST_SHOWN)


def description_of(release_id: int) -> str:
    """Return the whole rendered description."""
    return Release.objects.values_list("description_html", flat=True).get(pk=release_id)


def files_of(release_id: int) -> QuerySet[File]:
    """Return the files of a release: source first, then wheels by name."""
    return File.objects.filter(release=release_id).order_by("-kind", "filename")


def people_of(project: Project) -> QuerySet[Role]:
    """Return owners, then maintainers, with their accounts."""
    return project.roles.select_related("user").order_by("-kind", "user__username")
