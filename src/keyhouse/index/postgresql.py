"""PostgreSQL as the read plane asks it, and how its changes are followed; loaded only where the index is on it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final
from zlib import crc32

import psycopg

from keyhouse.index.database import Ask, Row, UnavailableError
from keyhouse.index.follow import NONE, Changes, Position
from keyhouse.index.model import CHANNEL

_ANSWER_MILLISECONDS: Final = 30_000
_POLL_SECONDS: Final = 0.4
_RETRY_SECONDS: Final = 0.5

_log = logging.getLogger("keyhouse.index")


class PostgresDatabase:
    """PostgreSQL, by one connection a thread, which is opened anew when it broke."""

    is_postgresql = True

    def __init__(self, url: str) -> None:
        """Take the address, with name and password in it."""
        self._url = url
        self._own = threading.local()
        self._opened: list[psycopg.Connection[Row]] = []

    def rows(self, question: str, parameters: Sequence[Any] = ()) -> list[Row]:
        """Ask one question, a second time where the connection had died in the meantime."""
        with _postgres_trouble():
            try:
                return asker(self._connection())(question, parameters)
            except psycopg.OperationalError:
                self._drop()
                return asker(self._connection())(question, parameters)
            except psycopg.errors.FeatureNotSupported:
                # a migration made another column of one that a kept plan shows: this connection keeps none any more
                self._connection().prepare_threshold = None
                return asker(self._connection())(question, parameters)

    @contextmanager
    def snapshot(self) -> Iterator[Ask]:
        """Ask inside one repeatable read."""
        with _postgres_trouble(), self._fresh().transaction():
            ask = asker(self._connection())
            ask("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            yield ask

    @contextmanager
    def transaction(self) -> Iterator[Ask]:
        """Write inside one transaction; it isn't waited until it is on the disk (see `SqliteDatabase`)."""
        with _postgres_trouble(), self._fresh().transaction():
            ask = asker(self._connection())
            ask("SET LOCAL synchronous_commit = off")
            yield ask

    @contextmanager
    def alone(self, name: str) -> Iterator[bool]:
        """Hold an advisory lock of the session; it ends with the connection, however that ends."""
        key = crc32(f"keyhouse:{name}".encode())
        with _postgres_trouble():
            self._fresh()
            is_mine = bool(self.rows("SELECT pg_try_advisory_lock(?)", [key])[0][0])
            try:
                yield is_mine
            finally:
                if is_mine:
                    with contextlib.suppress(psycopg.Error):
                        asker(self._connection())("SELECT pg_advisory_unlock(?)", [key])

    def connect(self) -> psycopg.Connection[Row]:
        """Open one more connection, the caller's to close; it gives up soon where nobody answers."""
        with _postgres_trouble():
            connection = psycopg.connect(
                self._url, autocommit=True, connect_timeout=3, keepalives_idle=10, tcp_user_timeout=5000
            )
            connection.execute(f"SET statement_timeout = {_ANSWER_MILLISECONDS}")
            connection.execute("SET TIME ZONE 'UTC'")
            return connection

    def close(self) -> None:
        """Close every connection of every thread; threads that go on open new ones."""
        self._own = threading.local()
        while self._opened:
            self._opened.pop().close()

    def _connection(self) -> psycopg.Connection[Row]:
        if not hasattr(self._own, "connection"):
            self._own.connection = self.connect()
            self._opened.append(self._own.connection)
        connection: psycopg.Connection[Row] = self._own.connection
        return connection

    def _fresh(self) -> psycopg.Connection[Row]:
        """Return the thread's connection after making sure that it lives: a transaction can't be tried twice."""
        self.rows("SELECT 1")
        return self._connection()

    def _drop(self) -> None:
        broken: psycopg.Connection[Row] = self._own.connection
        del self._own.connection
        with contextlib.suppress(ValueError):
            self._opened.remove(broken)
        broken.close()


@contextmanager
def _postgres_trouble() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise UnavailableError(str(error)) from error


def asker(connection: psycopg.Connection[Row]) -> Ask:
    """Return how to ask on a connection of one's own."""

    def ask(question: str, parameters: Sequence[Any] = ()) -> list[Row]:
        cursor = connection.execute(question.replace("?", "%s").encode(), parameters or None)
        return cursor.fetchall() if cursor.description else []

    return ask


class PostgresFollower:
    """Listens on a thread of its own, and polls."""

    def __init__(self, database: PostgresDatabase) -> None:
        """Take the database; nothing is opened yet."""
        self._database = database
        self._position = Position()
        self._is_stopping = threading.Event()
        self._is_troubled = False
        self._thread = threading.Thread(target=self._follow, name="index-follower", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tell: Callable[[Changes], None] | None = None

    def start(self, tell: Callable[[Changes], None]) -> None:
        """Start the thread; must be called on the event loop."""
        self._loop, self._tell = asyncio.get_running_loop(), tell
        self._thread.start()

    def look(self) -> Changes:
        """Return nothing: the thread tells."""
        return NONE

    def stop(self) -> None:
        """Let the thread end, and wait for it."""
        self._is_stopping.set()
        if self._thread.is_alive():
            self._thread.join(2 * _POLL_SECONDS)

    def _follow(self) -> None:
        while not self._is_stopping.is_set():
            try:
                self._listen()
            except (UnavailableError, psycopg.Error) as error:
                self._note_trouble(error)
                self._is_stopping.wait(_RETRY_SECONDS)

    def _note_trouble(self, error: Exception) -> None:
        """Tell of an outage once, not at every attempt."""
        if not self._is_troubled:
            _log.warning("changes can't be followed right now: %s", error)
        self._is_troubled = True

    def _listen(self) -> None:
        with contextlib.closing(self._database.connect()) as connection:
            connection.execute(f"LISTEN {CHANNEL}")
            ask = asker(connection)
            while not self._is_stopping.is_set():
                self._report(self._position.advance(ask))
                self._is_troubled = False
                for _ in connection.notifies(timeout=_POLL_SECONDS, stop_after=1):
                    pass

    def _report(self, changes: Changes) -> None:
        if changes and self._loop is not None and self._tell is not None:
            with contextlib.suppress(RuntimeError):  # the loop may be closed already
                self._loop.call_soon_threadsafe(self._tell, changes)
