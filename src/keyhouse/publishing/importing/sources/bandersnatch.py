"""The tree that bandersnatch makes: `web/simple`, `web/packages`, `web/json`, read from the disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from keyhouse.core.errors import Refusal
from keyhouse.distfiles.findings import shown
from keyhouse.distfiles.names import normalise
from keyhouse.publishing.importing import pages
from keyhouse.publishing.importing.errors import SourceEntryInvalid, SourcePageInvalid
from keyhouse.publishing.importing.names import require_project_name
from keyhouse.publishing.importing.offers import Offer, Offered
from keyhouse.publishing.importing.sources.local_files import pieces_of, read_small, sha256_of

# the names of a project's page, the one that tells most first
_PAGES: Final = (
    ("index.v1_json", "application/json"),
    ("index.html", "text/html"),
    ("index.v1_html", "text/html"),
)
_LARGEST_PAGE: Final = 64 * 2**20
_PACKAGES: Final = "packages"


def is_tree(folder: Path) -> bool:
    """Tell whether a folder is such a tree, or the `web` folder of one."""
    return any(
        (root / "simple").is_dir() and (root / _PACKAGES).is_dir() for root in (folder, folder / "web")
    )


class BandersnatchTree:
    """A mirror on this machine."""

    kind = "bandersnatch"

    def __init__(self, folder: Path) -> None:
        self.root = folder if (folder / "simple").is_dir() else folder / "web"
        self.told = str(folder)

    def names(self) -> list[str]:
        """Return the projects that have a page."""
        return sorted(path.name for path in self._project_folders())

    def offered(self, name: str) -> Offered:
        """Return what a project's page offers; what it doesn't tell is taken from the project's JSON."""
        require_project_name(name)
        found = self._page(name)
        told = self._told_by_json(name)
        return replace(
            found, files=tuple(self._placed(_with(offer, told.get(offer.filename))) for offer in found.files)
        )

    def find_sha256(self, offer: Offer) -> str | None:
        """Return the digest that the page tells; without one the file is read."""
        return offer.hashes.get("sha256") or sha256_of(Path(offer.address), self.root)

    def pieces(self, offer: Offer, most: int) -> Iterator[bytes]:
        """Give the bytes of a file."""
        return pieces_of(Path(offer.address), self.root, most)

    def stop(self) -> None:
        """Do nothing: a disk isn't waited for."""

    def _project_folders(self) -> Iterator[Path]:
        """Give the folders with a page; of a mirror with `hash-index` they lie below their first letter."""
        for folder in (self.root / "simple").iterdir():
            if not folder.is_dir() or folder.is_symlink():
                continue
            if _has_page(folder):
                yield folder
            else:
                yield from (below for below in folder.iterdir() if below.is_dir() and _has_page(below))

    def _folder_of(self, name: str) -> Path:
        plain = self.root / "simple" / name
        return plain if plain.is_dir() else self.root / "simple" / name[:1] / name

    def _page(self, name: str) -> Offered:
        folder = self._folder_of(name)
        for file, kind in _PAGES:
            body = read_small(folder / file, self.root, _LARGEST_PAGE)
            if body is not None:
                return pages.read_project(name, body, kind, f"/simple/{name}/")
        raise SourcePageInvalid("The tree has no page of this project.")

    def _told_by_json(self, name: str) -> dict[str, Offer]:
        body = read_small(self.root / "json" / normalise(name), self.root, _LARGEST_PAGE)
        releases = pages.read_document(body).get("releases") if body else None
        found = {}
        for entries in releases.values() if isinstance(releases, dict) else ():
            for entry in entries if isinstance(entries, list) else ():
                if isinstance(entry, dict) and isinstance(entry.get("filename"), str):
                    found[entry["filename"]] = _offer_of_json(entry)
        return found

    def _placed(self, offer: Offer) -> Offer:
        """Return the offer with the path of its file in the tree, or with what is wrong with it."""
        if offer.problem is not None:
            return offer
        try:
            return replace(offer, address=str(self.root / _path_in_tree(offer.address)))
        except Refusal as problem:
            return replace(offer, problem=problem)


def _has_page(folder: Path) -> bool:
    return any((folder / name).is_file() for name, _ in _PAGES)


def _path_in_tree(address: str) -> PurePosixPath:
    """Return where below the tree an address of a page leads: to something in `packages`."""
    try:
        parts = PurePosixPath(unquote(urlsplit(address).path)).parts
    except ValueError:
        parts = ()
    if _PACKAGES not in parts or ".." in parts or "\0" in address:
        raise SourceEntryInvalid(f"{shown(address, 120)} leads out of the tree.")
    return PurePosixPath(*parts[parts.index(_PACKAGES) :])


def _offer_of_json(entry: dict[str, Any]) -> Offer:
    yanked = pages.read_yanked(entry.get("yanked_reason") or "") if entry.get("yanked") else None
    return Offer(
        filename=entry["filename"],
        hashes=pages.read_hashes(entry.get("digests")),
        size=pages.read_size(entry.get("size")),
        uploaded_at=pages.read_instant(entry.get("upload_time_iso_8601") or entry.get("upload_time")),
        yanked=yanked,
    )


def _with(offer: Offer, told: Offer | None) -> Offer:
    if told is None:
        return offer
    return replace(
        offer,
        hashes=dict(offer.hashes) or dict(told.hashes),
        size=told.size if offer.size is None else offer.size,
        uploaded_at=offer.uploaded_at or told.uploaded_at,
        yanked=told.yanked if offer.yanked is None else offer.yanked,
    )
