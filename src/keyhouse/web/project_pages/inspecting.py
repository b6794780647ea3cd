"""Looking into a stored archive while somebody waits for its page.

Bounded in every direction, so that nobody's curiosity takes the pages away from others: at most two archives are read at
the same time in a process (whoever comes third is asked to come again), each for a few seconds, and what was listed is
kept for a while. Nothing is unpacked to disk; no transaction is open meanwhile.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeVar

from keyhouse import storage
from keyhouse.distfiles import listing
from keyhouse.distfiles.findings import UnacceptableError
from keyhouse.distfiles.listing import Member, MemberText, SlowError, TimedSource
from keyhouse.distfiles.source import Source, StreamSource, open_source
from keyhouse.projects.models import File
from keyhouse.storage.blobs import Blobs, key_of
from keyhouse.web.project_pages.errors import ArchiveMissing, ArchivesBusy

AT_ONCE: Final = 2
LONGEST_READING: Final = 4.0  # seconds
_MOST_KEPT: Final = 40_000  # members of all listings that are kept, about 10 MB
_SLOW: Final = "Reading it takes longer than a page may wait."

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Listing:
    """The members of an archive in the order of their paths, or the reason why they can't be listed."""

    members: tuple[Member, ...] = ()
    reason: str = ""


class Kept:
    """The listings asked for last, by BLAKE2b; the bytes of a blob never change. Safe for threads."""

    def __init__(self, most: int = _MOST_KEPT) -> None:
        """Keep listings of at most that many members together."""
        self._most = most
        self._listings: OrderedDict[str, Listing] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: str) -> Listing | None:
        """Return a kept listing, or None."""
        with self._lock:
            found = self._listings.get(key)
            if found is not None:
                self._listings.move_to_end(key)
            return found

    def keep(self, key: str, found: Listing) -> None:
        """Keep a listing, and let those go that were not asked for longest."""
        with self._lock:
            self._listings[key] = found
            while sum(len(one.members) + 1 for one in self._listings.values()) > self._most:
                self._listings.popitem(last=False)


_kept = Kept()
_places = threading.BoundedSemaphore(AT_ONCE)


def list_file(file: File) -> Listing:
    """Return what is inside a file; raises ArchivesBusy and ArchiveMissing."""
    known = _kept.find(file.blake2)
    if known is not None:
        return known
    found = _read(file, _list)
    _kept.keep(file.blake2, found)
    return found


def read_member(file: File, member: Member) -> MemberText | None:
    """Return the beginning of a member, or None where it can't be read; raises ArchivesBusy and ArchiveMissing."""

    def read(source: Source, filename: str) -> MemberText | None:
        try:
            return listing.read_text(source, filename, member.path)
        except (UnacceptableError, SlowError):
            return None

    return _read(file, read)


def _list(source: Source, filename: str) -> Listing:
    try:
        return Listing(listing.list_members(source, filename))
    except UnacceptableError as refused:
        return Listing(reason=refused.finding.sentence)
    except SlowError:
        return Listing(reason=_SLOW)


def _read(file: File, read: Callable[[Source, str], _Read]) -> _Read:
    if not _places.acquire(blocking=False):
        raise ArchivesBusy
    try:
        with _opened(storage.blobs(), key_of(file.blake2, file.filename)) as source:
            return read(TimedSource.around(source, LONGEST_READING), file.filename)
    except (OSError, ValueError) as error:
        raise ArchiveMissing from error
    finally:
        _places.release()


@contextmanager
def _opened(blobs: Blobs, key: str) -> Iterator[Source]:
    """Open a blob where it lies: a file of this machine, or whatever the store gives."""
    path = blobs.path_of(key)
    if path is not None:
        with open_source(path) as source:
            yield source
        return
    with blobs.open(key) as stream:
        yield StreamSource.of(stream)
