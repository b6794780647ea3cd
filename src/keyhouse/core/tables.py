"""Small tables that operators write by hand: CSV files with a first line of column names."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_LARGEST: Final = 8 * 2**20
_LONGEST: Final = 1000  # characters of one field


class TableError(Exception):
    """The file can't be read as such a table; the message is one sentence that names the line."""


def read_table(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Give each row with the number of its line: the columns without blanks around, missing ones empty.

    Raises TableError, also for a column that nobody knows.
    """
    rows = csv.DictReader(io.StringIO(_read(path)), restkey="", restval="")
    try:
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        _check_columns(path, rows.fieldnames, required, optional)
        for row in rows:
            yield rows.line_num, _checked(row, rows.line_num, required, optional)
    except csv.Error as error:
        raise TableError(f"Line {rows.line_num} of {path.name!r} is no CSV.") from error


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
        text = data.decode("utf-8-sig")
    except OSError as error:
        raise TableError(f"{path.name!r} can't be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise TableError(f"{path.name!r} is not UTF-8.") from error
    if len(data) > _LARGEST:
        raise TableError(f"{path.name!r} has more than {_LARGEST:,} bytes.")
    return text


def _check_columns(
    path: Path, found: Sequence[str], required: Sequence[str], optional: Sequence[str]
) -> None:
    is_known = set(required) <= set(found) <= {*required, *optional} and len(set(found)) == len(found)
    if not is_known:
        beside = f" and may name {', '.join(optional)}" if optional else ""
        raise TableError(f"The first line of {path.name!r} must name {', '.join(required)}{beside}.")


def _checked(
    row: dict[str, str], number: int, required: Sequence[str], optional: Sequence[str]
) -> dict[str, str]:
    values = {name: (row.get(name) or "").strip() for name in (*required, *optional)}
    if "" in row or not all(values[name] for name in required):
        raise TableError(
            f"Line {number} needs {', '.join(required)}, and no more columns than the first line."
        )
    if any(len(value) > _LONGEST or not value.isprintable() for value in values.values()):
        raise TableError(f"Line {number} holds something too long, or unreadable.")
    return values
