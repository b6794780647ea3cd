"""Rendering the ready pages of a project, and keeping it found, in the transaction that changes it.

Everything here costs what this one project costs, however many there are. Whoever calls holds the lock of the project's
row, so that of two changes at once the later one renders what both did.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, lru_cache, partial
from itertools import chain, islice
from types import MappingProxyType
from typing import Any, Final, NamedTuple, TypeVar

from django.db import connection
from django.db.models import QuerySet

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
from keyhouse.projects import queries, sql
from keyhouse.projects.models import File, Project, Serial, path_of
from keyhouse.projects.rules import KnownRelease, told_reason
from keyhouse.projects.search import rows
from keyhouse.projects.search.rows import Shown

Metadata = dict[str, object]
_Read = Callable[[Collection[str]], Iterator[tuple[str, Metadata]]]

_COUNTER: Final = 1  # key of the one row of `Serial`
_AT_ONCE: Final = 100  # releases whose metadata is in memory at the same time


class ReadyPage(NamedTuple):
    """A rendered page that isn't stored yet; its fields are the first columns of `IndexPage`."""

    kind: str
    name: str
    form: str
    serial: int
    is_gone: bool
    body: bytes
    etag: str

    def __str__(self) -> str:
        """Return the address of the page."""
        return f"{self.kind}/{self.name}.{self.form}"


class Vouched(NamedTuple):
    """A file with verified attestations (PEP 740); `is_shown`: installers may see it."""

    version: str
    filename: str
    is_shown: bool


@dataclass(frozen=True)
class Contents:
    """What a project holds: its releases by version, the files installers may see, the size of all files in bytes.

    `vouched`: those of all its files that have a provenance.
    """

    releases: dict[str, KnownRelease] = field(default_factory=dict)
    files: tuple[IndexFile, ...] = ()
    size: int = 0
    vouched: tuple[Vouched, ...] = ()

    @cached_property
    def latest(self) -> str | None:
        """The version that stands for the project; one without files only where none has any."""
        return find_latest_version(self.files) or max(self.open_versions, key=version_key, default=None)

    @cached_property
    def open_versions(self) -> frozenset[str]:
        """The versions of which something may be told: those that are not in quarantine."""
        known = self.releases.values()
        return frozenset(release.version for release in known if release.quarantined is None)

    def searched(self, metadata: Mapping[str, Metadata] = MappingProxyType({})) -> Shown:
        """Return what the project is found by; nothing of a release all of whose files are in quarantine."""
        is_hidden = self.size > 0 and not self.files
        release = None if is_hidden or self.latest is None else self.releases[self.latest]
        demands = {file.requires_python for file in self.files if release and file.version == release.version}
        return Shown(release, demands, metadata.get(release.version) if release else None)

    def with_file(self, file: IndexFile, release: KnownRelease) -> Contents:
        """Return them with one more file, whose release may be a new one."""
        added = (Vouched(file.version, file.filename, is_shown=True),) if file.has_provenance else ()
        return Contents(
            {**self.releases, release.version: release},
            (*self.files, file),
            self.size + file.size,
            (*self.vouched, *added),
        )


def refresh_pages(
    project: Project,
    *,
    versions: Collection[str] | None = (),
    touches_listing: bool = False,
    lost: Collection[str] = (),
) -> int:
    """Render the project's pages and the documents of these releases (None: of all), and return the new serial.

    Must be called inside the transaction of the change, after its rows, with the project's row locked. A version that
    is no longer there gets an empty document. `touches_listing`: the list of all projects is no longer right. `lost`:
    names of provenances whose files are no longer there (`provenance_names`).
    """
    contents = read_contents(project)
    if versions is not None:
        return write_pages(project, contents, versions, touches_listing=touches_listing, lost=lost)
    return write_pages(
        project, contents, contents.releases, touches_listing=touches_listing, lost=lost, anew=True
    )


