"""Who has which right in which project: by a role of their own, as an owner of its organization, or by a team.

Worked out from live rows whenever it is asked, and copied nowhere: whoever is out of an organization or a team has no
right by it from the next question on. This is the one place that knows how the three are joined; each of them is found
from an index by the project or by the person, whichever is asked for.

A team gives rights in projects of its own organization only, and only to members of that, whatever rows say.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import datetime
from typing import Any, Final, NamedTuple

from django.db.models import Exists, F, OuterRef, Q, QuerySet

from keyhouse.core.actions import Thing
from keyhouse.organizations.models import Membership
from keyhouse.projects import sql
from keyhouse.projects.models import Project, Role, TeamRole
from keyhouse.projects.rules import OWNER

OWN: Final = "own"
BY_ORGANIZATION: Final = "organization"
_AT_ONCE: Final = 500  # numbers of one question


class Right(NamedTuple):
    """That somebody has a role in a project; `via` is `own`, `organization`, or the name of a team."""

    project_id: int
    user_id: int
    kind: str
    since_at: datetime
    via: str


_LATER: Final = "CASE WHEN {0} > {1} THEN {0} ELSE {1} END"
_SINCE_MEMBER: Final = _LATER.format(
    "COALESCE(project.organization_since_at, member.since_at)", "member.since_at"
)
_SINCE_TEAM: Final = _LATER.format("given.since_at", "joined.since_at")
# With each: how it names the person and the project. Owner is the greater of both words, so `MAX` finds the higher role.
_BRANCHES: Final = (
    (
        "role.user_id",
        "role.project_id",
        (
            f"SELECT role.project_id, role.user_id, role.kind, role.since_at, '{OWN}' AS via"
            " FROM projects_role role WHERE {}"
        ),
    ),
    (
        "member.user_id",
        "project.id",
        (
            f"SELECT project.id AS project_id, member.user_id, 'owner', {_SINCE_MEMBER}, '{BY_ORGANIZATION}'"
            " FROM projects_project project JOIN organizations_membership member"
            " ON member.organization_id = project.organization_id AND member.kind = 'owner' WHERE {}"
        ),
    ),
    (
        "member.user_id",
        "project.id",
        (
            f"SELECT project.id AS project_id, member.user_id, given.kind, {_SINCE_TEAM}, team.name"
            " FROM projects_teamrole given JOIN projects_project project ON project.id = given.project_id"
            " JOIN organizations_team team ON team.id = given.team_id AND team.organization_id = project.organization_id"
            " JOIN organizations_teammember joined ON joined.team_id = team.id"
            " JOIN organizations_membership member ON member.id = joined.member_id"
            " AND member.organization_id = team.organization_id WHERE {}"
        ),
    ),
)
BRANCHES: Final = len(_BRANCHES)  # so often stand the values of a condition
BRANCHES_BY_MEMBERSHIP: Final = BRANCHES - 1  # the first is of a person's own


def selection(condition: str) -> str:
    """Return the statement that selects rights, by a condition on `{user}` and `{project}`; to stand in parentheses.

    The values of the condition are given once for each of its `BRANCHES`.
    """
    return _selection(condition, 0)


def selection_by_membership(condition: str) -> str:
    """Return the same of rights that somebody has as a member of an organization; `{organization}` may be in the condition.

    The values are given once for each of `BRANCHES_BY_MEMBERSHIP`.
    """
    return _selection(condition, BRANCHES - BRANCHES_BY_MEMBERSHIP)


def _selection(condition: str, first: int) -> str:
    return " UNION ALL ".join(
        statement.format(condition.format(user=user, project=project, organization="member.organization_id"))
        for user, project, statement in _BRANCHES[first:]
    )


# Each way to a right by itself, counted from indexes alone.
_MORE: Final = (
    "SELECT 1 FROM projects_role role WHERE role.user_id = {user}",
    (
        "SELECT 1 FROM organizations_membership member JOIN projects_project project"
        " ON project.organization_id = member.organization_id WHERE member.user_id = {user} AND member.kind = 'owner'"
    ),
    (
        "SELECT 1 FROM organizations_membership member JOIN organizations_teammember joined ON joined.member_id = member.id"
        " JOIN projects_teamrole given ON given.team_id = joined.team_id WHERE member.user_id = {user}"
    ),
)


def has_more_than(count: int, user: str) -> str:
    """Return the condition that somebody (a column) has more than so many rights of one way, or may have them.

    A right that has outlived its project's place in the organization counts, too: it is about how much there is to read.
    """
    return " OR ".join(f"EXISTS ({one.format(user=user)} LIMIT 1 OFFSET {count})" for one in _MORE)


def find_role_kind(user_id: int | None, thing: Thing) -> str | None:
    """Return the higher role that somebody has, `owner` or `maintainer`, or None: no role, or no such project.

    The project is named by `thing.id`, or by its normalised `thing.name` where that is None.
    """
    by_name = thing.id is None
    values = (user_id, thing.name if by_name else thing.id) * BRANCHES
    kind: str | None = sql.find_value(_KIND_BY_NAME if by_name else _KIND_BY_ID, *values)
    return kind


NAMED: Final = "(SELECT named.id FROM projects_project named WHERE named.normalized_name = %s)"
_KIND_BY_ID: Final = f"SELECT MAX(held.kind) FROM ({selection('{user} = %s AND {project} = %s')}) held"
_KIND_BY_NAME: Final = (
    f"SELECT MAX(held.kind) FROM ({selection('{user} = %s AND {project} = ' + NAMED)}) held"
)


def rights_in(project_id: int) -> list[Right]:
    """Return every right in a project, by person; whoever has several stands there with each."""
    return _rights(_OF_PROJECT, [project_id] * BRANCHES)


def rights_of(user_id: int) -> list[Right]:
    """Return every right of a person, by project."""
    return _rights(_OF_PERSON, [user_id] * BRANCHES)


def rights_in_several(project_ids: Collection[int]) -> Iterator[Right]:
    """Yield every right in these projects."""
    for some in _pieces(project_ids):
        statement = selection("{project} IN (" + sql.placeholders(some) + ")")
        yield from _rights(statement, some * BRANCHES)


_OF_PROJECT: Final = f"{selection('{project} = %s')} ORDER BY 1, 2"
_OF_PERSON: Final = f"{selection('{user} = %s')} ORDER BY 1, 2"


def _rights(statement: str, values: list[int]) -> list[Right]:
    return [
        Right(project_id, user_id, kind, sql.read_instant(since), via)
        for project_id, user_id, kind, since, via in sql.select(statement, *values)
    ]


def _pieces(numbers: Collection[int]) -> Iterator[list[int]]:
    wanted = sorted(numbers)
    for start in range(0, len(wanted), _AT_ONCE):
        yield wanted[start : start + _AT_ONCE]


def people_of(project_id: int) -> list[int]:
    """Return the account numbers of everybody who has a right in a project."""
    return sorted({one.user_id for one in rights_in(project_id)})


def people_named(normalized_name: str) -> list[int]:
    """Return the same for a project by its name; nobody where there is none."""
    found = Project.objects.filter(normalized_name=normalized_name).values_list("pk", flat=True).first()
    return [] if found is None else people_of(found)


def owners_of(project_id: int) -> list[int]:
    """Return the account numbers of everybody who owns a project, by whatever."""
    return sorted({one.user_id for one in rights_in(project_id) if one.kind == OWNER})


def highest(found: Iterable[Right]) -> dict[int, str]:
    """Return of rights of one person the higher one in each project."""
    kinds: dict[int, str] = {}
    for one in found:
        kinds[one.project_id] = max(one.kind, kinds.get(one.project_id, ""))
    return kinds


def of_person(user_id: int, *kinds: str) -> Q:
    """Return the condition of a project that somebody has a right in, of these kinds (none: of any).

    One list of numbers: of several conditions joined by "or", PostgreSQL looks at every project of the index.
    """
    by_role = Q() if not kinds else Q(kind__in=kinds)
    found: list[QuerySet[Any, Any]] = [
        Role.objects.filter(by_role, user_id=user_id).values("project_id"),
        _team_roles(user_id).filter(by_role).values("project_id"),
    ]
    if not kinds or OWNER in kinds:
        owned = Membership.objects.filter(user_id=user_id, kind=OWNER)
        found.append(owned.filter(organization__projects__isnull=False).values("organization__projects"))
    return Q(pk__in=found[0].union(*found[1:], all=True))


def of_row(project: str, user: str) -> Q:
    """Return the condition of a row whose person (a column) has a right in its project (a column), by whatever."""
    here, whose = OuterRef(project), OuterRef(user)
    owners = Membership.objects.filter(user=whose, kind=OWNER, organization__projects=here)
    teams = TeamRole.objects.filter(
        project=here,
        team__organization=F("project__organization"),
        team__members__member__user=whose,
        team__members__member__organization=F("team__organization"),
    )
    return Q(Exists(Role.objects.filter(project=here, user=whose))) | Q(Exists(owners)) | Q(Exists(teams))


def _team_roles(user_id: int) -> QuerySet[TeamRole, Any]:
    return TeamRole.objects.filter(
        team__members__member__user_id=user_id,
        team__organization=F("project__organization"),
        team__members__member__organization=F("team__organization"),
    )
