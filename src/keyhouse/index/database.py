"""The database as the read plane asks it: plain SQL on SQLite or PostgreSQL, one connection a thread, no Django.

Questions are written with `?`. Whatever goes wrong with the database itself is an UnavailableError, so that readers
can go on with what they hold in memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final, Protocol

from keyhouse.core.configuration import Configuration

Row = tuple[Any, ...]
Ask = Callable[..., list[Row]]

_READ_SECONDS: Final = 2.0
_WRITE_SECONDS: Final = 10.0


sqlite3.register_adapter(date, date.isoformat)  # as Django writes them


class UnavailableError(Exception):
    """The database can't be asked now: gone, locked, not migrated yet."""


class Database(Protocol):
    """What the read plane needs of a database. All methods may be called from any thread."""

    is_postgresql: bool

    def rows(self, question: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Ask one question; raises UnavailableError."""

    def snapshot(self) -> AbstractContextManager[Ask]:
        """Ask several questions about one state of the database; raises UnavailableError."""

    def transaction(self) -> AbstractContextManager[Ask]:
        """Write, all or nothing; raises UnavailableError."""

    def alone(self, name: str) -> AbstractContextManager[bool]:
        """Try to be the only one who does what `name` says, in any process; False: somebody else is at it."""

    def close(self) -> None:
        """Close the connections of all threads."""


def open_database(configuration: Configuration) -> Database:
    """Return the database that the configuration names; nothing is opened before the first question."""
    if configuration.sqlite_path:
        return SqliteDatabase(configuration.sqlite_path)
    from keyhouse.index.postgresql import PostgresDatabase  # noqa: PLC0415 - an index on SQLite needs no driver of PostgreSQL

    return PostgresDatabase(configuration.database_url)


def as_instant(value: str | datetime) -> datetime:
    """Return a time as it stands in a row (SQLite: text in UTC without a zone) as an instant in UTC."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


class SqliteDatabase:
    """SQLite, by one read-only and one writing connection a thread."""

    is_postgresql = False

    def __init__(self, path: Path) -> None:
        """Take the path of the database file."""
        self._path = path
        self._own = threading.local()
        self._opened: list[sqlite3.Connection] = []

    def rows(self, question: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Ask one question on the read-only connection."""
        with _sqlite_trouble():
            return self._reader().execute(question, parameters).fetchall()

    @contextmanager
    def snapshot(self) -> Iterator[Ask]:
        """Ask inside one read transaction."""
        with _sqlite_trouble(), _bracketed(self._reader(), "BEGIN") as ask:
            yield ask

    @contextmanager
    def transaction(self) -> Iterator[Ask]:
        """Take the write lock at once and wait for it; commits aren't synced one by one.

        What is written here may be lost with the power (counts of the last moments, forms that can be made again);
        commits of others stay as durable as they are.
        """
        with _sqlite_trouble():
            try:
                with _bracketed(self._writer(), "BEGIN IMMEDIATE") as ask:
                    yield ask
            except sqlite3.Error:  # one that was opened while nothing could be written would stay read-only
                self._drop_writer()
                raise

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Hold a lock file beside the database."""
        try:
            descriptor = os.open(self._path.with_name(f"{name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise UnavailableError(str(error)) from error
        try:
            yield _try_lock(descriptor)
        finally:
            os.close(descriptor)

    def watch(self) -> sqlite3.Connection:
        """Open one more read-only connection, for whoever follows changes; it never waits."""
        with _sqlite_trouble():
            return self._connect("ro", 0)

    def close(self) -> None:
        """Close every connection of every thread; threads that go on open new ones."""
        self._own = threading.local()
        while self._opened:
            self._opened.pop().close()

    def _reader(self) -> sqlite3.Connection:
        if not hasattr(self._own, "reader"):
            self._own.reader = self._connect("ro", _READ_SECONDS)
        reader: sqlite3.Connection = self._own.reader
        return reader

    def _writer(self) -> sqlite3.Connection:
        if not hasattr(self._own, "writer"):
            self._own.writer = self._connect("rw", _WRITE_SECONDS)
            self._own.writer.execute("PRAGMA synchronous=NORMAL")
            self._own.writer.execute("PRAGMA foreign_keys=ON")
        writer: sqlite3.Connection = self._own.writer
        return writer

    def _drop_writer(self) -> None:
        if hasattr(self._own, "writer"):
            self._own.writer.close()
            self._opened.remove(self._own.writer)
            del self._own.writer

    def _connect(self, mode: str, seconds: float) -> sqlite3.Connection:
        address = f"{self._path.absolute().as_uri()}?mode={mode}"
        connection = sqlite3.connect(
            address, uri=True, timeout=seconds, isolation_level=None, check_same_thread=False
        )
        self._opened.append(connection)
        return connection


def _try_lock(descriptor: int) -> bool:
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


@contextmanager
def _sqlite_trouble() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise UnavailableError(str(error)) from error


@contextmanager
def _bracketed(connection: sqlite3.Connection, begin: str) -> Iterator[Ask]:
    connection.execute(begin)
    try:
        yield lambda question, parameters=(): connection.execute(question, parameters).fetchall()
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
