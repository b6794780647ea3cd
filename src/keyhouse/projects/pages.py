"""Rendering the ready pages of a project in the transaction that changes it.

Everything here costs what this one project costs, however many there are. Whoever calls holds the lock of the project's
row, so that of two changes at once the later one renders what both did.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property, lru_cache
from itertools import chain, islice
from typing import Any, Final, TypeVar

from django.db import connection

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
from keyhouse.projects import sql
from keyhouse.projects.models import IndexPage, Project, Serial, path_of

_COUNTER: Final = 1  # key of the one row of `Serial`
_AT_ONCE: Final = 100  # releases whose metadata is in memory at the same time


@dataclass(frozen=True, slots=True)
class ShownRelease:
    """What the pages of a project show of a release; `yanked` is the reason of its yank, None where there is none."""

    version: str
    yanked: str | None
    summary: str


@dataclass(frozen=True)
class Contents:
    """What a project holds: its releases by version, the files installers may see, the size of all files in bytes."""

    releases: dict[str, ShownRelease]
    files: tuple[IndexFile, ...]
    size: int

    @cached_property
    def latest(self) -> str | None:
        """The version that stands for the project; one without files only where none has any."""
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
    if not sql.change(_COUNT_LISTING if touches_listing else _COUNT, _COUNTER):
        Serial.objects.create(pk=_COUNTER, value=1, listing=1)
    return int(sql.find_value(_COUNTED, _COUNTER))


_COUNT: Final = "UPDATE projects_serial SET value = value + 1 WHERE id = %s"
_COUNT_LISTING: Final = "UPDATE projects_serial SET value = value + 1, listing = value + 1 WHERE id = %s"
_COUNTED: Final = "SELECT value FROM projects_serial WHERE id = %s"


def read_contents(project: Project) -> Contents:
    """Read what the pages are made of, in two questions. Files in quarantine count by their size only."""
    known = {
        pk: ShownRelease(version, None if yanked_at is None else reason, summary)
        for pk, version, yanked_at, reason, summary in sql.select(_RELEASES, project.pk)
    }
    rows = sql.select(_FILES, project.pk)
    shown = tuple(_shown_file(known[row[0]], row[3:]) for row in rows if not row[1])
    return Contents(
        {release.version: release for release in known.values()}, shown, sum(row[2] for row in rows)
    )


_RELEASES: Final = "SELECT id, version, yanked_at, yanked_reason, summary FROM projects_release WHERE project_id = %s ORDER BY id"
_FILES: Final = (
    "SELECT release_id, is_quarantined, size, filename, size, sha256, requires_python, uploaded_at, metadata_sha256,"
    " kind, md5, blake2, python_tag FROM projects_file WHERE project_id = %s ORDER BY id"
)


def _shown_file(release: ShownRelease, row: tuple[Any, ...]) -> IndexFile:
    return _index_file(release.version, release.yanked, *row)


# The same object for the same row: what was rendered of it is found by it.
@lru_cache(maxsize=4096)
def _index_file(  # noqa: PLR0913, PLR0917 - the columns of `_FILES` in their order
    version: str,
    yanked: str | None,
    filename: str,
    size: int,
    sha256: str,
    requires_python: str,
    uploaded_at: str | datetime,
    metadata_sha256: str,
    kind: str,
    md5: str,
    blake2: str,
    python_tag: str,
) -> IndexFile:
    return IndexFile(
        filename=filename,
        path=path_of(blake2, filename),
        size=size,
        sha256=sha256,
        requires_python=requires_python,
        uploaded_at=sql.read_instant(uploaded_at),
        yanked=yanked,
        metadata_sha256=metadata_sha256,
        version=version,
        kind=kind,
        md5=md5,
        blake2=blake2,
        python_tag=python_tag,
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
        wanted = f"{_METADATA} IN ({sql.placeholders(some)})"
        for version, metadata in sql.select(wanted, project.pk, *some):
            yield version, json.loads(metadata)


_METADATA: Final = "SELECT version, metadata FROM projects_release WHERE project_id = %s AND version"


def _ready(kind: str, name: str, form: str, serial: int, body: bytes) -> IndexPage:
    etag = render.etag_of(body)
    return IndexPage(kind=kind, name=name, form=form, serial=serial, body=body, etag=etag)


def gone_page(kind: str, name: str, form: str, serial: int) -> IndexPage:
    """Return an empty page, which tells whoever follows the serials that there is none any more."""
    return IndexPage(kind=kind, name=name, form=form, serial=serial, is_gone=True)


def store_pages(pages: Iterable[IndexPage]) -> None:
    """Write pages over those at the same addresses; their compressed forms are made anew by others."""
    for some in batches(pages):
        rows = ", ".join([_PAGE] * len(some))
        values = chain.from_iterable(_values_of(page) for page in some)
        sql.change(f"{_INTO_PAGES} VALUES {rows} {_OVER_PAGES}", *values)


def _values_of(page: IndexPage) -> tuple[sql.Value, ...]:
    return page.kind, page.name, page.form, page.serial, page.is_gone, bytes(page.body), page.etag


_INTO_PAGES: Final = (
    "INSERT INTO projects_indexpage (kind, name, form, serial, is_gone, body, etag, gzip, zstd)"
)
_PAGE: Final = "(%s, %s, %s, %s, %s, %s, %s, NULL, NULL)"
_OVER_PAGES: Final = (
    "ON CONFLICT (kind, name, form) DO UPDATE SET serial = excluded.serial, is_gone = excluded.is_gone,"
    " body = excluded.body, etag = excluded.etag, gzip = NULL, zstd = NULL"
)


def _note(project: Project, contents: Contents, serial: int) -> None:
    """Keep with the project what lists show of it."""
    latest = contents.releases.get(contents.latest or "")
    project.last_serial, project.size = serial, contents.size
    project.latest_version = latest.version if latest else ""
    project.summary = latest.summary if latest else ""
    sql.change(_NOTE, serial, contents.size, project.latest_version, project.summary, project.pk)


_NOTE: Final = (
    "UPDATE projects_project SET last_serial = %s, size = %s, latest_version = %s, summary = %s WHERE id = %s"
)


_Thing = TypeVar("_Thing")


def batches(things: Iterable[_Thing]) -> Iterator[list[_Thing]]:
    """Cut things into lists of a bounded length."""
    waiting = iter(things)
    while some := list(islice(waiting, _AT_ONCE)):
        yield some


def wake(serial: int) -> None:
    """Tell every process that serves pages; PostgreSQL delivers it at commit. On SQLite they see the file change."""
    if connection.vendor == "postgresql":
        sql.select("SELECT pg_notify(%s, %s)", CHANNEL, str(serial))
