"""Where the words are kept and searched: FTS5 tables on SQLite, `tsvector` columns on PostgreSQL.

Both are given words that `rules` made, and take nothing apart themselves; so both find the same. A word holds letters
and digits only, so that none can be read as an operator. The columns of `projects_searchrow` are called `s` here.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from itertools import chain
from typing import Any, Final, NamedTuple, Protocol

from django.db import DatabaseError, connection, transaction

from keyhouse.projects import sql
from keyhouse.projects.search.rules import Wanted, Words

SINCE: Final = "s.released_at >= %s"


class Step(Enum):
    """What a search looks through, one after another: names, what is brief, everything; or marks alone."""

    NAME = "name"
    BRIEF = "brief"
    WHOLE = "whole"
    MARKS = "marks"


class Part(NamedTuple):
    """A part of a statement, and its values."""

    statement: str
    values: tuple[Any, ...] = ()


class Engine(Protocol):
    """What differs between the databases."""

    key: str  # the column by which hits are narrowed to some projects
    since: str  # the condition that narrows them to what was released since an instant
    first: str  # which hits stay where there are too many, as far as that costs nothing

    def keep(self, project_id: int, words: Words) -> None:
        """Keep the words of a project, whose row is there, in place of older ones."""

    def holds(self, project_id: int, words: Words) -> bool:
        """Tell whether these very words are kept."""

    def hits(self, step: Step, wanted: Wanted) -> Part:
        """Return `FROM … WHERE …`, which finds the rows that a step finds."""

    def is_marked(self, marks: Sequence[str]) -> Part:
        """Return ` AND …`, which is true of a row with these marks."""

    def is_damaged(self) -> bool:
        """Tell whether what is searched disagrees with the words that are kept."""

    def rebuild(self) -> None:
        """Make what is searched anew of the words that are kept."""


def engine() -> Engine:
    """Return the one of this database."""
    return _POSTGRESQL if connection.vendor == "postgresql" else _SQLITE


class _Fts5:
    """Two tables: `brief` is small and knows how words begin, `whole` knows whole words only.

    A common beginning in a long text would have to be put together from thousands of lists.
    """

    key = "+f.rowid"  # without the sign, SQLite would ask for the words anew for every project that may be found
    # from the index alone: to look at the row of each hit takes several times as long
    since = f"{key} IN (SELECT late.project_id FROM projects_searchrow late WHERE late.released_at >= %s)"
    first = " ORDER BY f.rowid DESC"  # the newest projects, as the words are kept in that order

    def keep(self, project_id: int, words: Words) -> None:
        marks = " ".join(words.marks)
        sql.change(_KEEP_BRIEF, project_id, " ".join(words.name), " ".join(words.brief), marks)
        sql.change(_KEEP_WHOLE, project_id, " ".join(words.whole), marks)

    def holds(self, project_id: int, words: Words) -> bool:
        brief = sql.select("SELECT name, brief, marks FROM projects_searchbrief WHERE rowid = %s", project_id)
        whole = sql.select("SELECT whole, marks FROM projects_searchwhole WHERE rowid = %s", project_id)
        marks = " ".join(words.marks)
        return (brief, whole) == (
            [(" ".join(words.name), " ".join(words.brief), marks)],
            [(" ".join(words.whole), marks)],
        )

    def hits(self, step: Step, wanted: Wanted) -> Part:
        table = f"projects_search{'whole' if step is Step.WHOLE else 'brief'}"
        # the cross join keeps the order: what the words find first, then its row
        found = f" FROM {table} f CROSS JOIN projects_searchrow s ON s.project_id = f.rowid WHERE {table} MATCH %s"
        marked = _column("marks", _all(wanted.marks)) if wanted.marks else ""
        return Part(found, (" AND ".join(part for part in (self._asked(step, wanted), marked) if part),))

    @staticmethod
    def _asked(step: Step, wanted: Wanted) -> str:
        if step is Step.MARKS:
            return ""
        if step is Step.WHOLE:
            return _column("whole", _all(wanted.words))
        words = _all(wanted.words) + (" *" if wanted.may_go_on else "")
        if step is Step.BRIEF or not _are_joined(wanted):
            return _column(step.value, words)
        return _column("name", f'"{wanted.letters}" * OR ({words})')

    def is_marked(self, marks: Sequence[str]) -> Part:
        return Part(_IS_MARKED, (_column("marks", _all(marks)),)) if marks else Part("")

    def is_damaged(self) -> bool:
        try:
            with transaction.atomic():
                for table in _TABLES:
                    sql.change(f"INSERT INTO {table} ({table}) VALUES ('integrity-check')")
        except DatabaseError:
            return True
        return False

    def rebuild(self) -> None:
        for table in _TABLES:
            sql.change(f"INSERT INTO {table} ({table}) VALUES ('rebuild')")


def _are_joined(wanted: Wanted) -> bool:
    """Tell whether the letters of what is searched are something else than its one word."""
    return bool(wanted.letters) and wanted.words != [wanted.letters]


def _all(words: Sequence[str]) -> str:
    return " AND ".join(f'"{word}"' for word in words)


def _column(name: str, asked: str) -> str:
    return f"{name} : ({asked})"


_TABLES: Final = ("projects_searchbrief", "projects_searchwhole")
_KEEP_BRIEF: Final = (
    "INSERT OR REPLACE INTO projects_searchbrief (rowid, name, brief, marks) VALUES (%s, %s, %s, %s)"
)
_KEEP_WHOLE: Final = "INSERT OR REPLACE INTO projects_searchwhole (rowid, whole, marks) VALUES (%s, %s, %s)"
_IS_MARKED: Final = (
    " AND EXISTS (SELECT 1 FROM projects_searchbrief f WHERE f.rowid = s.project_id"
    " AND projects_searchbrief MATCH %s)"
)


class _TextSearch:
    """Two columns; in `brief`, words of the name stand a second time behind a dot, and marks behind `=`."""

    key = "s.project_id"
    since = SINCE
    first = ""

    def keep(self, project_id: int, words: Words) -> None:
        sql.change(_KEEP, *_vectors(words), project_id)

    def holds(self, project_id: int, words: Words) -> bool:
        return bool(sql.find_value(_HOLDS, project_id, *_vectors(words)))

    def hits(self, step: Step, wanted: Wanted) -> Part:
        column = "whole" if step is Step.WHOLE else "brief"
        parts = [self._asked(step, wanted), _marked(wanted.marks)]
        asked = " & ".join(part for part in parts if part)
        return Part(f" FROM projects_searchrow s WHERE s.{column} @@ %s::tsquery", (asked,))

    @staticmethod
    def _asked(step: Step, wanted: Wanted) -> str:
        if step is Step.MARKS:
            return ""
        if step is Step.WHOLE:
            return _lexemes(wanted.words)
        sign = "." if step is Step.NAME else ""
        words = _lexemes(wanted.words, sign) + (":*" if wanted.may_go_on else "")
        return f"('.{wanted.letters}':* | ({words}))" if sign and _are_joined(wanted) else words

    def is_marked(self, marks: Sequence[str]) -> Part:
        return Part(" AND s.brief @@ %s::tsquery", (_marked(marks),)) if marks else Part("")

    def is_damaged(self) -> bool:
        return False  # what is searched is no second copy here

    def rebuild(self) -> None:
        sql.change("REINDEX TABLE projects_searchrow")


def _marked(marks: Sequence[str]) -> str:
    return _lexemes(marks, "=")


def _lexemes(words: Sequence[str], sign: str = "") -> str:
    return " & ".join(f"'{sign}{word}'" for word in words)


def _vectors(words: Words) -> tuple[str, str]:
    marks = [f"'={mark}'" for mark in words.marks]
    names = (f"'.{word}'" for word in words.name)
    brief = chain(names, (f"'{word}'" for word in words.brief), marks)
    return " ".join(brief), " ".join(chain((f"'{word}'" for word in words.whole), marks))


_KEEP: Final = (
    "UPDATE projects_searchrow SET brief = %s::tsvector, whole = %s::tsvector WHERE project_id = %s"
)
_HOLDS: Final = (
    "SELECT 1 FROM projects_searchrow WHERE project_id = %s AND brief = %s::tsvector AND whole = %s::tsvector"
)

_SQLITE: Final = _Fts5()
_POSTGRESQL: Final = _TextSearch()
