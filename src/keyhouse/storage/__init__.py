"""Blobs: whole files under a key, in a folder or in memory. No Django."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from keyhouse.core import configuration
from keyhouse.core.configuration import Configuration
from keyhouse.storage.blobs import Blobs
from keyhouse.storage.local import LocalBlobs

_in_use: tuple[Configuration, Blobs] | None = None


def blobs() -> Blobs:
    """Return the store that the configuration names."""
    global _in_use  # noqa: PLW0603 - one configuration per process, and one store
    settings = configuration.current()
    if _in_use is None or _in_use[0] is not settings:
        _in_use = (settings, _local(settings.files_folder))
    return _in_use[1]


@lru_cache(maxsize=8)
def _local(root: Path) -> Blobs:
    return LocalBlobs(root)
