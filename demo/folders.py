"""Folders that are emptied and filled anew: a mark says which were made here, and no other is touched."""

from __future__ import annotations

import shutil
from pathlib import Path


def is_ours(folder: Path, mark: str) -> bool:
    """Tell whether the folder is new, empty, or one that was made here."""
    return not folder.exists() or (
        folder.is_dir() and ((folder / mark).is_file() or not any(folder.iterdir()))
    )


def empty(folder: Path, mark: str) -> None:
    """Empty a folder of ours, or make it. The mark stays to the end, so that one left half empty is still ours."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != mark:
            path.unlink()
    (folder / mark).touch()
