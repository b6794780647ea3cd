"""Reading staged releases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from django.db.models import Count, QuerySet, Sum

from keyhouse.projects.models import File, Project
from keyhouse.projects.rules import is_same_version
from keyhouse.publishing.staging.describing import as_file
from keyhouse.publishing.staging.models import StagedFile, StagedRelease
from keyhouse.publishing.staging.rules import Waiting, fingerprint
from keyhouse.storage.blobs import key_of

_AT_ONCE = 100


def waiting_releases(now: datetime) -> QuerySet[StagedRelease]:
    """Return what waits in the whole index, by project and version."""
    rows = StagedRelease.objects.filter(ended_at__isnull=True, project__isnull=False, expires_at__gt=now)
    return rows.select_related("project").order_by("project__normalized_name", "opened_at", "pk")


def waiting_of(project: Project, now: datetime) -> QuerySet[StagedRelease]:
    """Return what waits in a project, the one that was begun first first."""
    return waiting_releases(now).filter(project=project)


def counts_of(project_ids: Iterable[int], now: datetime) -> dict[int, int]:
    """Return how many staged releases wait in each of these projects; one where none does is left out."""
    rows = waiting_releases(now).filter(project_id__in=list(project_ids)).order_by()
    return dict(rows.values_list("project_id").annotate(count=Count("pk")))


def find_waiting(project: Project, version: str, now: datetime) -> StagedRelease | None:
    """Return the staged release of a version, however its zeros are spelt, or None."""
    found = (one for one in waiting_of(project, now) if is_same_version(one.version, version))
    return next(found, None)


def files_of(release: StagedRelease) -> list[StagedFile]:
    """Return the files of a staged release in the order in which they came; the first one speaks for the release."""
    return list(release.files.order_by("pk"))


def file_waiting(project: Project, filename: str, now: datetime) -> StagedFile | None:
    """Return the file of that name which waits, or None."""
    return _files(project, now).filter(filename=filename).first()


def beside(project: Project, now: datetime) -> list[Waiting]:
    """Return every file that waits in a project."""
    rows = _files(project, now).values_list("filename", "kind", "sha256", "release__version", "size")
    return [Waiting(*row) for row in rows]


def bytes_waiting(project: Project, now: datetime) -> int:
    """Return how many bytes wait in a project."""
    return _files(project, now).aggregate(sum=Sum("size"))["sum"] or 0


def _files(project: Project, now: datetime) -> QuerySet[StagedFile]:
    return StagedFile.objects.filter(
        release__project=project, release__ended_at__isnull=True, release__expires_at__gt=now
    )


def fingerprint_of(files: list[StagedFile]) -> str:
    """Return the digest by which somebody says what they saw."""
    return fingerprint((one.filename, one.sha256) for one in files)


def stored_files() -> Iterator[File]:
    """Yield the files that wait, as rows that aren't stored: their bytes must be there."""
    waiting = StagedFile.objects.filter(release__ended_at__isnull=True, release__project__isnull=False)
    yield from map(as_file, waiting.order_by("pk").iterator(chunk_size=_AT_ONCE))


def stored_keys() -> set[str]:
    """Return the keys of all blobs of which a row here tells, also of those that the next round lets go of."""
    rows = StagedFile.objects.values_list("blake2", "filename").iterator(chunk_size=1000)
    return {key_of(blake2, filename) for blake2, filename in rows}
