"""Plain SQL for the questions of a publish: putting a query together costs Django twenty times what it asks.

Statements are constants that SQLite and PostgreSQL both understand; values are always parameters.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import connection

Value = str | int | bytes | None


def select(statement: str, *values: Value) -> list[tuple[Any, ...]]:
    """Return all rows as the driver gives them: on SQLite, instants are text and booleans are numbers."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())


def find_value(statement: str, *values: Value) -> Any:
    """Return the first column of the first row, or None."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        row = cursor.fetchone()
    return row[0] if row else None


def change(statement: str, *values: Value) -> int:
    """Run a statement that changes rows and return how many it changed."""
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return int(cursor.rowcount)


def placeholders(values: Sequence[object]) -> str:
    """Return `%s, %s, …` for an `IN (…)` with these values."""
    return ", ".join(["%s"] * len(values))


def locking(statement: str) -> str:
    """Make a `SELECT` hold the lock of what it finds; on SQLite a transaction holds that of the whole database."""
    return statement + " FOR UPDATE" if connection.features.has_select_for_update else statement


def read_instant(value: str | datetime) -> datetime:
    """Return an instant as the driver gave it, in UTC."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)  # SQLite knows no zones
