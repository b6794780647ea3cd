"""Compressed forms of pages. The same bytes always give the same form, so that its entity tag may be strong."""

from __future__ import annotations

import gzip
from typing import Final

import zstandard

# Above this size a little less packing saves much time: the list of 100,000 projects must be ready within a second.
_LARGE: Final = 2**20


def compress(encoding: str, body: bytes) -> bytes:
    """Return the body in `gzip`, `zstd` or `identity`."""
    return _WAYS[encoding](body)


def _gzip(body: bytes) -> bytes:
    return gzip.compress(body, 9 if len(body) <= _LARGE else 6, mtime=0)


def _zstd(body: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=12 if len(body) <= _LARGE else 3).compress(body)


def _identity(body: bytes) -> bytes:
    return body


_WAYS: Final = {"gzip": _gzip, "zstd": _zstd, "identity": _identity}
