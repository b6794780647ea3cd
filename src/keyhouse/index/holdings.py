"""What a worker holds ready: pages and files that were asked for, kept honest by the changes it is told of."""

from __future__ import annotations

from concurrent.futures import Executor
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import blake2b
from typing import Final

from keyhouse.core.configuration import Configuration
from keyhouse.index import routes
from keyhouse.index.answers import Answer, Dress, FileItem, PageItem, encoding_of, form_of
from keyhouse.index.cache import Cache
from keyhouse.index.follow import Changes
from keyhouse.index.listings import Place
from keyhouse.index.loading import Loading
from keyhouse.index.routes import Target
from keyhouse.index.store import Store

_ABSENT_BYTES: Final = 2**20


@dataclass(frozen=True, slots=True)
class Absent:
    """A page that isn't here; `is_free`: nor was there ever anything of that name."""

    is_free: bool
    weight: int = 300


class Holdings:
    """Finds pages and files in memory or loads them. To be used on the event loop; loading happens on threads."""

    def __init__(self, store: Store, dress: Dress, configuration: Configuration, on: Executor) -> None:
        """Take where things are loaded from, how they are dressed, and the threads for it."""
        self._store = store
        self._dress = dress
        self._has_upstream = bool(configuration.upstream)
        self._loading = Loading(on)
        self._items: Cache[PageItem | FileItem] = Cache(configuration.page_cache_bytes, on_drop=self._dropped)
        self._absent: Cache[Absent] = Cache(_ABSENT_BYTES)
        self._files_of: dict[str, set[str]] = {}
        # lists of the whole index as those read them from whom something is hidden: by address, those that are held
        self._filtered: dict[str, set[str]] = {}
        self.get = self._items.get  # what is in memory, by address

    async def find_page(
        self, target: Target, variant: int, hidden: frozenset[str] = frozenset()
    ) -> Answer | Absent:
        """Return a variant of a page, without the projects that are hidden; raises IndexUnavailable."""
        address = _address(target, hidden)
        item = self._items.get(address)
        here = item.get(variant) if isinstance(item, PageItem) else self._absent.get(address)
        if here is not None:
            return here
        found, may_keep = await self._loading.load(
            (address, variant), partial(self._load_page, target, variant, hidden)
        )
        if may_keep:
            self._keep_page(target, address, variant, found)
        return found

    def _load_page(self, target: Target, variant: int, hidden: frozenset[str]) -> Answer | Absent:
        """Load a page; this is done on a thread."""
        form, encoding = form_of(variant), encoding_of(variant)
        if hidden:
            page = self._store.build_filtered(target, form, encoding, hidden)
        else:
            page = self._store.find_page(target, form, encoding)
        if page is not None:
            return self._dress.page(target, page)
        asks_upstream = self._has_upstream and target.kind == "simple"
        return Absent(is_free=asks_upstream and self._store.is_free(target.name))

    def _keep_page(self, target: Target, address: str, variant: int, found: Answer | Absent) -> None:
        if isinstance(found, Absent):
            self._absent.put(address, found)
            return
        item = self._items.get(address)
        page = item if isinstance(item, PageItem) else _new_item(target)
        page.put(variant, found)
        self._items.put(address, page)
        if address != target.path:  # after `put`, which drops what was there before
            self._filtered.setdefault(target.path, set()).add(address)

    async def find_file(self, target: Target) -> FileItem | None:
        """Return a file, or None where there is no such file; raises IndexUnavailable or BytesMissing."""
        item = self._items.get(target.path)
        if isinstance(item, FileItem):
            return item
        found, may_keep = await self._loading.load(target.path, partial(self._load_file, target))
        if found is not None and may_keep:
            self._items.put(target.path, found)
            # after `put`, which drops what was there before
            self._files_of.setdefault(found.row.project, set()).add(target.path)
        return found

    async def find_project_of(self, target: Target) -> str | None:
        """Return the project of a file, or None; without looking for its bytes. Raises IndexUnavailable."""
        item = self._items.get(target.path)
        if isinstance(item, FileItem):
            return item.row.project
        row, _ = await self._loading.load(("row", target.path), partial(self._store.find_file, target.name))
        return None if row is None else row.project

    def _load_file(self, target: Target) -> FileItem | None:
        """Load a file; this is done on a thread."""
        row = self._store.find_file(target.name)
        if row is None or (target.is_metadata and not row.metadata_sha256):
            return None
        if row.quarantine_reason is not None:
            answer = self._dress.file(row, row.blake2, row.size, b"", is_counted=False)
            return FileItem(row, row.size, answer, is_whole=False)
        size = self._store.read_size(target, row)
        body = self._store.read_small(target, size)
        digest = row.metadata_sha256 if target.is_metadata else row.blake2
        answer = self._dress.file(row, digest, size, body or b"", is_counted=not target.is_metadata)
        return FileItem(row, size, answer, is_whole=body is not None)

    def forget(self, changes: Changes) -> None:
        """Drop what changed."""
        self._loading.forget()
        if changes.everything:
            self._items.clear()
            self._absent.clear()
        for place in changes.places:
            self._forget_place(place)

    def _forget_place(self, place: Place) -> None:
        kind, name = place
        paths = [make(name) for make in _PATHS.get(kind, ())]
        if kind == "simple":
            paths += self._files_of.get(name, ())
        for path in [*paths, *(one for plain in paths for one in self._filtered.get(plain, ()))]:
            self._items.drop(path)
            self._absent.drop(path)

    def _dropped(self, path: str, item: PageItem | FileItem) -> None:
        if isinstance(item, FileItem):
            files = self._files_of.get(item.row.project, set())
            files.discard(path)
            if not files:
                self._files_of.pop(item.row.project, None)
        elif _MARK in path:
            plain = path.partition(_MARK)[0]
            held = self._filtered.get(plain, set())
            held.discard(path)
            if not held:
                self._filtered.pop(plain, None)


_MARK: Final = "\0"  # in no address that anybody can ask for


def _address(target: Target, hidden: frozenset[str]) -> str:
    """Return where a page is held: a list without some projects is another page."""
    return f"{target.path}{_MARK}{_digest(hidden)}" if hidden else target.path


@lru_cache(maxsize=256)
def _digest(hidden: frozenset[str]) -> str:
    return blake2b("\n".join(sorted(hidden)).encode(), digest_size=16).hexdigest()


def _new_item(target: Target) -> PageItem:
    return PageItem(has_forms=target.has_forms, is_integrity=target.kind == "integrity")


_PATHS: Final = {
    "simple": (routes.simple_path, routes.releases_path),
    "json": (routes.document_path,),
    "integrity": (routes.provenance_path,),
    "root": (lambda _: "/simple/",),
    "rss": (lambda name: f"/rss/{name}",),
    "stats": (lambda _: "/stats.json",),
}
