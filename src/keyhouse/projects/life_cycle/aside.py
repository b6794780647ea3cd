"""Keeping the rows of what is deleted, and putting them back as they were.

A row is kept as a document: each column by its name, instants and days in ISO 8601, bytes as Base64. Columns that a later
schema has lost are passed over, and new ones take their defaults; so an upgrade in between does no harm. Of counts, which
are many and small, a document holds many rows, without their numbers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from itertools import chain, islice
from typing import Any, Final
from uuid import UUID

from django.apps import apps
from django.db.models import Field, Model, QuerySet

from keyhouse.organizations.models import Organization
from keyhouse.organizations.rules import EVERYBODY
from keyhouse.projects import sql
from keyhouse.projects.life_cycle.models import KeptRole, KeptRow, Removal
from keyhouse.projects.models import (
    ClientSketch,
    DownloadCount,
    File,
    Project,
    ProjectDownloads,
    Provenance,
    ReadingTeam,
    Release,
    ReleaseDownloads,
    Role,
    RoleChange,
    TeamRole,
)
from keyhouse.projects.pages import batches
from keyhouse.projects.rules import AS_ORGANIZATION, ROLES

# Tables whose rows come back, in the order in which they do: what others point at comes first.
KEPT: Final = (
    "projects.Project",
    "projects.TeamRole",
    "projects.ReadingTeam",
    "projects.Release",
    "projects.File",
    "projects.Provenance",
    "projects.DownloadCount",
    "projects.ReleaseDownloads",
    "projects.ProjectDownloads",
    "projects.ClientSketch",
    "projects.RoleChange",
    "safety.Quarantine",
)
# Tables whose rows go with a project, a release or a file, and why they don't come back as rows.
LET_GO: Final[Mapping[str, str]] = {
    "projects.Role": "kept in a table of its own, which accounts that are deleted meanwhile leave",
    "projects.ProjectInvitation": "an offer ends with what it was about; owners can make it anew",
    "projects.SearchRow": "made anew with the pages",
    "staging.StagedRelease": "nobody saw it; its bytes are let go of, and it can be uploaded anew",
    "tokens.Token": "whoever deletes wants what gets in by itself to end, for good; owners make new ones",
    "publishers.Publisher": "whoever deletes wants what gets in by itself to end, for good; owners set it up anew",
}
_FILE: Final = "projects.File"
_PROJECT: Final = "projects.Project"
_RELEASE: Final = "projects.Release"
_PROVENANCE: Final = "projects.Provenance"
_DOWNLOADS: Final = "projects.DownloadCount"
_RELEASE_DOWNLOADS: Final = "projects.ReleaseDownloads"
_KEPT_BY_ORGANIZATION: Final = "kept_by_organization"  # no column
_WAS_YANKED: Final = "was_yanked"  # nor is this
_COUNTS: Final = frozenset(
    {"projects.DownloadCount", "projects.ReleaseDownloads", "projects.ProjectDownloads"}
)
_COUNTS_AT_ONCE: Final = 1000  # rows of one document

Columns = dict[str, Any]


def keep_project(removal: Removal, project: Project) -> None:
    """Keep all rows of a project, and who might do what in it."""
    _keep(removal, [project])
    _keep_readers(removal, project)
    _keep(removal, TeamRole.objects.filter(project=project).order_by("pk"))
    _keep(removal, ReadingTeam.objects.filter(project=project).order_by("pk"))
    _keep(removal, project.releases.order_by("pk").iterator(chunk_size=100))
    keep_files(removal, project.files.order_by("pk"))
    _keep_counts(removal, ReleaseDownloads.objects.filter(project=project))
    _keep_counts(removal, ProjectDownloads.objects.filter(project=project))
    _keep(removal, ClientSketch.objects.filter(project=project).order_by("pk").iterator(chunk_size=100))
    _keep(removal, RoleChange.objects.filter(project=project).order_by("pk"))
    _keep(removal, _quarantines().filter(project_id=project.pk).order_by("pk"))
    KeptRole.objects.bulk_create(
        KeptRole(removal=removal, user_id=role.user_id, kind=role.kind, since_at=role.since_at)
        for role in Role.objects.filter(project=project)
    )


def _keep_readers(removal: Removal, project: Project) -> None:
    """Write down whether the organization kept the project to some readers: it may be gone when that comes back."""
    if project.organization is not None and project.organization.reads != EVERYBODY:
        row = KeptRow.objects.get(removal=removal, table=_PROJECT, key=project.pk)
        row.columns[_KEPT_BY_ORGANIZATION] = True
        row.save(update_fields=["columns"])


def keep_release(removal: Removal, release: Release) -> None:
    """Keep a release with its files."""
    _keep(removal, Release.objects.filter(pk=release.pk))
    keep_files(removal, release.files.order_by("pk"))
    _keep_counts(removal, ReleaseDownloads.objects.filter(release=release))


def keep_files(removal: Removal, files: QuerySet[File]) -> None:
    """Keep files with the counts of their downloads."""
    _keep(removal, files.iterator(chunk_size=100))
    _keep(removal, Provenance.objects.filter(file__in=files.order_by()).iterator(chunk_size=100))
    _keep_counts(removal, DownloadCount.objects.filter(file__in=files.order_by()))


def _keep_counts(removal: Removal, counts: QuerySet[Any]) -> None:
    model = counts.model
    names = [field.attname for field in model._meta.concrete_fields if not field.primary_key]  # noqa: SLF001 - how Django names its model interface
    rows = counts.order_by("pk").values_list(*names).iterator(chunk_size=_COUNTS_AT_ONCE)
    while some := list(islice(rows, _COUNTS_AT_ONCE)):
        columns = {"names": names, "rows": [[_plain(value) for value in row] for row in some]}
        KeptRow.objects.create(removal=removal, table=model._meta.label, key=0, columns=columns)  # noqa: SLF001 - as above


def _keep(removal: Removal, things: Iterable[Model]) -> None:
    _store(
        KeptRow(
            removal=removal,
            table=thing._meta.label,  # noqa: SLF001 - how Django names its model interface
            key=thing.pk,
            filename=thing.filename if isinstance(thing, File) else "",
            columns=written(thing),
        )
        for thing in things
    )


def _store(rows: Iterable[KeptRow]) -> None:
    for some in batches(rows):
        KeptRow.objects.bulk_create(some)


def written(thing: Model) -> Columns:
    """Return a row as a document."""
    fields = thing._meta.concrete_fields  # noqa: SLF001 - as above
    return {field.attname: _written(field, thing) for field in fields}


def _written(field: Field[Any, Any], thing: Model) -> Any:
    value = field.value_from_object(thing)
    return field.value_to_string(thing) if isinstance(value, bytes | memoryview) else _plain(value)


def _plain(value: Any) -> Any:
    if isinstance(value, date):  # an instant is one, too
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def read(table: str, columns: Columns) -> Model:
    """Return the row that was kept, not stored."""
    model = apps.get_model(table)
    fields = {field.attname: field for field in model._meta.concrete_fields}  # noqa: SLF001 - as above
    known = {name: value for name, value in columns.items() if name in fields}
    if table == _PROJECT and known.get("organization_id") is not None:
        known["organization_id"] = _living_organization(known["organization_id"])
        if known["organization_id"] is None:
            known["reads"] = _reads_alone(str(known.get("reads", "")), columns)
    found: Model = model(
        **{name: value if value is None else fields[name].to_python(value) for name, value in known.items()}
    )
    return found


def _reads_alone(reads: str, columns: Columns) -> str:
    """Return who reads a project whose organization is gone: it is no less kept to somebody than it was."""
    if reads == AS_ORGANIZATION:
        return ROLES if columns.get(_KEPT_BY_ORGANIZATION) else AS_ORGANIZATION
    return AS_ORGANIZATION if reads == EVERYBODY else ROLES


def _living_organization(key: int) -> int | None:
    """Return the number of an organization that is there and is not deleted until the end, or None."""
    return (
        Organization.objects.select_for_update(no_key=True)
        .filter(pk=key)
        .values_list("pk", flat=True)
        .first()
    )


def kept_files(removal: Removal | None = None) -> Iterator[File]:
    """Yield the files that a deletion kept (None: all of them do), not stored."""
    rows = KeptRow.objects.filter(table=_FILE).order_by("pk")
    if removal is not None:
        rows = rows.filter(removal=removal)
    for row in rows.iterator(chunk_size=100):
        file = read(_FILE, row.columns)
        if isinstance(file, File):
            yield file


def put_back(removal: Removal) -> None:
    """Store all rows that a deletion kept, with the numbers that they had. Raises IntegrityError where one's place is taken."""
    for table in KEPT:
        for some in batches(_kept(removal, table)):
            apps.get_model(table)._default_manager.bulk_create(some)  # noqa: SLF001 - as above


