"""Finding projects: the exact name first, then names, then what is said in brief, then everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from django.db import connection

from keyhouse.projects import sql
from keyhouse.projects.models import ClassifierCount, Project
from keyhouse.projects.queries import visible_projects
from keyhouse.projects.search.engines import Part, Step, engine
from keyhouse.projects.search.rules import MOST_FOUND, SEPARATOR, Wanted


@dataclass(frozen=True, slots=True)
class Found:
    """Keys of projects, the best first; not `is_complete` where there are more than anybody reads."""

    keys: tuple[int, ...]
    is_complete: bool

    def projects(self, first: int, length: int) -> list[Project]:
        """Return some of the projects in their order; one that went into quarantine meanwhile is left out."""
        wanted = self.keys[first : first + length]
        shown = visible_projects().select_related("search_row").in_bulk(wanted)
        return [shown[key] for key in wanted if key in shown]


def find_projects(wanted: Wanted) -> Found:
    """Find projects; each step looks further where those before didn't find enough. Never more than `MOST_FOUND`."""
    keys: dict[int, None] = {}
    is_complete = True
    for keys_of_step in _steps(wanted):
        is_complete = is_complete and len(keys_of_step) <= MOST_FOUND
        keys.update(dict.fromkeys(keys_of_step))
        if len(keys) > MOST_FOUND:
            break
    return Found(tuple(keys)[:MOST_FOUND], is_complete and len(keys) <= MOST_FOUND)


def _steps(wanted: Wanted) -> Iterator[list[int]]:
    if not wanted.text:
        if not wanted.is_empty:
            yield _listed(wanted)
        return
    if not wanted.words:
        return  # signs alone are in no project
    if wanted.letters:
        yield _keys(_of_that_name(wanted), wanted, _NEWEST)
    start = wanted.letters
    yield _keys(engine().hits(Step.NAME, wanted), wanted, Part(_BY_NAME, (start, start + _AFTER_ALL_LETTERS)))
    for step in (Step.BRIEF, Step.WHOLE):
        yield _keys(engine().hits(step, wanted), wanted, _NEWEST)


_NEWEST: Final = Part("h.released_at IS NULL, h.released_at DESC, h.project_id DESC")
# first those that begin so, then short ones: less stands beside what was typed
_BY_NAME: Final = (
    "CASE WHEN h.letters >= %s AND h.letters < %s THEN 0 ELSE 1 END, LENGTH(h.letters), h.letters"
)
_AFTER_ALL_LETTERS: Final = "{"  # in ASCII, by which letters are compared


def _keys(hits: Part, wanted: Wanted, order: Part, *, first: str = "") -> list[int]:
    """Return the keys of what was hit and is as wanted, in order.

    Where too many are hit the rest is cut off before that order is made; `first` says which stay.
    """
    conditions = _conditions(wanted, "s.project_id" if hits.statement.startswith(_ROWS) else engine().key)
    found = (
        f"SELECT s.project_id, s.letters, s.released_at{hits.statement}{conditions.statement}{first} LIMIT %s"
    )
    statement = f"SELECT h.project_id FROM ({found}) h ORDER BY {order.statement}"
    values = (*hits.values, *conditions.values, MOST_FOUND + 1, *order.values)
    return [key for (key,) in sql.select(statement, *values)]


_ROWS: Final = " FROM projects_searchrow s"


def _of_that_name(wanted: Wanted) -> Part:
    marked = engine().is_marked(wanted.marks)
    return Part(
        f"{_ROWS} WHERE s.letters = %s{marked.statement}",
        (wanted.letters, *marked.values),
    )


def _listed(wanted: Wanted) -> list[int]:
    """Return what is there where no word is asked for."""
    if wanted.marks:
        return _keys(engine().hits(Step.MARKS, wanted), wanted, _NEWEST)
    every = Part(f"{_ROWS} WHERE s.project_id > 0")
    return _keys(every, wanted, _NEWEST, first=" ORDER BY s.released_at DESC")


def _conditions(wanted: Wanted, key: str) -> Part:
    statement, values = "", []
    if wanted.maintainer:
        statement += f" AND {key} IN ({_THEIRS})"
        values.append(wanted.maintainer.lower())
    if wanted.released_since:
        statement += " AND s.released_at >= %s"
        values.append(_instant(wanted.released_since))
    return Part(statement, tuple(values))


_THEIRS: Final = (
    "SELECT role.project_id FROM projects_role role JOIN accounts_user person ON person.id = role.user_id"
    " WHERE LOWER(person.username) = %s"
)


def _instant(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


MOST_SHOWN: Final = 500  # classifiers below one


def common_classifiers(most: int) -> list[str]:
    """Return the classifiers that most projects state."""
    stated = ClassifierCount.objects.filter(projects__gt=0, name__contains=SEPARATOR)
    return list(stated.order_by("-projects", "name").values_list("name", flat=True)[:most])


def is_stated(classifier: str) -> bool:
    """Tell whether a project that can be found states this classifier, or one below it."""
    return ClassifierCount.objects.filter(name=classifier, projects__gt=0).exists()


def classifiers_below(classifier: str) -> list[ClassifierCount]:
    """Return those directly below one (empty: the topmost) that projects state, by name."""
    start = f"{classifier}{SEPARATOR}" if classifier else ""
    below = ClassifierCount.objects.filter(projects__gt=0, name__startswith=start).order_by("name")
    # SQLite compares beginnings without case, so that it is looked at again
    direct = (one for one in below if one.name.startswith(start) and SEPARATOR not in one.name[len(start) :])
    return list(islice(direct, MOST_SHOWN))
