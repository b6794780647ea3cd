"""Small tables that operators write by hand: CSV files with a first line of column names."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

_LARGEST: Final = 8 * 2**20
_LONGEST: Final = 1000  # characters of one field
_SHOWN: Final = 80  # characters of a first line that names no columns
_WIDE_MARKS: Final = (
    codecs.BOM_UTF16_LE,
    codecs.BOM_UTF16_BE,
)  # what spreadsheets call Unicode text begins so
_SEPARATORS: Final = ",;\t"  # spreadsheets write semicolons where the comma is for decimals


class TableError(Exception):
    """The file can't be read as such a table; the message is one sentence that names the line."""


def read_table(
    path: Path, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Give each row with the number of its line: the columns without blanks around, missing ones empty.

    Commas, semicolons or tabs part the columns, whichever the first line has; rows without anything in them are passed
    over. Raises TableError, also for a column that nobody knows.
    """
    text = _read(path)
    rows = csv.DictReader(
        io.StringIO(text, newline=""), restkey="", restval="", delimiter=_separator_of(text)
    )
    try:
        rows.fieldnames = [name.strip().lower() for name in rows.fieldnames or ()]
        _check_columns(path, rows.fieldnames, required, optional)
        for row in rows:
            if any(map(_is_said, row.values())):
                yield rows.line_num, _checked(row, rows.line_num, required, optional)
    except csv.Error as error:
        raise TableError(f"Line {rows.line_num} of {path.name!r} is no CSV.") from error


def _separator_of(text: str) -> str:
    """Return what the first line has most of."""
    first = text.partition("\n")[0]
    return max(_SEPARATORS, key=first.count)


def _is_said(value: str | list[str] | None) -> bool:
    """Tell whether a field, or one of those behind the last column, holds anything."""
    return any(part.strip() for part in ([value] if isinstance(value, str) else value or ()))


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise TableError(f"{path.name!r} can't be read: {error.strerror}.") from error
    if len(data) > _LARGEST:
        raise TableError(f"{path.name!r} has more than {_LARGEST:,} bytes.")
    is_wide = data.startswith(_WIDE_MARKS)
    try:
        text = data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise TableError(f"{path.name!r} is not UTF-{'16' if is_wide else '8'}.") from error
    if not text.strip():
        raise TableError(f"{path.name!r} is empty.")
    return text


def _check_columns(
    path: Path, found: Sequence[str], required: Sequence[str], optional: Sequence[str]
) -> None:
    is_known = set(required) <= set(found) <= {*required, *optional} and len(set(found)) == len(found)
    if not is_known:
        beside = f", and may name {' and '.join(optional)}" if optional else ""
        raise TableError(
            f"The first line of {path.name!r} must name the columns {' and '.join(required)}{beside}; "
            f"it is {_shortened(', '.join(found))!r}."
        )


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _checked(
    row: dict[str, str], number: int, required: Sequence[str], optional: Sequence[str]
) -> dict[str, str]:
    values = {name: (row.get(name) or "").strip() for name in (*required, *optional)}
    if _is_said(row.get("")) or not all(values[name] for name in required):
        raise TableError(
            f"Line {number} needs {' and '.join(required)}, and no more columns than the first line."
        )
    if any(len(value) > _LONGEST or not value.isprintable() for value in values.values()):
        raise TableError(f"Line {number} holds something too long, or unreadable.")
    return values
