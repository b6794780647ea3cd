"""Rendering the ready pages of a project in the transaction that changes it.

Everything here costs what this one project costs, however many there are. Whoever calls holds the lock of the project's
row, so that of two changes at once the later one renders what both did.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, islice
from typing import Final, NamedTuple, TypeVar

from django.db import connection
from django.db.models import F

from keyhouse.index import render
from keyhouse.index.model import (
    CHANNEL,
    QUARANTINED,
    IndexFile,
    ProjectPage,
    ReleaseDocument,
    find_latest_version,
    version_key,
)
from keyhouse.projects.models import IndexPage, Project, Serial, path_of

_COUNTER: Final = 1  # key of the one row of `Serial`
_AT_ONCE: Final = 100  # releases whose metadata is in memory at the same time
_STORED: Final = ("serial", "is_gone", "body", "etag", "gzip", "zstd")


class _FileRow(NamedTuple):
    """The columns of a file that its project's pages show, by their names."""

    release_id: int
    is_quarantined: bool
    filename: str
    blake2: str
    size: int
    sha256: str
    md5: str
    requires_python: str
    uploaded_at: datetime
    metadata_sha256: str
    kind: str
    python_tag: str


class _ReleaseRow(NamedTuple):
    """The same of a release."""

    pk: int
    version: str
    yanked_at: datetime | None
    yanked_reason: str
    summary: str

    @property
    def yanked(self) -> str | None:
        """Return the reason of the yank, or None."""
        return None if self.yanked_at is None else self.yanked_reason


@dataclass(frozen=True, slots=True)
class Contents:
    """What a project holds: its releases by version, the files installers may see, the size of all files in bytes."""

    releases: dict[str, _ReleaseRow]
    files: tuple[IndexFile, ...]
    size: int

    @property
    def latest(self) -> str | None:
        """Return the version that stands for the project; one without files only where none has any."""
        return find_latest_version(self.files) or max(self.releases, key=version_key, default=None)


def refresh_pages(
    project: Project, *, versions: Collection[str] | None = (), touches_listing: bool = False
) -> int:
    """Render the project's pages and the documents of these releases (None: of all), and return the new serial.

    Must be called inside the transaction of the change, after its rows, with the project's row locked. A version that
    is no longer there gets an empty document. `touches_listing`: the list of all projects is no longer right.
    """
    contents = read_contents(project)
    serial = next_serial(touches_listing=touches_listing)
    touched = contents.releases if versions is None else versions
    store_pages(render_pages(project, contents, serial, dict.fromkeys(touched, serial)))
    _note(project, contents, serial)
    wake(serial)
    return serial


def remove_pages(project: Project, versions: Iterable[str]) -> int:
    """Leave empty pages where a project and its releases had theirs, and return the new serial.

    Must be called inside the transaction of the removal, with the project's row locked.
    """
    serial = next_serial(touches_listing=True)
    name = project.normalized_name
    own = (("simple", "json"), ("simple", "html"), ("json", "json"))
    documents = (gone_page("json", document_name(name, version), "json", serial) for version in versions)
    store_pages(chain((gone_page(kind, name, form, serial) for kind, form in own), documents))
    wake(serial)
    return serial


def next_serial(*, touches_listing: bool) -> int:
    """Count one change and return its number.

    The counter's row stays locked until the caller commits. So serials become visible in their order, and nobody who
    follows them skips one.
    """
    following = F("value") + 1
    fields = {"value": following, "listing": following} if touches_listing else {"value": following}
    if not Serial.objects.filter(pk=_COUNTER).update(**fields):
        Serial.objects.create(pk=_COUNTER, value=1, listing=1)
    return Serial.objects.values_list("value", flat=True).get(pk=_COUNTER)


def read_contents(project: Project) -> Contents:
    """Read what the pages are made of, in two questions. Files in quarantine count by their size only."""
    releases = [_ReleaseRow(*row) for row in project.releases.values_list(*_ReleaseRow._fields)]
    known = {release.pk: release for release in releases}
    rows = [_FileRow(*row) for row in project.files.order_by("pk").values_list(*_FileRow._fields)]
    files = tuple(_index_file(row, known[row.release_id]) for row in rows if not row.is_quarantined)
    by_version = {release.version: release for release in releases}
    return Contents(by_version, files, sum(row.size for row in rows))