def put_back_part(removal: Removal, files: Sequence[File], into: int | None) -> None:
    """Store these files of a deletion with what is counted of them; all else that it keeps stays kept.

    They go into the release of that number, and what is counted of their own is added to it; None: their own is put back.
    Raises IntegrityError where the place of a file is taken.
    """
    if into is None:
        Release.objects.bulk_create(_kept(removal, _RELEASE))
    else:
        _remember_yank(removal)
    KeptRow.objects.filter(removal=removal, table=_RELEASE).delete()
    for some in batches(files):
        for file in some:
            file.release_id = file.release_id if into is None else into
        File.objects.bulk_create(some)
        KeptRow.objects.filter(removal=removal, table=_FILE, key__in=[file.pk for file in some]).delete()
    numbers = {file.pk for file in files}
    for row in _rows(removal, _PROVENANCE):
        if row.columns["file_id"] in numbers:
            Provenance.objects.bulk_create(_things(row))
            row.delete()
    for row in _rows(removal, _DOWNLOADS):
        _put_counts_back(row, numbers)
    for row in _rows(removal, _RELEASE_DOWNLOADS):
        _add_release_counts(_things(row), into)
        row.delete()


def _remember_yank(removal: Removal) -> None:
    """Note with all files of a release that it was yanked, before it is forgotten that it was there."""
    yanked = {row.key for row in _rows(removal, _RELEASE) if row.columns.get("yanked_at") is not None}
    if not yanked:
        return
    for row in KeptRow.objects.filter(removal__project_key=removal.project_key, table=_FILE):
        if row.columns["release_id"] in yanked:
            row.columns[_WAS_YANKED] = True
            row.save(update_fields=["columns"])


