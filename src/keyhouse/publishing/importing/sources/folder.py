"""A folder of distribution files, flat or nested, as pypiserver and `pip download` have them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Final

from keyhouse.distfiles.filenames import parse_any_spelling
from keyhouse.distfiles.findings import UnacceptableError, shown
from keyhouse.distfiles.names import normalise
from keyhouse.publishing.importing.errors import SourceEntryInvalid, SourceUnanswered
from keyhouse.publishing.importing.names import is_project_name
from keyhouse.publishing.importing.offers import Offer, Offered
from keyhouse.publishing.importing.sources.local_files import pieces_of, sha256_of

# what somebody may have taken for a distribution; anything else in the folder is not spoken of
_DISTRIBUTIONS: Final = (
    ".whl",
    ".tar.gz",
    ".zip",
    ".egg",
    ".tar.bz2",
    ".tar.xz",
    ".tgz",
    ".tar.Z",
    ".exe",
    ".msi",
    ".rpm",
)
_DEEPEST: Final = 20


class Folder:
    """Files below `root`. Links are not followed, and neither they nor special files are read."""

    kind = "folder"

    def __init__(self, root: Path, *, has_file_times: bool = False) -> None:
        """Take the folder; `has_file_times`: a file's time of change is when it was uploaded there."""
        self.root, self._has_file_times = root, has_file_times
        self.told = str(root)

    def names(self) -> list[str]:
        """Return the projects of which there is a file; those whose name can't be read come as they are."""
        return sorted(self._paths)

    def offered(self, name: str) -> Offered:
        """Return the files of one project."""
        return Offered(name, tuple(self._offer(path) for path in sorted(self._paths[name])))

    def find_sha256(self, offer: Offer) -> str | None:
        """Return the digest of a file; it is read for that."""
        return sha256_of(Path(offer.address), self.root)

    def pieces(self, offer: Offer, most: int) -> Iterator[bytes]:
        """Give the bytes of a file."""
        return pieces_of(Path(offer.address), self.root, most)

    def stop(self) -> None:
        """Do nothing: a disk isn't waited for."""

    @cached_property
    def _paths(self) -> dict[str, list[str]]:
        """The paths of distributions, as texts, by the project that their names tell."""
        found: dict[str, list[str]] = {}
        for path in _walk(self.root, _DEEPEST):
            found.setdefault(project_of(os.path.basename(path)), []).append(path)  # noqa: PTH119 - texts: there may be very many
        return found

    def _offer(self, text: str) -> Offer:
        path = Path(text)
        if path.is_symlink() or not path.is_file():
            problem = SourceEntryInvalid(
                f"{shown(path.name)} is a link or a special file, which is not read."
            )
            return Offer(path.name, text, problem=problem)
        found = path.stat()
        at = datetime.fromtimestamp(found.st_mtime, UTC) if self._has_file_times else None
        return Offer(path.name, text, size=found.st_size, uploaded_at=at)


def project_of(filename: str) -> str:
    """Return the project that a file name tells; where it tells none, what stands before its first hyphen."""
    project, hyphen, _ = filename.partition("-")
    if hyphen and filename.endswith(".whl") and is_project_name(project):
        return normalise(project)  # whatever follows: the whole name is read once more before the file is
    try:
        return parse_any_spelling(filename, takes_zip=True).name
    except UnacceptableError:
        return project.lower() or filename


def _walk(folder: Path | str, depth: int) -> Iterator[str]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise SourceUnanswered(f"{shown(str(folder), 120)} can't be read: {error.strerror}.") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False):
            if depth:
                yield from _walk(entry.path, depth - 1)
        elif entry.name.endswith(_DISTRIBUTIONS):
            yield entry.path
