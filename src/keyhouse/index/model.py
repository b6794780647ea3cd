"""What the read plane shows, as plain frozen values. No Django, no database."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from packaging.version import Version

# PostgreSQL: whoever changes pages says so on this channel (`NOTIFY keyhouse_pages`) in the same transaction.
CHANNEL: Final = "keyhouse_pages"

QUARANTINED: Final = "quarantined"


@dataclass(frozen=True, slots=True)
class IndexFile:
    """One file as installers see it.

    `path` is the address below `/files/` (`ab/cd/rest/filename`); digests are lower-case hex; `uploaded_at` is when
    it appeared in this index, or in the one that it was imported from. `yanked` is None where it is not, "" where it is without a reason (PEP 592).
    `metadata_sha256` is empty where no metadata is served beside the file (every sdist). `kind` is `bdist_wheel` or
    `sdist`.
    """

    filename: str
    path: str
    size: int
    sha256: str
    requires_python: str
    uploaded_at: datetime
    yanked: str | None
    metadata_sha256: str
    version: str
    kind: str
    md5: str
    blake2: str
    python_tag: str
    has_provenance: bool = False  # verified attestations are served beside it (PEP 740)


@dataclass(frozen=True)
class ProjectPage:
    """One project as installers see it; `status` is a marker of PEP 792.

    A quarantined project offers no files, whatever is in `files`. Files in quarantine must be left out by the caller.
    """

    name: str
    normalized: str
    serial: int
    status: str
    status_reason: str
    files: tuple[IndexFile, ...]

    @cached_property
    def offered(self) -> tuple[IndexFile, ...]:
        """The files that installers may see, by version (PEP 440) and name, oldest version first."""
        if self.status == QUARANTINED:
            return ()
        return tuple(sorted(self.files, key=lambda file: (version_key(file.version), file.filename)))


@dataclass(frozen=True, slots=True)
class ReleaseDocument:
    """One release for `/pypi/…/json`: the project's page and what the release's file says of itself.

    `metadata` has the shape of `distfiles.metadata.FileMetadata.as_dict()`; fields that are missing count as empty.
    """

    page: ProjectPage
    version: str
    metadata: Mapping[str, object]
    yanked: str | None = None


class ListedProject(NamedTuple):
    """One line of the root list; a tuple, since there are very many of them."""

    name: str
    normalized: str
    serial: int


@dataclass(frozen=True, slots=True)
class FeedItem:
    """One entry of a feed; `path` is an address of this server that begins with a slash."""

    title: str
    path: str
    description: str
    published_at: datetime


@dataclass(frozen=True, slots=True)
class Feed:
    """One feed: what it is called, the page it belongs to, newest items first."""

    title: str
    path: str
    description: str
    items: tuple[FeedItem, ...]


@dataclass(frozen=True, slots=True)
class Totals:
    """How much there is in the index; sizes in bytes, `largest` by size."""

    projects: int
    releases: int
    files: int
    size: int
    largest: tuple[tuple[str, int], ...]
    serial: int


@lru_cache(maxsize=65536)
def version_key(version: str) -> tuple[int, Version | str]:
    """Sort by PEP 440; what isn't a version (from an import of old files) comes first, by its letters."""
    try:
        return (1, Version(version))
    except ValueError:  # also for numbers of thousands of digits
        return (0, version)


def find_latest_version(files: tuple[IndexFile, ...] | list[IndexFile]) -> str | None:
    """Return the version that stands for a project: the newest final one, then pre-releases, then yanked ones."""
    if not files:
        return None
    return max(files, key=_worth).version


def _worth(file: IndexFile) -> tuple[bool, bool, tuple[int, Version | str]]:
    key = version_key(file.version)
    is_final = isinstance(key[1], Version) and not key[1].is_prerelease
    return (file.yanked is None, is_final, key)
