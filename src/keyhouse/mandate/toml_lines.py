"""Mandates as files: TOML or JSON read whole, and for each key of a TOML file the line that it stands on. Pure.

The standard reader of TOML keeps no positions. This finds them by the file's outline: headers of tables, and keys
outside strings and brackets. What is nested inside a value has the line of the nearest key around it.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from keyhouse.mandate.documents import DocumentInvalid, Mandate, Path, read_mandate
from keyhouse.mandate.errors import MandateInvalid

LARGEST: Final = 256 * 1024  # bytes of a file
_KEY: Final = re.compile(r"""[ \t]*(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\.)*)"|'([^']*)')[ \t]*""")
# What matters inside a value: strings of four kinds, comments, brackets.
_PIECE: Final = re.compile(
    r'"""(?:[^"\\]|\\.|"(?!""))*"{3,5}'
    r"|'''(?:[^']|'(?!''))*'{3,5}"
    r'|"(?:[^"\\\n]|\\.)*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|[\[\]{}\n]",
    re.DOTALL,
)
MOST_PARTS: Final = 50  # of a dotted key; readers keep every beginning of one, so long ones cost without end
_LONG_KEY: Final = re.compile(
    r"""(?<![A-Za-z0-9_-])(?:(?:[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){50}"""
)
_AT_LINE: Final = re.compile(r" \(at line (\d+), column \d+\)$")


@dataclass(frozen=True, slots=True)
class Written:
    """A file as it was read: its tables, and the lines of its keys (none for JSON)."""

    body: Any
    lines: Mapping[Path, int] = field(default_factory=dict)

    def line_of(self, path: Path) -> int | None:
        """Return the line of a key, or of the nearest one around it; None where there is none."""
        while path:
            if path in self.lines:
                return self.lines[path]
            path = path[:-1]
        return None

    def read(self) -> Mandate:
        """Return the mandate; raises MandateInvalid with line, path and reason."""
        try:
            return read_mandate(self.body)
        except DocumentInvalid as error:
            raise MandateInvalid(self.placed(error.path, str(error))) from error

    def placed(self, path: Path, sentence: str) -> str:
        """Write a sentence behind the line that it is about."""
        line = self.line_of(path)
        return sentence if line is None else f"line {line}: {sentence}"


def read_written(content: bytes, *, is_json: bool = False) -> Written:
    """Read a file; raises MandateInvalid with the line where it can't be read."""
    if len(content) > LARGEST:
        raise MandateInvalid(f"The file holds {len(content):,} bytes; at most {LARGEST:,} are allowed.")
    try:
        text = content.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise MandateInvalid(f"line {content[: error.start].count(10) + 1}: this is not UTF-8.") from error
    return Written(_read_json(text)) if is_json else Written(_read_toml(text), lines_of(text))


def _read_json(text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise MandateInvalid(f"line {error.lineno}: {error.msg}.") from error
    except (ValueError, RecursionError) as error:
        raise MandateInvalid(f"The file can't be read: {error}.") from error


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice in one object")
    return found


def _read_toml(text: str) -> Any:
    if long := _LONG_KEY.search(text):
        line = text.count("\n", 0, long.start()) + 1
        raise MandateInvalid(f"line {line}: a key has more than {MOST_PARTS} parts.")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        message = str(error)
        found = _AT_LINE.search(message)
        line = int(found[1]) if found else text.count("\n") + 1  # else it is said of the end of the document
        raise MandateInvalid(f"line {line}: {_AT_LINE.sub('', message)}.") from error
    except (ValueError, RecursionError) as error:
        raise MandateInvalid(f"The file can't be read: {error}.") from error


def lines_of(text: str) -> dict[Path, int]:
    """Return the line of each table and key of a TOML text that can be read, by its path."""
    found: dict[Path, int] = {}
    arrays: dict[Path, int] = {}  # how many tables of an array have begun
    table: Path = ()
    for start, line in _statements(text):
        brackets = 2 if text.startswith("[[", start) else int(text.startswith("[", start))
        keys = _keys_at(text, start + brackets)
        if brackets:
            table = _resolved((), keys, arrays)
            if brackets > 1:
                arrays[table] = arrays.get(table, -1) + 1
                table = (*table, arrays[table])
            found.setdefault(table, line)
            found.setdefault(table[:-1] if brackets > 1 else table, line)
        else:
            path = _resolved(table, keys, arrays)
            for end in range(len(table) + 1, len(path) + 1):
                found.setdefault(path[:end], line)
    return found


def _resolved(start: Path, keys: list[str], arrays: Mapping[Path, int]) -> Path:
    """Follow dotted keys; the last one of an array of tables is meant where more follows, and where nothing does it is new."""
    path = start
    for number, key in enumerate(keys):
        path = (*path, key)
        if path in arrays and number < len(keys) - 1:
            path = (*path, arrays[path])
    return path


def _keys_at(text: str, start: int) -> list[str]:
    keys, at = [], start
    while (part := _KEY.match(text, at)) is not None:
        bare, basic, literal = part.groups()
        keys.append(bare or literal or _unescaped(basic or ""))
        at = part.end()
        if not text.startswith(".", at):
            break
        at += 1
    return keys


def _unescaped(basic: str) -> str:
    value: str = tomllib.loads(f'key = "{basic}"')["key"]
    return value


def _statements(text: str) -> Iterator[tuple[int, int]]:
    """Yield where each header or key begins, with its line: what stands at the start of a line outside any value."""
    at, line = 0, 1
    while at < len(text):
        start = at
        while text.startswith((" ", "\t"), start):
            start += 1
        if start < len(text) and text[start] not in "#\n":
            yield start, line
        at, passed = _end_of_statement(text, start)
        line += passed


def _end_of_statement(text: str, start: int) -> tuple[int, int]:
    """Return where the statement ends, behind its line break, and how many line breaks it passed."""
    depth = passed = 0
    for piece in _PIECE.finditer(text, start):
        sign = piece[0]
        passed += sign.count("\n")
        if sign in "[{":
            depth += 1
        elif sign in "]}":
            depth -= 1
        elif sign == "\n" and depth <= 0:
            return piece.end(), passed
    return len(text), passed
