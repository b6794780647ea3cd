"""Removing blobs that no row names, where no upload under way can be about to name them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from keyhouse.storage.blobs import Blobs

# A blob is stored before the rows that name it; younger ones may belong to an upload under way.
OLD_SECONDS: Final = 3600


def remove_old(store: Blobs, key: str) -> bool:
    """Remove a blob that is old enough; False where it isn't, or isn't there.

    It is taken aside before its age is asked: an upload that was tried again may put a new one there in between.
    """
    place = store.path_of(key)
    if place is None or not is_old(place):
        return False
    aside = store.incoming()
    place.rename(aside)
    if not is_old(aside):
        store.keep(aside, key)
        return False
    aside.unlink()
    if store.size(key) is None:
        store.remove(key)  # and the folders that this leaves empty
    return True


def is_old(path: Path) -> bool:
    """Tell whether a file is older than any upload under way."""
    # file times are the machine's, whatever the product's clock says
    return time.time() - path.stat().st_mtime > OLD_SECONDS
