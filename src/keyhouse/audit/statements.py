"""Statements as they go to the driver, for what every upload asks and writes.

On SQLite a statement costs the driver a few microseconds and Django's cursors around it four times that, so there it
is given to the driver itself. PostgreSQL takes up to ten times as long to plan what a decision asks as to answer it;
the driver lets it keep the plan, which it can only where values are not written into the statement, as Django does.

Django's connection stays the one that is asked: its transactions hold, its exceptions are raised, and whoever captures
or wraps queries sees these as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final, NamedTuple

from django.db import DEFAULT_DB_ALIAS, connections
from django.db.backends.base.base import BaseDatabaseWrapper


class Outcome(NamedTuple):
    """What a statement gave: rows as the driver gives them, what it says of columns, rows changed, key made by SQLite."""

    rows: list[tuple[Any, ...]]
    description: Sequence[Sequence[Any]] | None
    changed: int
    last_key: int | None

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the names of the columns."""
        return tuple([column[0] for column in self.description or ()])


_PREPARED_AFTER: Final = 1  # what a connection is asked a second time; each of the pool has to hear it first
_SET_ONE_PLAN: Final = "SET plan_cache_mode = force_generic_plan"
_RESET_PLANS: Final = "RESET plan_cache_mode"
_FAILED: Final = 3  # as libpq numbers the state of a transaction in which a statement failed
_OUTDATED: Final = (
    "RevalidateCachedQuery"  # where PostgreSQL finds that a plan shows other columns than it did
)


def run(statement: str, values: Sequence[Any]) -> Outcome:
    """Run one statement, written with `%s`, to its end; raises the exceptions of `django.db`."""
    connection: BaseDatabaseWrapper = connections[DEFAULT_DB_ALIAS]
    if connection.force_debug_cursor or connection.execute_wrappers:
        return _run_by_django(connection, statement, values)
    if connection.connection is None:
        connection.ensure_connection()
    if connection.needs_rollback:
        connection.validate_no_broken_transaction()
    with connection.wrap_database_errors:
        if connection.vendor == "sqlite":
            cursor = connection.connection.execute(_as_sqlite_writes(statement), values)
            return _outcome(cursor, cursor.fetchall())
        return _run_prepared(connection, statement, values)


def run_planned(statement: str, values: Sequence[Any]) -> Outcome:
    """Run a statement as `run` does, planned for these very values each time: its best plan hangs on them."""
    connection: BaseDatabaseWrapper = connections[DEFAULT_DB_ALIAS]
    return (
        run(statement, values)
        if connection.vendor == "sqlite"
        else _run_by_django(connection, statement, values)
    )


def run_by_one_plan(statement: str, values: Sequence[Any]) -> Outcome:
    """Run a statement as `run` does, by a plan that is made once, whatever the values.

    For many joins about one person: PostgreSQL would plan anew for each, since somebody with a few rows looks cheaper than
    the average, and take three to fifteen times as long for it as to answer.
    """
    connection: BaseDatabaseWrapper = connections[DEFAULT_DB_ALIAS]
    if connection.vendor == "sqlite" or connection.force_debug_cursor or connection.execute_wrappers:
        return run(statement, values)
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    with connection.wrap_database_errors, _one_plan(connection.connection):
        return run(statement, values)


@contextmanager
def _one_plan(driver: Any) -> Iterator[None]:
    """Have it so for a while; PostgreSQL forgets the setting by itself with a transaction that failed."""
    driver.execute(_SET_ONE_PLAN)
    try:
        yield
    finally:
        if not driver.broken and driver.info.transaction_status != _FAILED:
            driver.execute(_RESET_PLANS)


def _run_by_django(connection: BaseDatabaseWrapper, statement: str, values: Sequence[Any]) -> Outcome:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return _outcome(cursor, cursor.fetchall() if cursor.description else [])


def _run_prepared(connection: BaseDatabaseWrapper, statement: str, values: Sequence[Any]) -> Outcome:
    from psycopg import Cursor, OperationalError  # noqa: PLC0415 - an index on SQLite needs no driver of PostgreSQL
    from psycopg.errors import FeatureNotSupported  # noqa: PLC0415 - as above

    driver = connection.connection
    cursor = Cursor(driver)
    # only here: of what Django asks, the driver would hold on to the words, and the values in them
    driver.prepare_threshold = _PREPARED_AFTER if driver.prepared_max else None
    try:
        cursor.execute(statement, values)
    except FeatureNotSupported as error:
        if error.diag.source_function != _OUTDATED:
            raise
        # a column that it shows has become another one since: from here on this connection keeps no plans
        driver.prepared_max, driver.prepare_threshold = 0, None
        if connection.in_atomic_block:
            raise OperationalError(
                "the database was changed meanwhile"
            ) from error  # so that it is tried again
        cursor.execute(statement, values)
    finally:
        driver.prepare_threshold = None
    return _outcome(cursor, cursor.fetchall() if cursor.description else [])


def _outcome(cursor: Any, rows: list[tuple[Any, ...]]) -> Outcome:
    return Outcome(rows, cursor.description, cursor.rowcount, getattr(cursor, "lastrowid", None))


@lru_cache(maxsize=512)
def _as_sqlite_writes(statement: str) -> str:
    """Return the statement with SQLite's own placeholders; a percent sign of its own is doubled, as Django has it."""
    return "%".join(part.replace("%s", "?") for part in statement.split("%%"))


def select(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return all rows as the driver gives them: on SQLite, instants have no zone (it is UTC)."""
    return run(statement, values).rows


def select_planned(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return all rows as `select` does, planned for these very values each time."""
    return run_planned(statement, values).rows


def select_by_one_plan(statement: str, *values: Any) -> list[tuple[Any, ...]]:
    """Return all rows as `select` does, by a plan that is made once, whatever the values."""
    return run_by_one_plan(statement, values).rows


def find_value(statement: str, *values: Any) -> Any:
    """Return the first column of the first row, or None."""
    rows = run(statement, values).rows
    return rows[0][0] if rows else None


def change(statement: str, *values: Any) -> int:
    """Run a statement that changes rows and return how many it changed."""
    return run(statement, values).changed
