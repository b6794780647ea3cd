"""Which instance a data folder belongs to: its random id, environment, kind of database, the version that last used it."""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Final

from packaging.version import InvalidVersion, Version

from keyhouse import __version__
from keyhouse.core import configuration
from keyhouse.core.configuration import Configuration, ConfigurationError

FILE_NAME: Final = "instance.json"
ID_BYTES: Final = 16
SHOWN_LENGTH: Final = 8
RESTORE_MARK: Final = "restore-unfinished"  # stands in a data folder while a backup is brought back into it


@dataclass(frozen=True, slots=True)
class Instance:
    """The mark of a data folder. `id` is 32 random hex digits; it says nothing about the keys."""

    id: str
    environment: str
    version: str
    # its kind, as `Configuration.database_kind`; empty until an index is there, None in marks of before it was kept
    database: str | None = ""

    @property
    def shown_id(self) -> str:
        """Return the first 8 hex digits: enough to tell two servers on one host apart."""
        return self.id[:SHOWN_LENGTH]


def find_instance(data: Path) -> Instance | None:
    """Return the mark of a data folder, or None where there is none.

    Raises ConfigurationError when the mark can't be read (a folder of unknown origin must not be written to), and
    when the folder holds half of a restored backup.
    """
    _refuse_half_restored(data)
    path = data / FILE_NAME
    try:
        body = json.loads(path.read_text(encoding="utf-8"))
        database = str(body["database"]) if "database" in body else None
        instance = Instance(str(body["id"]), str(body["environment"]), str(body["version"]), database)
        Version(instance.version)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, InvalidVersion) as error:
        raise ConfigurationError(f"{path} can't be read ({error}); take it from a backup.") from error
    return instance


def is_at_hand(settings: Configuration) -> bool:
    """Tell whether the configured data folder is marked, and by what these settings are for; makes nothing."""
    try:
        found = find_instance(settings.data)
        if found is not None:
            ensure_instance(settings)
    except ConfigurationError:
        return False
    return found is not None


def ensure_instance(settings: Configuration) -> Instance:
    """Return the mark of the configured data folder, making it where there is none; two at once end up with one.

    Raises ConfigurationError when the folder belongs to the other environment, to an index on the other kind of database or
    to a newer version, and as `find_instance` does.
    """
    found = find_instance(settings.data) or _make(settings)
    _refuse_other_environment(found, settings)
    _refuse_newer(found, settings)
    _refuse_other_database(found, settings)
    return found


def mark_version(settings: Configuration) -> None:
    """Write down that this version has brought the folder up to date (after its migrations)."""
    found = ensure_instance(settings)
    marked = replace(found, version=__version__, database=settings.database_kind)
    if found != marked:
        _replace(settings.data / FILE_NAME, marked)


def read_instance_id() -> str:
    """Return the short id of this process's instance: part of the cookie's name on plain http."""
    return _shown_id(configuration.current().data)


@lru_cache(maxsize=8)
def _shown_id(data: Path) -> str:
    return (find_instance(data) or ensure_instance(configuration.current())).shown_id


def _make(settings: Configuration) -> Instance:
    settings.data.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = settings.data / FILE_NAME
    made = Instance(secrets.token_hex(ID_BYTES), settings.environment, __version__)
    draft = _write_draft(path, made)
    try:
        path.hardlink_to(draft)
    except FileExistsError:
        pass  # somebody else was first; theirs holds
    finally:
        draft.unlink()
    found = find_instance(settings.data)
    if found is None:
        raise ConfigurationError(f"{path} was taken away while it was made.")
    return found


def _replace(path: Path, instance: Instance) -> None:
    _write_draft(path, instance).replace(path)


def _write_draft(path: Path, instance: Instance) -> Path:
    """Write beside `path`, synced, so that the mark appears as a whole."""
    draft = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    with draft.open("x", encoding="utf-8") as file:
        json.dump(asdict(instance), file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    return draft


def _refuse_half_restored(data: Path) -> None:
    if (data / RESTORE_MARK).exists():
        raise ConfigurationError(
            f"A restore into {data} was interrupted; run `keyhouse restore` once more before anything else."
        )


def _refuse_other_environment(found: Instance, settings: Configuration) -> None:
    if found.environment != settings.environment:
        raise ConfigurationError(
            f"The data folder {settings.data} belongs to the environment {found.environment}, "
            f"and this is {settings.environment}; use another folder (KEYHOUSE_DATA)."
        )


def _refuse_other_database(found: Instance, settings: Configuration) -> None:
    """Refuse what would begin an empty index beside the one that is there: its files, keys and backups are of that one."""
    kind = found.database
    if kind is None and settings.sqlite_path is not None and not _holds_index(settings.sqlite_path):
        kind = "postgresql"  # where else, as the folder was used before
    if kind in {None, "", settings.database_kind}:
        return
    if settings.database_kind == "sqlite":
        raise ConfigurationError(
            f"The index in {settings.data} is on PostgreSQL, and KEYHOUSE_DATABASE_URL is not set; "
            f"give this command the settings that its server has, or begin a new index in another folder (KEYHOUSE_DATA)."
        )
    raise ConfigurationError(
        f"The index in {settings.data} is on SQLite, and KEYHOUSE_DATABASE_URL names PostgreSQL; moving an index from one to "
        f"the other is not built. Leave KEYHOUSE_DATABASE_URL out, or begin a new index in another folder (KEYHOUSE_DATA)."
    )


def _holds_index(path: Path) -> bool:
    """Tell whether that is a file of SQLite with an index in it; whatever was asked there by mistake left an empty one."""
    if not path.exists():
        return False
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as database:
            return database.execute(_TABLES).fetchone() is not None
    except sqlite3.Error:
        return True  # it can't be asked now


_TABLES: Final = "SELECT 1 FROM sqlite_master WHERE name = 'django_migrations'"


def _refuse_newer(found: Instance, settings: Configuration) -> None:
    if Version(found.version) > Version(__version__):
        raise ConfigurationError(
            f"The data folder {settings.data} was used by Keyhouse {found.version}, which is newer than this "
            f"{__version__}; install that version, or restore a backup made by this one."
        )
