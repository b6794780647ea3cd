"""What a doctor looks at of what the data folder holds: whose it is, and who else may read or change it. No Django."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Final

from keyhouse.cli.doctor_findings import Finding, ok, problem
from keyhouse.core.configuration import Configuration

_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE: Final = stat.S_IWGRP | stat.S_IWOTH
_ABOUT: Final = "data folder"
_BESIDE: Final = ("", "-wal", "-shm")  # SQLite's own files
_MOST: Final = 10_000  # of one folder; a million blobs are not walked through


def check_holdings(settings: Configuration) -> Iterator[Finding]:
    """Look at database, keys, files and mails: all of the data folder's owner, secrets closed, files closed to changes."""
    found = [*_foreign(settings), *_open_secrets(settings), *_open_files(settings)]
    yield from found or [
        ok(_ABOUT, "Database, keys, files and mails are its owner's, and nobody else may change them.")
    ]


def _foreign(settings: Configuration) -> Iterator[Finding]:
    owner = settings.data.stat().st_uid
    inside = (path for path in _all(settings) if path.is_relative_to(settings.data))
    foreign = next((path for path in inside if path.lstat().st_uid != owner), None)
    if foreign is not None:
        yield problem(
            _ABOUT,
            f"{foreign} belongs to another user (number {foreign.lstat().st_uid}) than the data folder; the server stumbles over it.",
            f"chown -R --reference={settings.data} {settings.data}, and run `keyhouse` as the user that the server runs as.",
        )


def _open_secrets(settings: Configuration) -> Iterator[Finding]:
    for path in (*_database(settings), *_there(settings.mail_folder)):
        if path.stat().st_mode & _OTHERS:
            fix = f"chmod {700 if path.is_dir() else 600} {path}"
            yield problem(_ABOUT, f"{path} may be read by others on this machine.", fix)


def _open_files(settings: Configuration) -> Iterator[Finding]:
    """Whoever may change a published file serves what they like; whoever may read one of a private index needs no token."""
    for path in _there(settings.files_folder):
        mode = path.stat().st_mode
        if mode & _OTHERS_WRITE:
            yield problem(_ABOUT, f"{path} may be changed by others on this machine.", f"chmod go-w {path}")
        elif mode & _OTHERS and settings.is_private and not path.is_relative_to(settings.data):
            yield problem(_ABOUT, f"{path} may be read by others on this machine.", f"chmod 700 {path}")


def _all(settings: Configuration) -> Iterator[Path]:
    yield from (*_database(settings), *_there(settings.key_file))
    for folder in (settings.files_folder, settings.mail_folder):
        yield from _there(folder)
        yield from _within(folder)
    yield from (path for kind in _within(settings.files_folder) for path in _within(kind))


def _database(settings: Configuration) -> Iterator[Path]:
    path = settings.sqlite_path
    if path is not None:
        for ending in _BESIDE:
            yield from _there(path.with_name(path.name + ending))


def _there(path: Path) -> Iterator[Path]:
    if path.exists():
        yield path


def _within(folder: Path) -> Iterator[Path]:
    """Yield what a folder holds; what another process takes away meanwhile, or keeps closed, is not looked at."""
    try:
        with os.scandir(folder) as entries:
            names = [entry.name for entry in islice(entries, _MOST)]
    except OSError:
        return
    yield from (folder / name for name in names if (folder / name).exists())