def _put_counts_back(row: KeptRow, files: set[int]) -> None:
    """Store the counts of these files, and keep those of others."""
    place = row.columns["names"].index("file_id")
    others = [values for values in row.columns["rows"] if values[place] not in files]
    row.columns["rows"] = [values for values in row.columns["rows"] if values[place] in files]
    DownloadCount.objects.bulk_create(_things(row))
    row.columns["rows"] = others
    if others:
        row.save(update_fields=["columns"])
    else:
        row.delete()


def _add_release_counts(counts: Iterable[Any], into: int | None) -> None:
    """Add to the days of a release, beside whoever counts at the same time."""
    for some in batches(counts):
        values = [(one.project_id, into or one.release_id, one.day_on.isoformat(), one.count) for one in some]
        places = ", ".join(["(%s, %s, %s, %s)"] * len(values))
        sql.change(f"{_INTO_COUNTS} VALUES {places} {_ONTO_COUNTS}", *chain.from_iterable(values))


_INTO_COUNTS: Final = "INSERT INTO projects_releasedownloads (project_id, release_id, day_on, count)"
_ONTO_COUNTS: Final = (
    "ON CONFLICT (project_id, day_on, release_id)"
    " DO UPDATE SET count = projects_releasedownloads.count + excluded.count"
)


def holds_release(removal: Removal) -> bool:
    """Tell whether a deletion keeps a release itself, and not only files of one."""
    return _rows(removal, _RELEASE).exists()


def kept_versions(project: Project, now: datetime) -> list[str]:
    """Return the versions of a project whose releases can be brought back."""
    kept = KeptRow.objects.filter(table=_RELEASE, removal__project_key=project.pk)
    kept = kept.filter(removal__kind=Removal.Kind.RELEASE, removal__until_at__gt=now, removal__swept_at=None)
    return list(kept.values_list("removal__version", flat=True))


def were_yanked(removal: Removal, files: Sequence[File]) -> bool:
    """Tell whether the release of one of these files that it keeps was yanked when it was deleted."""
    numbers, releases = {file.pk for file in files}, {file.release_id for file in files}
    noted = (row for row in _rows(removal, _FILE) if row.key in numbers)
    if any(row.columns.get(_WAS_YANKED) for row in noted):
        return True
    kept = KeptRow.objects.filter(table=_RELEASE, removal__project_key=removal.project_key, key__in=releases)
    return any(row.columns.get("yanked_at") is not None for row in kept)


def let_go_lifted(project: Project, version: str, files: Iterable[File]) -> None:
    """Let what came back, files and their release, no longer be held by quarantines that were lifted while it was away."""
    of_release = _quarantines().filter(project_id=project.pk, version=version, filename="")
    states = of_release.values_list("lifted_at", flat=True)
    if states and None not in states:
        there = Release.objects.filter(project=project, version=version, is_quarantined=True)
        there.update(is_quarantined=False, quarantine_reason="")
    for file in files:
        if file.is_quarantined and not is_held(project, version, file):
            File.objects.filter(pk=file.pk).update(is_quarantined=False, quarantine_reason="")


def is_held(project: Project, version: str, file: File) -> bool:
    """Tell whether a kept file of that version is in quarantine still."""
    named = _quarantines().filter(project_id=project.pk, version=version, filename__in=("", file.filename))
    states = named.values_list("lifted_at", flat=True)
    return file.is_quarantined and (not states or None in states)


def _quarantines() -> Any:
    return apps.get_model("safety.Quarantine")._default_manager  # noqa: SLF001 - of a feature above, so by its name


def _rows(removal: Removal, table: str) -> QuerySet[KeptRow]:
    return KeptRow.objects.filter(removal=removal, table=table).order_by("pk")


def _kept(removal: Removal, table: str) -> Iterator[Any]:
    return (thing for row in _rows(removal, table).iterator(chunk_size=100) for thing in _things(row))


def _things(row: KeptRow) -> Iterable[Any]:
    if row.table not in _COUNTS:
        return [read(row.table, row.columns)]
    names = row.columns["names"]
    return [read(row.table, dict(zip(names, values, strict=True))) for values in row.columns["rows"]]