def write_pages(  # noqa: PLR0913 - one keyword for each thing that changes differ in
    project: Project,
    contents: Contents,
    versions: Collection[str],
    *,
    touches_listing: bool = False,
    metadata: Mapping[str, Metadata] = MappingProxyType({}),
    lost: Collection[str] = (),
    anew: bool = False,
) -> int:
    """Do what `refresh_pages` does for who knows what the project holds now, and maybe `metadata` of some versions.

    A provenance never changes: those that are there as they should be are left alone, unless all are made `anew`.
    """
    serial = next_serial(touches_listing=touches_listing)
    store_pages(render_pages(project, contents, serial, dict.fromkeys(versions, serial), metadata))
    touched = [one for one in contents.vouched if one.version in versions]
    due = touched if anew else _due_provenances(project, touched)
    gone = (gone_page("integrity", name, "json", serial) for name in lost)
    store_pages(chain(provenance_pages(project, due, lambda _: serial), gone))
    _note(project, contents, serial)
    rows.keep_row(project, contents.searched(metadata))
    wake(serial)
    return serial


def remove_pages(project: Project, versions: Iterable[str], lost: Iterable[str] = ()) -> int:
    """Leave empty pages where a project, its releases and provenances had theirs, and return the new serial.

    Must be called inside the transaction of the removal, with the project's row locked.
    """
    serial = next_serial(touches_listing=True)
    name = project.normalized_name
    own = (("simple", "json"), ("simple", "html"), ("json", "json"))
    documents = (gone_page("json", document_name(name, version), "json", serial) for version in versions)
    provenances = (gone_page("integrity", page, "json", serial) for page in lost)
    store_pages(chain((gone_page(kind, name, form, serial) for kind, form in own), documents, provenances))
    rows.remove_row(project.pk)
    wake(serial)
    return serial


def empty_listings() -> None:
    """Let no list of the whole index (root, feeds, totals) be sent as it is: each is built by whoever asks next.

    For what must be gone at once. Call it before `refresh_pages`, whose number of the change is a later one: so the keeper
    stores them anew, and nothing that it rendered of the state before gets over them.
    """
    sql.change(_EMPTY_LISTINGS, next_serial(touches_listing=True), b"")


_EMPTY_LISTINGS: Final = (
    "UPDATE projects_indexpage SET serial = %s, is_gone = TRUE, body = %s, etag = '', gzip = NULL, zstd = NULL"
    " WHERE kind IN ('root', 'rss', 'stats')"
)


def next_serial(*, touches_listing: bool) -> int:
    """Count one change and return its number.

    The counter's row stays locked until the caller commits. So serials become visible in their order, and nobody who
    follows them skips one.
    """
    count = _COUNT_LISTING if touches_listing else _COUNT
    if connection.features.can_return_columns_from_insert:
        value = sql.find_value(count + _RETURNING, _COUNTER)
    else:
        value = sql.find_value(_COUNTED, _COUNTER) if sql.change(count, _COUNTER) else None
    return int(value or Serial.objects.create(pk=_COUNTER, value=1, listing=1).value)


_COUNT: Final = "UPDATE projects_serial SET value = value + 1 WHERE id = %s"
_COUNT_LISTING: Final = "UPDATE projects_serial SET value = value + 1, listing = value + 1 WHERE id = %s"
_RETURNING: Final = " RETURNING value"
_COUNTED: Final = "SELECT value FROM projects_serial WHERE id = %s"


def read_contents(project: Project) -> Contents:
    """Read what the pages are made of, in two questions. Files in quarantine count by their size only."""
    releases = queries.known_releases(project.pk)
    known = {release.pk: release for release in releases.values()}
    files = sql.select(sql.with_text_of("uploaded_at", _FILES), project.pk)
    shown = tuple([_shown_file(known[row[0]], row[3:]) for row in files if not row[1]])
    vouched = tuple([Vouched(known[row[0]].version, row[4], not row[1]) for row in files if row[3]])
    return Contents(releases, shown, sum([row[2] for row in files]), vouched)


