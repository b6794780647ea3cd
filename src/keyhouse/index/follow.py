"""Noticing changes that other processes made to pages.

SQLite tells by `PRAGMA data_version` that somebody committed; asked at most once a millisecond. PostgreSQL notifies, and
is polled in case a notice got lost. Either way the changed pages are those with a serial above the last one seen.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from keyhouse.index.database import Ask, Database, Row, SqliteDatabase, UnavailableError
from keyhouse.index.listings import BUILDERS, Place, read_serials

LOOK_SECONDS: Final = 0.001
_RETRY_SECONDS: Final = 0.5
_MOST: Final = 2000  # more changes than that at once: forgetting everything costs less

_log = logging.getLogger("keyhouse.index")


@dataclass(frozen=True, slots=True)
class Changes:
    """Which pages changed; `everything`: too many to name, or unknown."""

    places: frozenset[Place] = frozenset()
    everything: bool = False

    def __bool__(self) -> bool:
        """Whether there is anything to forget."""
        return self.everything or bool(self.places)


NONE: Final = Changes()


@dataclass(slots=True)
class Position:
    """How far somebody has followed: the last serial, and the tags of pages about the whole index.

    Those pages are rendered after the changes that they show, so that their serial alone would not tell.
    """

    serial: int | None = None
    tags: dict[tuple[str, str, str], str] = field(default_factory=dict)

    def advance(self, ask: Ask) -> Changes:
        """Read what changed since the last call. The first call only takes the position: nothing is known before."""
        tags = {(kind, name, form): str(etag) for kind, name, form, etag in ask(_LISTINGS, _LISTED)}
        moved = {
            place[:2] for place in tags.keys() | self.tags.keys() if tags.get(place) != self.tags.get(place)
        }
        self.tags = tags
        if self.serial is None:
            self.serial = read_serials(ask)[0]
            return Changes(everything=True)
        rows = ask(_SINCE, [self.serial, _MOST])
        if len(rows) == _MOST:
            self.serial = max(read_serials(ask)[0], rows[-1][2])
            return Changes(everything=True)
        self.serial = max([self.serial, *(row[2] for row in rows)])
        return Changes(frozenset(moved | {(kind, name) for kind, name, _ in rows}))


_SINCE: Final = "SELECT kind, name, serial FROM projects_indexpage WHERE serial > ? ORDER BY serial LIMIT ?"
_LISTINGS: Final = "SELECT kind, name, form, etag FROM projects_indexpage WHERE " + " OR ".join(
    ["(kind = ? AND name = ?)"] * len(BUILDERS)
)
_LISTED: Final = [part for place in BUILDERS for part in place]


class Follower(Protocol):
    """Tells a worker what to forget."""

    def start(self, tell: Callable[[Changes], None]) -> None:
        """Begin to follow; `tell` is called on the event loop for changes that aren't returned by `look`."""

    def look(self) -> Changes:
        """Return what changed since the last look; called for every request, so it must cost next to nothing."""

    def stop(self) -> None:
        """Stop following; may take half a second."""


def make_follower(database: Database) -> Follower:
    """Return the follower for a database."""
    if isinstance(database, SqliteDatabase):
        return SqliteFollower(database)
    from keyhouse.index.postgresql import PostgresDatabase, PostgresFollower  # noqa: PLC0415 - an index on SQLite needs no driver of PostgreSQL

    if isinstance(database, PostgresDatabase):
        return PostgresFollower(database)
    message = f"nobody knows how to follow a {type(database).__name__}"
    raise TypeError(message)


class SqliteFollower:
    """Looks at the database's own counter of commits on a connection that never waits."""

    def __init__(self, database: SqliteDatabase) -> None:
        """Take the database; nothing is opened yet."""
        self._database = database
        self._position = Position()
        self._connection: sqlite3.Connection | None = None
        self._version = -1
        self._next = 0.0

    def start(self, tell: Callable[[Changes], None]) -> None:
        """Take the position; nothing is told later, as every look is taken on the event loop itself."""
        del tell
        self.look()

    def look(self) -> Changes:
        """Look, if the last look is a millisecond old; trouble with the database means that nothing is known to change."""
        now = time.monotonic()
        if now < self._next:
            return NONE
        try:
            self._next = now + LOOK_SECONDS
            return self._look()
        except (sqlite3.Error, UnavailableError):
            self._version = -1  # look properly next time
            self._next = now + _RETRY_SECONDS if self._connection is None else self._next
            return NONE

    def _look(self) -> Changes:
        if self._connection is None:
            self._connection = self._database.watch()
        version = self._connection.execute("PRAGMA data_version").fetchone()[0]
        if version == self._version:
            return NONE
        changes = self._position.advance(self._ask)
        self._version = version
        return changes

    def _ask(self, question: str, parameters: object = ()) -> list[Row]:
        if self._connection is None:
            raise UnavailableError("not connected")
        return self._connection.execute(question, parameters).fetchall()  # type: ignore[arg-type]  # any sequence

    def stop(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
