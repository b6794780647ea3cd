"""Blobs: whole files under a key, in a folder or in memory. No Django."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from keyhouse.core import configuration
from keyhouse.storage.blobs import Blobs
from keyhouse.storage.local import LocalBlobs


def blobs() -> Blobs:
    """Return the store that the configuration names."""
    return _local(configuration.current().files_folder)


@lru_cache(maxsize=8)
def _local(root: Path) -> Blobs:
    return LocalBlobs(root)