_FILES: Final = (
    "SELECT release_id, is_quarantined, size, has_provenance, filename, size, sha256, requires_python, uploaded_at, metadata_sha256,"
    " kind, md5, blake2, python_tag FROM projects_file WHERE project_id = %s ORDER BY id"
)


def _shown_file(release: KnownRelease, row: tuple[Any, ...]) -> IndexFile:
    return _index_file(release.version, release.yanked, *row)


def shown_file(file: File, release: KnownRelease) -> IndexFile:
    """Return a file that was just added as installers see it."""
    return IndexFile(
        filename=file.filename,
        path=file.path,
        size=file.size,
        sha256=file.sha256,
        requires_python=file.requires_python,
        uploaded_at=file.uploaded_at,
        yanked=release.yanked,
        metadata_sha256=file.metadata_sha256,
        version=release.version,
        kind=file.kind,
        md5=file.md5,
        blake2=file.blake2,
        python_tag=file.python_tag,
        has_provenance=file.has_provenance,
    )


# The same object for the same row: what was rendered of it is found by it.
@lru_cache(maxsize=4096)
def _index_file(  # noqa: PLR0913, PLR0917 - the columns of `_FILES` in their order
    version: str,
    yanked: str | None,
    has_provenance: bool,  # noqa: FBT001 - as above
    filename: str,
    size: int,
    sha256: str,
    requires_python: str,
    uploaded_at: datetime | str,
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
        has_provenance=bool(has_provenance),  # SQLite has numbers for it
    )


def page_of(project: Project, contents: Contents, serial: int) -> ProjectPage:
    """Return the project as installers see it."""
    return ProjectPage(
        name=project.name,
        normalized=project.normalized_name,
        serial=serial,
        status=project.status,
        status_reason=project.status_reason
        if project.status == QUARANTINED
        else told_reason(project.status_reason, project.told_successor),
        files=contents.files,
    )


def document_name(normalized_name: str, version: str) -> str:
    """Return the name of the page of a release's document."""
    return f"{normalized_name}/{version}"


def render_pages(
    project: Project,
    contents: Contents,
    serial: int,
    versions: Mapping[str, int],
    metadata: Mapping[str, Metadata] = MappingProxyType({}),
) -> Iterator[ReadyPage]:
    """Render both forms of the project's page, its document and those of releases, as rows not yet stored.

    `versions` holds the serial of each release's document, which stays what it was while others change; `metadata` what
    needn't be read.
    """
    page = page_of(project, contents, serial)
    simple = render.render_simple(page)
    yield _ready("simple", page.normalized, "json", serial, simple.json)
    yield _ready("simple", page.normalized, "html", serial, simple.html)
    read = partial(_metadata_of, project, metadata)
    yield from _render_documents(contents, page, versions, read)


def _render_documents(
    contents: Contents, page: ProjectPage, wanted: Mapping[str, int], read: _Read
) -> Iterator[ReadyPage]:
    """Render the documents of releases, and by its latest release that of the project; in quarantine there are none."""
    latest, is_shown = contents.latest, page.status != QUARANTINED
    shown = {version for version in wanted if is_shown and version in contents.open_versions}
    for version, metadata in read(shown | ({latest} if latest and is_shown else set())):
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


def _release_document(document: ReleaseDocument, serial: int) -> ReadyPage:
    page = document.page
    files = tuple([file for file in page.files if file.version == document.version])
    own = ProjectPage(page.name, page.normalized, serial, page.status, page.status_reason, files)
    body = render.render_release_json(
        ReleaseDocument(own, document.version, document.metadata, document.yanked)
    )
    name = document_name(document.page.normalized, document.version)
    return _ready("json", name, "json", serial, body)


