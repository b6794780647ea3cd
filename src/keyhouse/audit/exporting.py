"""Records of the log as others read them: JSON lines, or a table for spreadsheets."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any, Final

from keyhouse.audit.models import Record
from keyhouse.core import clock

COLUMNS: Final = (
    "id", "at", "action", "outcome", "code", "actor_kind", "actor_id", "actor", "credential", "proved",
    "network", "user_agent", "about_kind", "about_id", "about", "details",
)  # fmt: skip
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")  # what spreadsheets would carry out


def as_dict(row: Record) -> dict[str, Any]:
    """Return one record as it is exported."""
    return {
        "id": row.id,
        "at": clock.format_instant(row.at),
        "action": row.action,
        "outcome": row.outcome,
        "code": row.code,
        "actor": {"kind": row.actor_kind, "id": row.actor_id, "name": row.personal.name},
        "credential": row.credential,
        "proved": row.methods,
        "network": row.personal.network,
        "user_agent": row.personal.user_agent,
        "about": {"kind": row.about_kind, "id": row.about_id, "name": row.about_name},
        "details": row.details,
    }


def as_json_lines(rows: Iterable[Record]) -> Iterator[str]:
    """Yield one JSON object a line."""
    for row in rows:
        yield json.dumps(as_dict(row)) + "\n"


def as_csv(rows: Iterable[Record]) -> Iterator[str]:
    """Yield a table with a head (RFC 4180); no cell begins with what a spreadsheet would carry out."""
    return as_table(COLUMNS, map(_values, rows))


def as_table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> Iterator[str]:
    """Yield a table with a head as `as_csv` does."""
    yield _line(head)
    for row in rows:
        yield _line(map(_cell, row))


def _values(row: Record) -> tuple[object, ...]:
    who, about = (row.actor_kind, row.actor_id), (row.about_kind, row.about_id, row.about_name)
    seen = (row.personal.network, row.personal.user_agent)
    proved = " ".join(row.methods)
    head = (row.id, clock.format_instant(row.at), row.action, row.outcome, row.code)
    return (*head, *who, row.personal.name, row.credential, proved, *seen, *about, json.dumps(row.details))


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _line(cells: Iterable[str]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()
