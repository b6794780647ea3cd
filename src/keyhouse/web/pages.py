"""Long lists cut into pages."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_LAST: Final = 100_000
_DIGITS: Final = 6


def read_page_number(text: str) -> int:
    """Read `?page=`; whatever is no number from 1 on is the first page."""
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        return 1
    return min(max(int(text), 1), _LAST)


@dataclass(frozen=True, slots=True)
class Pages:
    """Which part of a list is shown: page `number` from one, of `total` things, `length` a page."""

    number: int
    total: int
    length: int

    @property
    def first(self) -> int:
        """Return how many things stand before this page."""
        return (self.number - 1) * self.length

    @property
    def count(self) -> int:
        """Return the number of pages, at least one."""
        return max(1, -(-self.total // self.length))

    @property
    def before(self) -> int | None:
        """Return the number of the page before, or None."""
        return min(self.number - 1, self.count) or None

    @property
    def after(self) -> int | None:
        """Return the number of the next page, or None."""
        return self.number + 1 if self.number < self.count else None