def _metadata_of(
    project: Project, at_hand: Mapping[str, Metadata], versions: Collection[str]
) -> Iterator[tuple[str, Metadata]]:
    if connection.vendor == "postgresql":
        at_hand = {}  # it keeps the keys of JSON in an order of its own, and pages are made of what is kept
    yield from ((version, at_hand[version]) for version in versions if version in at_hand)
    for some in batches(version for version in versions if version not in at_hand):
        wanted = f"{_METADATA} IN ({sql.placeholders(some)})"
        for version, metadata in sql.select(wanted, project.pk, *some):
            yield version, json.loads(metadata)


_METADATA: Final = "SELECT version, metadata FROM projects_release WHERE project_id = %s AND version"


def provenance_name(normalized_name: str, version: str, filename: str) -> str:
    """Return the name of the page of a file's provenance."""
    return f"{normalized_name}/{version}/{filename}"


def provenance_names(project: Project, files: QuerySet[File]) -> list[str]:
    """Return the names of the pages that these files of a project have; to be asked before they are deleted."""
    found = files.filter(has_provenance=True).values_list("release__version", "filename")
    return [provenance_name(project.normalized_name, version, filename) for version, filename in found]


def provenance_pages(
    project: Project, vouched: Iterable[Vouched], serial_of: Callable[[str], int]
) -> Iterator[ReadyPage]:
    """Render the provenances of some files, not yet stored; of those that nobody may see, an empty page.

    `serial_of` tells the number of the change for the name of a page.
    """
    is_open = project.status != QUARANTINED
    for some in batches(vouched):
        bodies = _provenance_bodies([one.filename for one in some if one.is_shown and is_open])
        for one in some:
            name = provenance_name(project.normalized_name, one.version, one.filename)
            body = bodies.get(one.filename)
            if body is None:
                yield gone_page("integrity", name, "json", serial_of(name))
            else:
                yield _ready("integrity", name, "json", serial_of(name), render.render_provenance(body))


def _provenance_bodies(filenames: Sequence[str]) -> dict[str, Any]:
    if not filenames:
        return {}
    wanted = f"{_BODIES} IN ({sql.placeholders(filenames)})"
    return {filename: json.loads(body) for filename, body in sql.select(wanted, *filenames)}


_BODIES: Final = (
    "SELECT f.filename, p.body FROM projects_provenance p JOIN projects_file f ON f.id = p.file_id"
    " WHERE f.filename"
)


def _due_provenances(project: Project, touched: Sequence[Vouched]) -> list[Vouched]:
    """Return those whose page isn't there as it should be: there or not."""
    is_open = project.status != QUARANTINED
    names = {provenance_name(project.normalized_name, one.version, one.filename): one for one in touched}
    there: set[str] = set()
    for some in batches(names):
        there |= {row[0] for row in sql.select(f"{_THERE} IN ({sql.placeholders(some)})", *some)}
    return [one for name, one in names.items() if (name in there) != (one.is_shown and is_open)]


_THERE: Final = (
    "SELECT name FROM projects_indexpage WHERE kind = 'integrity' AND form = 'json' AND NOT is_gone AND name"
)


def _ready(kind: str, name: str, form: str, serial: int, body: bytes) -> ReadyPage:
    return ReadyPage(kind, name, form, serial, is_gone=False, body=body, etag=render.etag_of(body))


def gone_page(kind: str, name: str, form: str, serial: int) -> ReadyPage:
    """Return an empty page, which tells whoever follows the serials that there is none any more."""
    return ReadyPage(kind, name, form, serial, is_gone=True, body=b"", etag="")


def store_pages(pages: Iterable[ReadyPage]) -> None:
    """Write pages over those at the same addresses; their compressed forms are made anew by others."""
    for some in batches(pages):
        places = ", ".join([_PAGE] * len(some))
        sql.change(f"{_INTO_PAGES} VALUES {places} {_OVER_PAGES}", *chain.from_iterable(some))


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
