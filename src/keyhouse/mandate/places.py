"""In which organizations with a mandate of their own people may do something, and to what there; in plain SQL."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from keyhouse.mandate import declarations
from keyhouse.mandate.declarations import DECLARED, TOLD_AS, Declared, Place
from keyhouse.mandate.facts import Object
from keyhouse.mandate.models import Change
from keyhouse.projects import sql
from keyhouse.projects.rights import BRANCHES, selection

There = tuple[Place, tuple[Object, ...]]  # an organization, and what somebody may act on of it
_AT_ONCE: Final = 500  # people of one question


def places_of(user_id: int) -> list[There]:
    """Return the organizations with a mandate of their own in which somebody may do something, and to what there.

    One question where no organization has one, two where any has.
    """
    return places_among([user_id]).get(user_id, [])


def places_among(user_ids: Sequence[int]) -> dict[int, list[There]]:
    """Return the same of several people, in as many questions; who has no such place is left out."""
    if not is_any_declared():
        return {}
    found: dict[int, list[There]] = {}
    for start in range(0, len(user_ids), _AT_ONCE):
        found |= _places_of_some(user_ids[start : start + _AT_ONCE])
    return found


def is_any_declared() -> bool:
    """Tell whether any organization ever declared something."""
    return bool(sql.find_value(_CHANGE, DECLARED))


def _places_of_some(user_ids: Sequence[int]) -> dict[int, list[There]]:
    rows: dict[tuple[int, str], tuple[set[Declared], set[Object]]] = defaultdict(lambda: (set(), set()))
    asked = _PLACES.replace("{people}", f"IN ({sql.placeholders(user_ids)})")
    values = [*user_ids] * (BRANCHES + 1)
    for user_id, name, form, announced_at, from_at, begins_at, project, since in sql.select(asked, *values):
        declared, things = rows[user_id, name]
        declared.add(declarations.read(form, announced_at, from_at, begins_at))
        if project is None:
            things.add(Object("organization", name, organization=name))
        else:
            since_at = None if since is None else sql.read_instant(since)
            things.add(Object("project", project, organization=name, organization_since=since_at))
    found: dict[int, list[There]] = defaultdict(list)
    for (user_id, name), (declared, things) in sorted(rows.items()):
        ordered = tuple(sorted(things, key=lambda one: (one.kind, one.name)))
        found[user_id].append((Place(name, None, tuple(sorted(declared))), ordered))
    return dict(found)


class Named(NamedTuple):
    """Which organization a mandate is of, by its name today, and what each of its versions asks for."""

    organization: str
    demands: Mapping[int, str]


def named(notice_names: Collection[str]) -> dict[str, Named]:
    """Return of which organizations these mandates are, by what their notices are known by; gone ones are left out."""
    keys = sorted({key for one in notice_names if (key := _key_of(one)) is not None})
    found: dict[str, tuple[str, dict[int, str]]] = {}
    for key, organization, version, demand in _named(keys):
        found.setdefault(f"{TOLD_AS}{key}", (organization, {}))[1][version] = demand
    return {name: Named(*one) for name, one in found.items()}


def _key_of(notice_name: str) -> int | None:
    key = notice_name.removeprefix(TOLD_AS)
    return int(key) if key != notice_name and key.isdecimal() else None


def _named(keys: Sequence[int]) -> Iterator[Sequence[Any]]:
    if keys:
        yield from sql.select(_NAMED.format(sql.placeholders(keys)), *keys)


_CHANGE: Final = f"SELECT value FROM {Change._meta.db_table} WHERE id = %s"  # noqa: SLF001 - how Django names its model interface
_RIGHTS: Final = selection("{user} {{people}}")
_MINE: Final = (
    "SELECT member.user_id AS user_id, member.organization_id AS organization_id,"
    " CAST(NULL AS varchar(200)) AS project, CAST(NULL AS timestamptz) AS since_at"
    " FROM organizations_membership member WHERE member.user_id {people}"
    " UNION ALL SELECT held.user_id, project.organization_id, project.normalized_name, project.organization_since_at"
    f" FROM ({_RIGHTS}) held JOIN projects_project project ON project.id = held.project_id"
    " WHERE project.organization_id IS NOT NULL"
)
_PLACES: Final = (
    f"SELECT mine.user_id, organization.normalized_name, {declarations.FORM}, declared.announced_at, declared.from_at,"
    f" declared.begins_at, mine.project, mine.since_at FROM ({_MINE}) mine"
    " JOIN organizationmandates_declaration declared ON declared.organization_id = mine.organization_id"
    " JOIN organizations_organization organization ON organization.id = declared.organization_id"
    " WHERE declared.withdrawn_at IS NULL"
)
_NAMED: Final = (
    "SELECT declared.id, organization.normalized_name, other.version, other.demand"
    " FROM organizationmandates_declaration declared"
    " JOIN organizations_organization organization ON organization.id = declared.organization_id"
    " JOIN organizationmandates_declaration other ON other.organization_id = organization.id"
    " WHERE declared.id IN ({})"
)
