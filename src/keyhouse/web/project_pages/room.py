"""The room that texts from elsewhere may take on a page, whatever a project holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final

from keyhouse.distfiles.shown_text import shortened, size_as_html

_MARKS: Final = 60  # bytes around an entry, unless it needs more


class Room:
    """Bytes of a page that are left for entries."""

    def __init__(self, most: int, marks: int = _MARKS) -> None:
        """Give room for `most` bytes; each entry takes `marks` beside its own."""
        self._left = most
        self._marks = marks

    def take(self, *texts: str) -> bool:
        """Tell whether an entry of these texts still fits, and take its room."""
        self._left -= sum(map(size_as_html, texts)) + self._marks
        return self._left >= 0

    def fit(self, texts: Iterable[str], most: int, longest: int) -> Iterator[str]:
        """Yield the first `most` texts as far as they fit, each made visible and at most `longest` characters long."""
        for text in islice(texts, most):
            shown = shortened(text, longest)
            if self.take(shown):
                yield shown
