"""Plain SQL for the questions of a publish: putting a query together costs Django twenty times what it asks.

Statements are constants that SQLite and PostgreSQL both understand; values are always parameters.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import lru_cache

from django.db import connection

from keyhouse.audit.statements import change, find_value, select, select_by_one_plan, select_planned

__all__ = [
    "Value",
    "among",
    "change",
    "find_value",
    "locking",
    "placeholders",
    "read_instant",
    "select",
    "select_by_one_plan",
    "select_planned",
    "with_text_of",
]

Value = str | int | bytes | None


def placeholders(values: Sequence[object]) -> str:
    """Return `%s, %s, …` for an `IN (…)` with these values."""
    return ", ".join(["%s"] * len(values))


def among(statement: str, texts: Sequence[str]) -> tuple[str, object]:
    """Say "one of these texts" at the `{}` of a statement, and return what is given there: one value for however many."""
    if connection.vendor == "sqlite":
        return statement.replace("{}", "IN (SELECT value FROM json_each(%s))"), json.dumps(texts)
    return statement.replace("{}", "= ANY(%s)"), [*texts]


def locking(statement: str) -> str:
    """Make a `SELECT` hold the lock of what it finds; on SQLite a transaction holds that of the whole database."""
    return statement + " FOR UPDATE" if connection.features.has_select_for_update else statement


def with_text_of(column: str, statement: str) -> str:
    """Let SQLite give the instants of a column as it stores them: its driver would read each, time and again.

    `read_instant` reads either.
    """
    return _texted(column, statement) if connection.vendor == "sqlite" else statement


@lru_cache(maxsize=16)
def _texted(column: str, statement: str) -> str:
    return re.sub(rf"\b{column}\b", f"CAST({column} AS text)", statement, count=1)


def read_instant(value: str | datetime) -> datetime:
    """Return an instant as the driver gave it, in UTC."""
    instant = datetime.fromisoformat(value) if isinstance(value, str) else value
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)  # SQLite knows no zones
