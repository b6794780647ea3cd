"""Descriptions that were made fit for their page, kept for the next one who looks at it.

Kept by what they were made of and by nothing else, so that nobody is ever shown another text than the one that was read for
them a moment before; and bounded by bytes, as descriptions are of any length.
"""

from __future__ import annotations

from collections import OrderedDict
from hashlib import blake2b
from threading import Lock
from typing import Final

from django.utils.safestring import SafeString

from keyhouse.web.descriptions import fit_description

MOST: Final = 4_000_000  # bytes of each process
_BESIDE: Final = 200  # bytes around each


class Fitted:
    """Fitted texts, those that were asked for last."""

    def __init__(self, most: int) -> None:
        """Keep so many bytes at most."""
        self._most, self._bytes, self._lock = most, 0, Lock()
        self._kept: OrderedDict[bytes, tuple[SafeString, int]] = OrderedDict()

    def fit(self, html: str) -> SafeString:
        """Return the same as `fit_description`."""
        key = blake2b(html.encode("utf-8", "surrogatepass"), digest_size=32).digest()
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key][0]
        made = fit_description(html)
        self._keep(key, made)
        return made

    def _keep(self, key: bytes, made: SafeString) -> None:
        size = made.__sizeof__() + _BESIDE
        if size > self._most:
            return
        with self._lock:
            self._bytes += size - self._kept.pop(key, (made, 0))[1]
            self._kept[key] = made, size
            while self._bytes > self._most:
                self._bytes -= self._kept.popitem(last=False)[1][1]


FITTED: Final = Fitted(MOST)
