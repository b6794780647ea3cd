"""What only the public pages read. Every page asks a fixed number of questions, however big the index is."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Case, Exists, F, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.fields.json import KeyTransform
from django.db.models.functions import Length

from keyhouse.audit.compiled import Compiled, asked_number
from keyhouse.core import configuration
from keyhouse.core.errors import NotFound
from keyhouse.index.model import version_key
from keyhouse.projects.models import File, IndexPage, Project, Release
from keyhouse.projects.queries import files_of, in_their_order, visible_projects
from keyhouse.publishing.attestations.continuity import Break, attested_before, find_break
from keyhouse.web.versions import ReleaseLine, newest_first

LONGEST_SHOWN: Final = 36_000  # characters of a description on the project's own page
FILES_SHOWN: Final = 12


@dataclass(frozen=True, slots=True)
class Totals:
    """How much the index holds."""

    projects: int
    releases: int
    files: int


@dataclass(frozen=True, slots=True)
class ChosenRelease:
    """A release with what its page shows. `description_html` is empty where it `is_long`."""

    release: Release
    description_html: str
    is_long: bool
    provenance_break: Break | None  # where less, or something else, is vouched for than before


def find_totals() -> Totals | None:
    """Return the counts of what is here: from the statistics that the index keeps, counted where there are none yet.

    None on a private index: to count what each reader may read takes longer than all else on a page, and what is kept counts
    the rest, too.
    """
    if configuration.current().is_private:
        return None
    bodies = IndexPage.objects.filter(kind="stats", form="json", is_gone=False).values_list("body", flat=True)
    return _kept_totals(bytes(bodies.first() or b"")) or _counted_totals()


def _counted_totals() -> Totals:
    offered, is_open = visible_projects(), {"is_quarantined": False}
    return Totals(
        offered.count(),
        Release.objects.filter(project__in=offered, **is_open).count(),
        File.objects.filter(project__in=offered, **is_open).count(),
    )


def _kept_totals(body: bytes) -> Totals | None:
    try:
        kept = json.loads(body)
        return Totals(int(kept["projects"]), int(kept["releases"]), int(kept["files"]))
    except (ValueError, KeyError, TypeError):
        return None


def history_of(project: Project) -> list[ReleaseLine]:
    """Return all releases, the newest version first."""
    fields = ("id", "version", "created_at", "yanked_at", "yanked_reason")
    shown = project.releases.filter(is_quarantined=False)
    return newest_first(ReleaseLine(*row) for row in shown.values_list(*fields))


def means_of_releases(release_ids: Collection[int]) -> dict[int, set[tuple[str, object]]]:
    """Return by which means, and by which class of token, the files of each of these releases came that may be shown."""
    asked = File.objects.filter(release_id__in=release_ids, is_quarantined=False).order_by()
    found: dict[int, set[tuple[str, object]]] = {}
    rows = asked.values_list("release_id", "uploaded_via", KeyTransform("class", "publication"))
    for key, means, token_class in rows.distinct():
        found.setdefault(key, set()).add((means, token_class))
    return found


def find_quarantine(project: Project, version: str) -> str | None:
    """Return the reason of the quarantine of a release, however its version is spelt; None where there is none."""
    rows = project.releases.filter(is_quarantined=True).values_list("version", "quarantine_reason")
    return next((reason for found, reason in rows if version_key(found) == version_key(version)), None)


def open_files_of(release_id: int) -> QuerySet[File]:
    """Return the files of a release that may be shown, in their order."""
    return files_of(Release(pk=release_id)).filter(is_quarantined=False)


def get_release(release_id: int) -> ChosenRelease:
    """Return a release without a description too long for its page; raises NotFound where it was deleted meanwhile."""
    release: Any = _still_there(_CHOSEN.rows(release_id))
    gap = find_break(release) if release.has_attested_before else None
    return ChosenRelease(release, release.shown, release.length > LONGEST_SHOWN, gap)


def _chosen() -> QuerySet[Release]:
    fits = Q(length__lte=LONGEST_SHOWN)
    shown = Case(When(fits, then=F("description_html")), default=Value(""), output_field=TextField())
    attested = attested_before(OuterRef("project_id"), OuterRef("created_at"))
    asked = Release.objects.filter(pk=asked_number(0)).defer("description_html")
    return asked.annotate(length=Length("description_html")).annotate(
        shown=shown, has_attested_before=Exists(attested)
    )


_CHOSEN: Final = Compiled(_chosen)  # every page of a project asks it


def first_files_of(release_id: int) -> list[File]:
    """Return as many files of a release as its page shows, and one more where there is one, those in quarantine among them."""
    return _FIRST_FILES.rows(release_id)


def _first_files() -> QuerySet[File]:
    return in_their_order(File.objects.filter(release_id=asked_number(0)))[: FILES_SHOWN + 1]


_FIRST_FILES: Final = Compiled(_first_files)


def find_file_of(release_id: int, filename: str) -> File | None:
    """Return the file of that name in a release, or None."""
    return File.objects.filter(release_id=release_id, filename=filename).first()


def metadata_of(release_id: int) -> dict[str, Any]:
    """Return what a release says of itself; raises NotFound where it was deleted meanwhile."""
    found: dict[str, Any] = _still_there(
        Release.objects.filter(pk=release_id).values_list("metadata", flat=True)
    )
    return found


def sizes_of_files(release_id: int, most: int) -> dict[str, int]:
    """Return the sizes of the files of a release that are not in quarantine by their names, at most so many."""
    rows = File.objects.filter(release_id=release_id, is_quarantined=False).order_by("filename")
    return dict(rows.values_list("filename", "size")[:most])


def origins_of(release_id: int) -> list[tuple[str, dict[str, Any]]]:
    """Return by which means, and from which repository at which issuer, the files of a release came; two answers at most.

    More than one says that they came from different places, which is all that is asked.
    """
    parts = (
        KeyTransform("provider", "publication"),
        KeyTransform("issuer", "publication"),
        KeyTransform("repository", KeyTransform("claims", "publication")),
    )
    asked = File.objects.filter(release_id=release_id).order_by()
    rows = asked.values_list("uploaded_via", *parts).distinct()[:2]
    return [
        (means, {"provider": provider, "issuer": issuer, "claims": {"repository": name}})
        for means, provider, issuer, name in rows
    ]


def digests_of_files(release_id: int) -> list[str]:
    """Return the SHA-256 of all files of a release that are not in quarantine, in the order of their names."""
    rows = File.objects.filter(release_id=release_id, is_quarantined=False).order_by("filename")
    return list(rows.values_list("sha256", flat=True))


def description_of(release_id: int) -> str:
    """Return the whole rendered description; raises NotFound where the release was deleted meanwhile."""
    found = Release.objects.filter(pk=release_id).values_list("description_html", flat=True)
    return str(_still_there(found))


def _still_there(rows: Iterable[Any]) -> Any:
    """Return the one row, or raise NotFound."""
    for row in rows:
        return row
    raise NotFound
