"""What the read plane loads when it isn't in memory: pages, rows of files, small files. Called on threads."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_version

from keyhouse.core.configuration import Configuration
from keyhouse.index.addresses import fill_in, holds_address
from keyhouse.index.answers import FileRow, Page
from keyhouse.index.compress import compress
from keyhouse.index.database import Database, Row
from keyhouse.index.errors import BytesMissing
from keyhouse.index.listings import BUILDERS, Built, find_releases_feed
from keyhouse.index.model import QUARANTINED
from keyhouse.index.negotiate import INTEGRITY, JSON
from keyhouse.index.render import etag_of
from keyhouse.index.routes import Target, document_path

SMALL: Final = 64 * 1024  # files up to this size are held in memory

# Form of the stored page by kind, where a page has one form only.
_ONLY_FORM: Final = {
    "json": "json",
    "rss": "xml",
    "releases": "xml",
    "stats": "json",
    "integrity": "json",
}
# Pages with absolute addresses in them; their compressed forms can't be stored. Of index pages those are, which show a
# file with a provenance.
_ADDRESSED: Final = frozenset({"json", "rss", "releases"})
_COLUMN: Final = {"gzip": "gzip", "zstd": "zstd", "identity": "body"}
_FILE: Final = (
    "SELECT f.id, f.project_id, f.release_id, p.normalized_name, f.blake2, f.filename, f.size, f.metadata_sha256, "
    "f.is_quarantined, f.quarantine_reason, p.status, p.status_reason "
    "FROM projects_file f JOIN projects_project p ON p.id = f.project_id WHERE f.blake2 = ?"
)
_VERSIONS: Final = (
    "SELECT r.version FROM projects_release r JOIN projects_project p ON p.id = r.project_id "
    "WHERE p.normalized_name = ? AND NOT r.is_quarantined"
)
_USES_OF_A_NAME: Final = (
    ("projects_project", "normalized_name"),
    ("projects_tombstone", "normalized_name"),
    ("projects_usedfilename", "normalized_name"),
    ("projects_indexpage", "kind = 'simple' AND name"),
)
# as `safety` keeps it: a name, or a prefix that keeps itself and whatever follows it behind a hyphen
_RESERVED: Final = (
    "SELECT 1 FROM safety_reservedname WHERE name = ? "
    "OR (is_prefix AND substr(CAST(? AS text), 1, length(name) + 1) = name || '-') LIMIT 1"
)


class Store:
    """Loads from the database and the folder of files. Every method may raise `database.UnavailableError`."""

    def __init__(self, database: Database, configuration: Configuration) -> None:
        """Take where rows and files are."""
        self._database = database
        self._base_url = configuration.base_url
        self._folder = configuration.files_folder

    def find_page(self, target: Target, form: str, encoding: str) -> Page | None:
        """Load a page in one form (a media type, where the page has several) and encoding, or None."""
        if target.kind == "releases":
            with self._database.snapshot() as ask:
                return self._from_built(target, find_releases_feed(ask, target.name), form, encoding)
        return self._find_stored(target, form, encoding) or self._build_listing(target, form, encoding)

    def build_filtered(self, target: Target, form: str, encoding: str, hidden: frozenset[str]) -> Page | None:
        """Build a page of the whole index without some projects; None for one that isn't of the whole index."""
        build = BUILDERS.get((target.kind, target.name))
        if build is None:
            return None
        with self._database.snapshot() as ask:
            built = build(ask, hidden)
        return self._from_built(target, built, form, encoding)

    def _find_stored(self, target: Target, form: str, encoding: str) -> Page | None:
        column = "body" if target.kind in _ADDRESSED else _COLUMN[encoding]
        rows = self._database.rows(
            f"SELECT serial, is_gone, etag, {column}, CASE WHEN {column} IS NULL THEN body END "
            "FROM projects_indexpage WHERE kind = ? AND name = ? AND form = ?",
            [target.kind, target.name, _stored_form(target, form)],
        )
        if not rows or rows[0][1]:
            return None
        serial, _, etag, wanted, body = rows[0]
        if target.kind in _ADDRESSED:
            return self._addressed(target, wanted, serial, form, encoding)
        plain = wanted if column == "body" else body
        if target.kind == "simple" and plain is not None and holds_address(bytes(plain)):
            return self._addressed(target, plain, serial, form, encoding)
        # where nobody has compressed it yet
        ready = wanted if wanted is not None else compress(encoding, body)
        return Page(bytes(ready), etag, serial, _sent_form(target, form), encoding)

    def _addressed(self, target: Target, body: bytes, serial: int, form: str, encoding: str) -> Page:
        filled = fill_in(bytes(body), self._base_url)
        ready = compress(encoding, filled)
        return Page(ready, etag_of(filled), serial, _sent_form(target, form), encoding)

    def _build_listing(self, target: Target, form: str, encoding: str) -> Page | None:
        """Build a page of the whole index that nobody has stored yet: a new index must answer from the first moment."""
        build = BUILDERS.get((target.kind, target.name))
        if build is None:
            return None
        with self._database.snapshot() as ask:
            built = build(ask)
        return self._from_built(target, built, form, encoding)

    def _from_built(self, target: Target, built: Built | None, form: str, encoding: str) -> Page | None:
        if built is None:
            return None
        body = built.forms[_stored_form(target, form)]
        if target.kind in _ADDRESSED:
            return self._addressed(target, body, built.serial, form, encoding)
        ready = compress(encoding, body)
        return Page(ready, etag_of(body), built.serial, _sent_form(target, form), encoding)

    def is_free(self, project: str) -> bool:
        """Tell whether a normalised name was never used here, so that another index may answer for it."""
        question = " UNION ALL ".join(
            f"SELECT 1 FROM {table} WHERE {column} = ?" for table, column in _USES_OF_A_NAME
        )
        return not self._database.rows(question, [project] * len(_USES_OF_A_NAME))

    def is_reserved(self, project: str) -> bool:
        """Tell whether a normalised name is kept for somebody, or for nobody: then no other index may answer for it."""
        return bool(self._database.rows(_RESERVED, [project, project]))

    def find_equal_path(self, target: Target) -> str | None:
        """Return the address of the release whose version equals the one asked for, or None.

        Versions are equal by PEP 440: `1.0.0` leads to `1.0`.
        """
        project, _, version = target.name.partition("/")
        if target.kind != "json" or not version:
            return None
        asked = canonicalize_version(version)
        for (other,) in self._database.rows(_VERSIONS, [project]):
            if other != version and canonicalize_version(other) == asked:
                return document_path(f"{project}/{other}")
        return None

    def find_file(self, address: str) -> FileRow | None:
        """Load the row of a file by its address `ab/cd/rest/filename`."""
        *digest, filename = address.split("/")
        rows = self._database.rows(_FILE, ["".join(digest)])
        return _file_row(rows[0]) if rows and rows[0][5] == filename else None

    def path_of(self, target: Target) -> Path:
        """Return where the bytes of a file (or of its metadata) are."""
        return self._folder / (f"{target.name}.metadata" if target.is_metadata else target.name)

    def read_size(self, target: Target, row: FileRow) -> int:
        """Return the size of what is sent; raises BytesMissing where it isn't what the row says."""
        try:
            size = self.path_of(target).stat().st_size
        except OSError as error:
            raise BytesMissing from error
        if not target.is_metadata and size != row.size:
            raise BytesMissing
        return size

    def read_small(self, target: Target, size: int) -> bytes | None:
        """Read all bytes of a small file; None for a larger one. Raises BytesMissing."""
        if size > SMALL:
            return None
        try:
            body = self.path_of(target).read_bytes()
        except OSError as error:
            raise BytesMissing from error
        if len(body) != size:
            raise BytesMissing
        return body

    def open(self, target: Target, size: int) -> int:
        """Open the bytes of a file for reading and return the descriptor; raises BytesMissing."""
        try:
            descriptor = os.open(self.path_of(target), os.O_RDONLY)
        except OSError as error:
            raise BytesMissing from error
        if os.fstat(descriptor).st_size != size:
            os.close(descriptor)
            raise BytesMissing
        return descriptor


def _stored_form(target: Target, form: str) -> str:
    return ("json" if form == JSON else "html") if target.has_forms else _ONLY_FORM[target.kind]


def _sent_form(target: Target, form: str) -> str:
    if target.kind == "integrity":
        return INTEGRITY
    return form if target.has_forms else _ONLY_FORM[target.kind]


def _file_row(row: Row) -> FileRow:
    id_, project_id, release_id, project, blake2, filename, size, metadata_sha256, *states = row
    is_quarantined, reason, status, status_reason = states
    held = status_reason if status == QUARANTINED else reason if is_quarantined else None
    return FileRow(id_, project_id, release_id, project, blake2, filename, size, metadata_sha256, held)
