"""The fast lane: a request that is byte for byte one that was answered before gets the very same answer.

No second parser and no second set of rules: the ordinary way answers first, and what it sent is remembered by the bytes
of the request. So both ways can't differ. An answer is given again only while the page or file that it came from is
still the one that the ordinary way would find, which follows changes as ever. Requests with credentials are never
remembered, nor anything of a private index.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from keyhouse.index.answers import FileItem, FileRow, PageItem

LEARN_KEY: Final = "keyhouse.lane"  # in a scope: who can tell afterwards what was received and sent
LONGEST_REQUEST: Final = 4096  # bytes
MOST_BYTES: Final = 16 * 2**20

Item = PageItem | FileItem


@dataclass(frozen=True, slots=True)
class Sent:
    """One exchange as it went over the wire: the whole request, and the answer around the headers of the moment."""

    request: bytes
    status: int
    first: bytes  # the status line
    rest: bytes  # the headers of the answer, with the empty line that ends them
    body: bytes

    @property
    def weight(self) -> int:
        """Return the bytes that it holds."""
        return len(self.request) + len(self.rest) + len(self.body)


@dataclass(frozen=True, slots=True)
class Source:
    """What an answer came from: the address, what is held there, and what is counted when it is sent."""

    path: str
    item: Item
    file: FileRow | None
    user_agent: bytes


class Lane:
    """What one process remembers. To be used on the event loop."""

    def __init__(
        self,
        look: Callable[[], object],
        get: Callable[[str], Item | None],
        count: Callable[[FileRow, bytes, str], None],
    ) -> None:
        """Take what notices changes, what is held at an address, and what counts downloads."""
        self._look, self._get, self._count = look, get, count
        self._known: dict[bytes, tuple[Sent, Source]] = {}
        self._weight = 0

    def find(self, request: bytes, client: str) -> Sent | None:
        """Return what was sent to this very request and still holds, counted as sent again; or None."""
        found = self._known.get(request)
        if found is None:
            return None
        self._look()
        sent, source = found
        if self._get(source.path) is not source.item:
            self._forget(request)
            return None
        if source.file is not None:
            self._count(source.file, source.user_agent, client)
        return sent

    def learn(self, sent: Sent, source: Source) -> None:
        """Remember an exchange; the oldest ones go when there are too many."""
        if len(sent.request) > LONGEST_REQUEST or sent.weight > MOST_BYTES:
            return
        self._forget(sent.request)
        self._known[sent.request] = (sent, source)
        self._weight += sent.weight
        while self._weight > MOST_BYTES:
            self._forget(next(iter(self._known)))

    def _forget(self, request: bytes) -> None:
        found = self._known.pop(request, None)
        if found is not None:
            self._weight -= found[0].weight
