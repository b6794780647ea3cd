"""Finding projects: the exact name first, then names, then what is said in brief, then everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final, NamedTuple

from django.db import connection

from keyhouse.audit.compiled import Compiled, asked_number
from keyhouse.audit.statements import run_planned
from keyhouse.core import configuration
from keyhouse.organizations.rules import key_of
from keyhouse.projects import reading, rights, sql
from keyhouse.projects.models import ClassifierCount, Project
from keyhouse.projects.queries import visible_projects
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
    run=run_planned,
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


def _keys(
    hits: Part, wanted: Wanted, order: Part, *, first: str = "", most: int = MOST_FOUND + 1
) -> list[int]:
    """Return the keys of what was hit and is as wanted, in order.

    Where too many are hit the rest is cut off before that order is made; `first` says which stay of rows.
    """
    by_row = hits.statement.startswith(_ROWS)
    place = engine()
    key, since, stay = (_ROW_KEY, SINCE, first) if by_row else (place.key, place.since, place.first)
    conditions = _conditions(wanted, key, since)
    found = f"SELECT s.project_id, s.letters, s.released_at{hits.statement}{conditions.statement}"
    readable, people = reading.readable(key, wanted.reader_id)
    if readable and (wanted.maintainer or stay == _SHORTEST_OF_ROWS):
        # asked last: to find theirs, or to put names in order, costs less than to ask of each whether it may be read
        readable, people = reading.readable(_ROW_KEY, wanted.reader_id)
        found, stay = f"SELECT s.* FROM ({found}{stay} LIMIT {_NO_LIMIT}) s WHERE true", ""
    found = f"{found}{readable}{stay} LIMIT %s"
    # materialized, since SQLite would otherwise put all that is hit in order before it cuts off
    statement = f"WITH h AS MATERIALIZED ({found}) SELECT h.project_id FROM h ORDER BY {order.statement}"
    values = (*hits.values, *conditions.values, *people, most, *order.values)
    return [number for (number,) in sql.select_planned(statement, *values)]


_ROWS: Final = " FROM projects_searchrow s"
_ROW_KEY: Final = "s.project_id"
# nothing reaches it, but with a limit the databases look at later conditions afterwards
_NO_LIMIT: Final = 2**62


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
        name = wanted.maintainer.lower()
        has_many = bool(wanted.text) and sql.find_value(_MANY, name) is not None
        statement += f" AND {_theirs(key, has_many=has_many)}"
        values += [name, key_of(name), *[name, wanted.reader_id] * rights.BRANCHES_BY_MEMBERSHIP]
    if wanted.released_since:
        statement += f" AND {since}"
        values.append(_instant(wanted.released_since))
    return Part(statement, tuple(values))


# Roles of a person's own, and what stands in an organization, are on public pages. Who belongs to an organization only its
# members see, so that what somebody may do by one is found by them alone.
_PERSON: Final = "(SELECT person.id FROM accounts_user person WHERE LOWER(person.username) = %s)"
_SEEN_BY_READER: Final = (
    f"{{user}} = {_PERSON} AND {{organization}} IN"
    " (SELECT reader.organization_id FROM organizations_membership reader WHERE reader.user_id = %s)"
)
_ROLES: Final = f"SELECT role.project_id FROM projects_role role WHERE role.user_id = {_PERSON}"
_HAS_ROLE: Final = f"EXISTS ({_ROLES} AND role.project_id = {{key}})"
_MANY: Final = f"{_ROLES} LIMIT 1 OFFSET {MOST_FOUND}"
_BY_ORGANIZATION: Final = (
    "SELECT project.id FROM projects_project project JOIN organizations_organization named"
    " ON named.id = project.organization_id WHERE named.normalized_name = %s"
    f" UNION ALL SELECT held.project_id FROM ({rights.selection_by_membership(_SEEN_BY_READER)}) held"
)


def _theirs(key: str, *, has_many: bool) -> str:
    """Return the condition of what is theirs; of somebody with many roles, each hit is asked about, so that these aren't listed."""
    if has_many:
        return f"({_HAS_ROLE.format(key=key)} OR {key} IN ({_BY_ORGANIZATION}))"
    return f"{key} IN ({_ROLES} UNION ALL {_BY_ORGANIZATION})"


def _instant(at: datetime) -> Any:
    return connection.ops.adapt_datetimefield_value(at)


MOST_SHOWN: Final = 500  # classifiers below one
MOST_COUNTED: Final = 1000  # projects of a private index


class Stated(NamedTuple):
    """A classifier, and how many projects state it; None where that isn't counted."""

    name: str
    projects: int | None


def common_classifiers(most: int, reader_id: int | None) -> list[str]:
    """Return the classifiers that most projects state; on a private index, of the newest ones that somebody may read."""
    if not configuration.current().is_private:
        return [one.name for one in _STATED.rows(shape=(most,))]
    counted, _ = _newest(reader_id)
    parted = (name for name in counted if SEPARATOR in name)
    return sorted(parted, key=lambda name: (-counted[name], name))[:most]


_STATED: Final = Compiled(
    lambda most: ClassifierCount.objects.filter(projects__gt=0, name__contains=SEPARATOR).order_by(
        "-projects", "name"
    )[:most]
)


def classifiers_below(classifier: str, reader_id: int | None) -> list[Stated]:
    """Return those directly below one (empty: the topmost) that projects state, by name.

    On a private index, of projects that somebody may read. The numbers that are kept count the others, too, so that of these
    at most `MOST_COUNTED` are counted when it is asked, and where there are more, none.
    """
    if not configuration.current().is_private:
        found = (Stated(one.name, one.projects) for one in _kept_below(classifier))
    else:
        counted, is_all = _newest(reader_id)
        if is_all:
            found = (Stated(name, counted[name]) for name in sorted(counted) if _is_below(name, classifier))
        else:
            kept = (one.name for one in _kept_below(classifier))
            found = (Stated(name, None) for name in kept if name in counted or _is_stated(name, reader_id))
    return list(islice(found, MOST_SHOWN))


def _kept_below(classifier: str) -> Iterator[ClassifierCount]:
    start = f"{classifier}{SEPARATOR}" if classifier else ""
    below = ClassifierCount.objects.filter(projects__gt=0, name__startswith=start).order_by("name")
    # SQLite compares beginnings without case, so that it is looked at again
    return (one for one in below if _is_below(one.name, classifier))


def _is_below(name: str, classifier: str) -> bool:
    """Tell whether a classifier stands directly below another one."""
    start = f"{classifier}{SEPARATOR}" if classifier else ""
    return name.startswith(start) and SEPARATOR not in name[len(start) :]


def _newest(reader_id: int | None) -> tuple[Counter[str], bool]:
    """Count the classifiers of the newest projects that somebody may read; and whether these are all."""
    readable, people = reading.readable(_ROW_KEY, reader_id)
    rows = sql.select_planned(_LINES.format(readable), *people, MOST_COUNTED + 1)
    counted = Counter(node for (lines,) in rows[:MOST_COUNTED] for node in nodes_in(lines))
    return counted, len(rows) <= MOST_COUNTED


_LINES: Final = (
    f"SELECT s.classifiers{_ROWS} WHERE s.released_at IS NOT NULL{{}} ORDER BY s.released_at DESC LIMIT %s"
)


def _is_stated(classifier: str, reader_id: int | None) -> bool:
    """Tell whether a project states a classifier that somebody may read."""
    wanted = Wanted(classifier=classifier, reader_id=reader_id)
    return bool(_keys(engine().hits(Step.MARKS, wanted), wanted, _NEWEST, most=1))