def _index_file(row: _FileRow, release: _ReleaseRow) -> IndexFile:
    return IndexFile(
        filename=row.filename,
        path=path_of(row.blake2, row.filename),
        size=row.size,
        sha256=row.sha256,
        requires_python=row.requires_python,
        uploaded_at=row.uploaded_at,
        yanked=release.yanked,
        metadata_sha256=row.metadata_sha256,
        version=release.version,
        kind=row.kind,
        md5=row.md5,
        blake2=row.blake2,
        python_tag=row.python_tag,
    )


def page_of(project: Project, contents: Contents, serial: int) -> ProjectPage:
    """Return the project as installers see it."""
    return ProjectPage(
        name=project.name,
        normalized=project.normalized_name,
        serial=serial,
        status=project.status,
        status_reason=project.status_reason,
        files=contents.files,
    )


def document_name(normalized_name: str, version: str) -> str:
    """Return the name of the page of a release's document."""
    return f"{normalized_name}/{version}"


def render_pages(
    project: Project, contents: Contents, serial: int, versions: Mapping[str, int]
) -> Iterator[IndexPage]:
    """Render both forms of the project's page, its document and those of releases, as rows not yet stored.

    `versions` holds the serial of each release's document, which stays what it was while others change.
    """
    page = page_of(project, contents, serial)
    simple = render.render_simple(page)
    yield _ready("simple", page.normalized, "json", serial, simple.json)
    yield _ready("simple", page.normalized, "html", serial, simple.html)
    yield from _render_documents(project, contents, page, versions)


def _render_documents(
    project: Project, contents: Contents, page: ProjectPage, wanted: Mapping[str, int]
) -> Iterator[IndexPage]:
    """Render the documents of releases, and by its latest release that of the project; in quarantine there are none."""
    latest, is_shown = contents.latest, page.status != QUARANTINED
    shown = {version for version in wanted if is_shown and version in contents.releases}
    for version, metadata in _metadata_of(project, shown | ({latest} if latest and is_shown else set())):
        document = ReleaseDocument(page, version, metadata, contents.releases[version].yanked)
        if version == latest:
            yield _ready("json", page.normalized, "json", page.serial, render.render_project_json(document))
        if version in shown:
            yield _release_document(document, wanted[version])
    missing = {document_name(page.normalized, version): wanted[version] for version in wanted.keys() - shown}
    if not (latest and is_shown):
        missing[page.normalized] = page.serial
    for name, serial in missing.items():
        yield gone_page("json", name, "json", serial)


def _release_document(document: ReleaseDocument, serial: int) -> IndexPage:
    files = tuple(file for file in document.page.files if file.version == document.version)
    body = render.render_release_json(
        replace(document, page=replace(document.page, serial=serial, files=files))
    )
    name = document_name(document.page.normalized, document.version)
    return _ready("json", name, "json", serial, body)


def _metadata_of(project: Project, versions: Iterable[str]) -> Iterator[tuple[str, dict[str, object]]]:
    for some in batches(versions):
        yield from project.releases.filter(version__in=some).values_list("version", "metadata")


def _ready(kind: str, name: str, form: str, serial: int, body: bytes) -> IndexPage:
    etag = render.etag_of(body)
    return IndexPage(kind=kind, name=name, form=form, serial=serial, body=body, etag=etag)


def gone_page(kind: str, name: str, form: str, serial: int) -> IndexPage:
    """Return an empty page, which tells whoever follows the serials that there is none any more."""
    return IndexPage(kind=kind, name=name, form=form, serial=serial, is_gone=True)


def store_pages(pages: Iterable[IndexPage]) -> None:
    """Write pages over those at the same addresses; their compressed forms are made anew by others."""
    for some in batches(pages):
        IndexPage.objects.bulk_create(
            some, update_conflicts=True, unique_fields=["kind", "name", "form"], update_fields=_STORED
        )


def _note(project: Project, contents: Contents, serial: int) -> None:
    """Keep with the project what lists show of it."""
    latest = contents.releases.get(contents.latest or "")
    project.last_serial, project.size = serial, contents.size
    project.latest_version = latest.version if latest else ""
    project.summary = latest.summary if latest else ""
    project.save(update_fields=["last_serial", "size", "latest_version", "summary"])


_Thing = TypeVar("_Thing")


def batches(things: Iterable[_Thing]) -> Iterator[list[_Thing]]:
    """Cut things into lists of a bounded length."""
    waiting = iter(things)
    while some := list(islice(waiting, _AT_ONCE)):
        yield some


def wake(serial: int) -> None:
    """Tell every process that serves pages; PostgreSQL delivers it at commit. On SQLite they see the file change."""
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_notify(%s, %s)", [CHANNEL, str(serial)])
