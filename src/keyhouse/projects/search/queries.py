"""Finding projects: the exact name first, then names, then what is said in brief, then everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from django.db import connection

from keyhouse.audit.compiled import Compiled, asked_number
from keyhouse.organizations.rules import key_of
from keyhouse.projects import rights, sql
from keyhouse.projects.models import ClassifierCount, Project, SearchRow
from keyhouse.projects.queries import visible_projects
from keyhouse.projects.reading import hidden_from, hidden_keys
from keyhouse.projects.search.engines import SINCE, Part, Step, engine
from keyhouse.projects.search.rules import MOST_FOUND, SEPARATOR, Wanted, nodes_in


@dataclass(frozen=True, slots=True)
class Found:
    """Keys of projects, the best first; not `is_complete` where there are more than anybody reads."""

    keys: tuple[int, ...]
    is_complete: bool

    def projects(self, first: int, length: int) -> list[Project]:
        """Return some of the projects in their order; one that went into quarantine meanwhile is left out."""
        wanted = self.keys[first : first + length]
        found = _SHOWN.rows(*wanted, shape=(len(wanted),)) if wanted else []
        shown = {one.pk: one for one in found}
        return [shown[key] for key in wanted if key in shown]


_SHOWN: Final = Compiled(
    lambda count: (
        visible_projects()
        .select_related("search_row")
        .filter(pk__in=[asked_number(number) for number in range(count)])
    ),
    keeps_plan=False,
)


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
    if wanted.may_be_name:
        yield from _named(wanted)
    brief = _keys(engine().hits(Step.BRIEF, wanted), wanted, _NEWEST)
    if wanted.has_signs and brief:
        yield _saying(wanted, brief)
    if not wanted.may_be_name:
        yield _holding(wanted)
    yield brief
    yield _keys(engine().hits(Step.WHOLE, wanted), wanted, _NEWEST)


def _named(wanted: Wanted) -> Iterator[list[int]]:
    """Yield what has that name, or one that begins so; then names that hold its words."""
    if wanted.letters and not wanted.marks:
        yield _keys(Part(_BEGINNING, _span(wanted)), wanted, _SHORTEST, first=_SHORTEST_OF_ROWS)
    elif wanted.letters:
        yield _keys(_of_that_name(wanted), wanted, _NEWEST)
    yield _holding(wanted)


def _holding(wanted: Wanted) -> list[int]:
    return _keys(engine().hits(Step.NAME, wanted), wanted, Part(_BY_NAME, _span(wanted)))


def _span(wanted: Wanted) -> tuple[str, str]:
    return wanted.letters, wanted.letters + _AFTER_ALL_LETTERS


def _saying(wanted: Wanted, keys: list[int]) -> list[int]:
    """Return those of these projects whose summary holds the very text; the databases fold other letters than we do."""
    statement = _SUMMARIES.format(sql.placeholders(keys))
    saying = {key for key, summary in sql.select_planned(statement, *keys) if wanted.is_said_in(summary)}
    return [key for key in keys if key in saying]


_SUMMARIES: Final = "SELECT id, summary FROM projects_project WHERE id IN ({})"
_NEWEST: Final = Part("h.released_at IS NULL, h.released_at DESC, h.project_id DESC")
# first those that begin so, then short ones: less stands beside what was typed
_BY_NAME: Final = (
    "CASE WHEN h.letters >= %s AND h.letters < %s THEN 0 ELSE 1 END, LENGTH(h.letters), h.letters"
)
_AFTER_ALL_LETTERS: Final = "{"  # in ASCII, by which letters are compared


def _keys(hits: Part, wanted: Wanted, order: Part, *, first: str = "") -> list[int]:
    """Return the keys of what was hit and is as wanted, in order.

    Where too many are hit the rest is cut off before that order is made; `first` says which stay of rows.
    """
    by_row = hits.statement.startswith(_ROWS)
    place = engine()
    key, since, stay = (_ROW_KEY, SINCE, first) if by_row else (place.key, place.since, place.first)
    conditions = _conditions(wanted, key, since)
    found = (
        f"SELECT s.project_id, s.letters, s.released_at{hits.statement}{conditions.statement}{stay} LIMIT %s"
    )
    # materialized, since SQLite would otherwise put all that is hit in order before it cuts off
    statement = f"WITH h AS MATERIALIZED ({found}) SELECT h.project_id FROM h ORDER BY {order.statement}"
    values = (*hits.values, *conditions.values, MOST_FOUND + 1, *order.values)
    return [number for (number,) in sql.select_planned(statement, *values)]


_ROWS: Final = " FROM projects_searchrow s"
_ROW_KEY: Final = "s.project_id"


# from the index alone, which holds all that is asked for: the best of them are found however many there are
_BEGINNING: Final = f"{_ROWS} WHERE s.letters >= %s AND s.letters < %s"
_SHORTEST_OF_ROWS: Final = " ORDER BY LENGTH(s.letters), s.letters"
_SHORTEST: Final = Part("LENGTH(h.letters), h.letters")


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


def _conditions(wanted: Wanted, key: str, since: str) -> Part:
    statement, values = "", list[Any]()
    if wanted.maintainer:
        statement += f" AND {key} IN ({_THEIRS})"
        name = wanted.maintainer.lower()
        values += [name, key_of(name), *[name] * rights.BRANCHES, wanted.reader_id]
    if wanted.released_since:
        statement += f" AND {since}"
        values.append(_instant(wanted.released_since))
    hidden, people = hidden_keys(wanted.reader_id)
    if hidden:
        statement += f" AND {key} NOT IN ({hidden})"
        values += people
    return Part(statement, tuple(values))


# Roles of a person's own, and what stands in an organization, are on public pages. Who belongs to an organization only its
# members see, so that what somebody may do by one is found by them alone.
_PERSON: Final = "(SELECT person.id FROM accounts_user person WHERE LOWER(person.username) = %s)"
_THEIRS: Final = (
    f"SELECT role.project_id FROM projects_role role WHERE role.user_id = {_PERSON}"
    " UNION ALL SELECT project.id FROM projects_project project JOIN organizations_organization named"
    " ON named.id = project.organization_id WHERE named.normalized_name = %s"
    f" UNION ALL SELECT held.project_id FROM ({rights.selection(f'{{user}} = {_PERSON}')}) held"
    " JOIN projects_project project ON project.id = held.project_id JOIN organizations_membership reader"
    " ON reader.organization_id = project.organization_id AND reader.user_id = %s"
)


def _instant(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


MOST_SHOWN: Final = 500  # classifiers below one


def common_classifiers(most: int, reader_id: int | None) -> list[str]:
    """Return the classifiers that most projects state, of those that somebody may read."""
    less = _stated_by_hidden(reader_id)
    found = _STATED.rows(shape=(most + len(less),))
    return [one.name for one in sorted(_without(found, less), key=lambda one: -one.projects)][:most]


_STATED: Final = Compiled(
    lambda most: ClassifierCount.objects.filter(projects__gt=0, name__contains=SEPARATOR).order_by(
        "-projects", "name"
    )[:most]
)


def is_stated(classifier: str, reader_id: int | None) -> bool:
    """Tell whether a project that can be found states this classifier, or one below it."""
    found = ClassifierCount.objects.filter(name=classifier, projects__gt=0)
    return any(_without(found, _stated_by_hidden(reader_id)))


def classifiers_below(classifier: str, reader_id: int | None) -> list[ClassifierCount]:
    """Return those directly below one (empty: the topmost) that projects state, by name."""
    start = f"{classifier}{SEPARATOR}" if classifier else ""
    below = ClassifierCount.objects.filter(projects__gt=0, name__startswith=start).order_by("name")
    # SQLite compares beginnings without case, so that it is looked at again
    direct = (one for one in below if one.name.startswith(start) and SEPARATOR not in one.name[len(start) :])
    return list(islice(_without(direct, _stated_by_hidden(reader_id)), MOST_SHOWN))


def _stated_by_hidden(reader_id: int | None) -> Counter[str]:
    """Return how many of the projects that somebody may not read state each classifier: they are counted with the others."""
    hidden = SearchRow.objects.filter(hidden_from(reader_id, "project"))
    rows = hidden.values_list("classifiers", flat=True)
    return Counter(node for lines in rows for node in set(nodes_in(lines)))


def _without(found: Iterable[ClassifierCount], less: Counter[str]) -> Iterator[ClassifierCount]:
    """Yield what others state, too, with their numbers."""
    for one in found:
        one.projects -= less[one.name]
        if one.projects > 0:
            yield one
