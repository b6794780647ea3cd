"""Whether this server can serve readers, and what its writers lack."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from keyhouse.accounts.passwords import sources
from keyhouse.accounts.passwords.errors import CompromisedFileDamaged
from keyhouse.core import clock, configuration, keys

PROBE_BYTES: Final = 64 * 1024
_migrated: set[str] = set()


@dataclass(frozen=True, slots=True)
class Readiness:
    """What readers and what writers lack, one sentence each; empty where nothing does.

    `impaired` is what doesn't work and stops neither.
    """

    readers_lack: tuple[str, ...]
    writers_lack: tuple[str, ...]
    impaired: tuple[str, ...] = ()


def judge() -> Readiness:
    """Look at everything once, on a thread of its own, and give the connection back."""
    try:
        return look()
    finally:
        connection.close()


def look() -> Readiness:
    """Look at everything once. Blocking: database and disk are touched."""
    readers = _lacking(READERS)
    return Readiness(readers, (*readers, *_lacking(WRITERS)), _lacking(BESIDE))


def _lacking(checks: tuple[Callable[[], str], ...]) -> tuple[str, ...]:
    return tuple(sentence for check in checks if (sentence := check()))


def _database_answers() -> str:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT serial FROM projects_indexpage LIMIT 1")
    except DatabaseError:
        return "The database doesn't answer, or holds no index pages."
    return ""


def _migrations_applied() -> str:
    """Look until they are; they don't come off again."""
    if "yes" in _migrated:
        return ""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return "Migrations are missing; they are applied when the server starts."
    except DatabaseError:
        return "The database doesn't tell which migrations it has."
    _migrated.add("yes")
    return ""


def _database_takes_writes() -> str:
    settings = configuration.current()
    is_writable = (
        _postgresql_takes_writes()
        if settings.sqlite_path is None
        else _sqlite_takes_writes(settings.sqlite_path)
    )
    return "" if is_writable else "The database takes no writes."


def _sqlite_takes_writes(path: Path) -> bool:
    """Ask for the write lock; that somebody else holds it right now shows that writing works."""
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=0.2, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            database.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        return "locked" in str(error)
    return True


def _postgresql_takes_writes() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('transaction_read_only'), pg_is_in_recovery()")
            row = cursor.fetchone()
    except DatabaseError:
        return False
    return bool(row == ("off", False))


def _data_folder_takes_files() -> str:
    return _takes_files(configuration.current().data, "The data folder")


def _storage_takes_files() -> str:
    return _takes_files(configuration.current().files_folder, "The folder of the files")


def _takes_files(folder: Path, name: str) -> str:
    """Write a little and sync it: only that notices a full disk, a quota and a folder mounted read-only alike."""
    if not folder.is_dir():
        return "" if folder.parent.is_dir() else f"{name} is missing."
    try:
        with tempfile.TemporaryFile(dir=folder) as probe:
            probe.write(bytes(PROBE_BYTES))
            probe.flush()
            os.fsync(probe.fileno())
    except OSError as error:
        return f"{name} takes no files: {error.strerror}."
    return ""


def _key_file_is_there() -> str:
    try:
        keys.ring()
    except keys.KeyFileError:
        return "The key file can't be read."
    return ""


def _compromised_passwords_are_known() -> str:
    try:
        sources.find_file()
    except CompromisedFileDamaged as damage:
        return damage.sentence
    return ""


def _clients_are_told_apart() -> str:
    from keyhouse.accounts import lone_address  # noqa: PLC0415 - a worker reads this file before Django is set up

    try:
        return lone_address.SENTENCE if lone_address.find_lone_address(clock.now()) else ""
    except DatabaseError:
        return ""  # which readers lack, and are told of


def _mail_domains_are_watched() -> str:
    from keyhouse.accounts.addresses.queries import find_alarm  # noqa: PLC0415 - the same

    try:
        alarm = find_alarm()
    except DatabaseError:
        return ""  # which readers lack, and are told of
    return alarm.sentence if alarm else ""


READERS: Final = (_database_answers, _migrations_applied)
WRITERS: Final = (_database_takes_writes, _data_folder_takes_files, _storage_takes_files, _key_file_is_there)
BESIDE: Final = (_compromised_passwords_are_known, _clients_are_told_apart, _mail_domains_are_watched)
