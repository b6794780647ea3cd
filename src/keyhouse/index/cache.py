"""Memory of a worker: bounded by bytes, the least recently used goes first."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar


class Weighed(Protocol):
    """Something that knows how many bytes it holds; it may grow while it is kept."""

    @property
    def weight(self) -> int:
        """Return the bytes."""


Item = TypeVar("Item", bound=Weighed)


class Cache(Generic[Item]):
    """Items by address. To be used by one thread."""

    def __init__(self, limit: int, *, on_drop: Callable[[str, Item], None] | None = None) -> None:
        """Hold `limit` bytes at most; `on_drop` is told of every item that goes."""
        self._limit = limit
        self._on_drop = on_drop
        self._items: OrderedDict[str, tuple[Item, int]] = OrderedDict()
        self.weight = 0

    def __len__(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def get(self, address: str) -> Item | None:
        """Return the item, which counts as used now, or None."""
        kept = self._items.get(address)
        if kept is None:
            return None
        self._items.move_to_end(address)
        return kept[0]

    def put(self, address: str, item: Item) -> None:
        """Keep an item, or weigh one anew that grew; others go where there is no room, or the item itself."""
        self.drop(address)
        weight = item.weight
        if weight > self._limit // 2:
            return
        self._items[address] = (item, weight)
        self.weight += weight
        while self.weight > self._limit:
            self.drop(next(iter(self._items)))

    def drop(self, address: str) -> None:
        """Forget one item, if it is here."""
        kept = self._items.pop(address, None)
        if kept is None:
            return
        self.weight -= kept[1]
        if self._on_drop is not None:
            self._on_drop(address, kept[0])

    def clear(self) -> None:
        """Forget everything."""
        for address in list(self._items):
            self.drop(address)
