"""Who may read which projects of a private index, beside what a credential itself allows.

Worked out from live rows whenever it is asked, as `rights` is: whoever leaves an organization or a team reads nothing by it
from the next question on. Only projects that are kept to somebody count, so that nothing is asked about the others. On a
public index everybody reads all, whatever rows say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from django.db.models import F, Func, IntegerField, Q
from django.db.models.expressions import RawSQL
from django.db.models.lookups import Exact

from keyhouse.core import configuration
from keyhouse.core.actor import Actor
from keyhouse.organizations.rules import EVERYBODY, MEMBERS, TEAMS
from keyhouse.projects import rights, sql
from keyhouse.projects.models import Project
from keyhouse.projects.rules import AS_ORGANIZATION, ROLES, Neighbours

_KEPT: Final = f"IN ('{MEMBERS}', '{TEAMS}', '{ROLES}')"
# both parts are found from an index
_RESTRICTED: Final = (
    f"SELECT p.id FROM projects_project p WHERE p.reads {_KEPT}"
    " UNION ALL SELECT p.id FROM organizations_organization place"
    " JOIN projects_project p ON p.organization_id = place.id"
    f" WHERE place.reads {_KEPT} AND p.reads = '{AS_ORGANIZATION}'"
)
# `own` is what the project says, `reads` what holds for it
_READ_BY: Final = (
    "SELECT p.id, p.normalized_name, p.organization_id, p.reads AS own, CASE WHEN p.reads <> '"
    f"{AS_ORGANIZATION}' THEN p.reads ELSE COALESCE(place.reads, '{EVERYBODY}') END AS reads"
    " FROM projects_project p LEFT JOIN organizations_organization place ON place.id = p.organization_id"
)
_BY_MEMBERSHIP: Final = (
    "SELECT 1 FROM organizations_membership member WHERE member.user_id = %s"
    f" AND member.organization_id = kept.organization_id AND kept.reads = '{MEMBERS}'"
)
_BY_TEAM: Final = (
    "SELECT 1 FROM organizations_membership member"
    " JOIN organizations_teammember joined ON joined.member_id = member.id"
    " JOIN organizations_team team ON team.id = joined.team_id AND team.organization_id = member.organization_id"
    " LEFT JOIN projects_readingteam chosen ON chosen.team_id = team.id AND chosen.project_id = kept.id"
    f" WHERE member.user_id = %s AND member.organization_id = kept.organization_id AND kept.reads = '{TEAMS}'"
    " AND ((kept.own = '' AND team.reads) OR (kept.own <> '' AND chosen.id IS NOT NULL))"
)
_BY_RIGHT: Final = rights.selection("{user} = %s AND {project} = kept.id")
_PEOPLE: Final = rights.BRANCHES + 2  # so often stands the person in the condition
# 1 for a project that is hidden, else 0; a value, and no condition that the database might work out for all projects first
_IS_HIDDEN: Final = (
    f"SELECT CASE WHEN kept.reads {_KEPT} AND NOT EXISTS ({_BY_RIGHT}) AND NOT EXISTS ({_BY_MEMBERSHIP})"
    f" AND NOT EXISTS ({_BY_TEAM}) THEN 1 ELSE 0 END FROM ({_READ_BY}) kept"
)
_NAMES: Final = (
    f"SELECT p.normalized_name FROM projects_project p WHERE p.id IN ({_RESTRICTED})"
    f" AND ({_IS_HIDDEN} WHERE kept.id = p.id) = 1"
)
_ANY: Final = f"SELECT 1 FROM ({_RESTRICTED}) kept LIMIT 1"
_ONE: Final = f"{_IS_HIDDEN} WHERE kept.normalized_name = %s"
# Numbers of all projects that somebody may read, and maybe of some that they may not: each way to read one by itself, from an
# index. Whether one of them may be read is still asked, so that a mistake here could hide something, but show nothing.
_WAYS: Final = (
    f"SELECT p.id FROM projects_project p WHERE p.reads = '{EVERYBODY}'"
    f" UNION ALL SELECT p.id FROM projects_project p WHERE p.reads = '{AS_ORGANIZATION}' AND p.organization_id IS NULL"
    " UNION ALL SELECT p.id FROM organizations_organization place JOIN projects_project p"
    f" ON p.organization_id = place.id AND p.reads = '{AS_ORGANIZATION}' WHERE place.reads = '{EVERYBODY}'"
    f" UNION ALL SELECT held.project_id FROM ({rights.selection('{user} = %s')}) held"
    " UNION ALL SELECT p.id FROM organizations_membership member JOIN projects_project p"
    f" ON p.organization_id = member.organization_id AND p.reads = '{MEMBERS}' WHERE member.user_id = %s"
    " UNION ALL SELECT p.id FROM organizations_membership member"
    " JOIN organizations_organization place ON place.id = member.organization_id"
    f" JOIN projects_project p ON p.organization_id = place.id AND p.reads = '{AS_ORGANIZATION}'"
    f" WHERE member.user_id = %s AND (place.reads = '{MEMBERS}' OR (place.reads = '{TEAMS}' AND EXISTS"
    " (SELECT 1 FROM organizations_teammember joined JOIN organizations_team team ON team.id = joined.team_id"
    " WHERE joined.member_id = member.id AND team.reads)))"
    " UNION ALL SELECT chosen.project_id FROM organizations_membership member"
    " JOIN organizations_teammember joined ON joined.member_id = member.id"
    " JOIN projects_readingteam chosen ON chosen.team_id = joined.team_id WHERE member.user_id = %s"
)
_ASKED_IN_WAYS: Final = rights.BRANCHES + 3
_FEW: Final = 2000
_MORE_THAN_FEW: Final = f"SELECT 1 FROM ({_WAYS}) way LIMIT 1 OFFSET {_FEW}"


def is_any_restricted() -> bool:
    """Tell whether any project here is kept to somebody."""
    return sql.find_value(_ANY) is not None


def hidden_names(user_id: int | None) -> frozenset[str]:
    """Return the normalised names of the projects that somebody (None: nobody) may not read."""
    return frozenset(name for (name,) in sql.select(_NAMES, *[user_id] * _PEOPLE))


def is_hidden(user_id: int | None, normalized_name: str) -> bool:
    """Tell whether a project is there that somebody may not read."""
    is_private = configuration.current().is_private
    return is_private and sql.find_value(_ONE, *[user_id] * _PEOPLE, normalized_name) == 1


def readable(column: str, user_id: int | None) -> tuple[str, list[int | None]]:
    """Return ` AND …`, which is true of a row whose project (a column) somebody may read, and its values.

    Empty on a public index. Each row is looked at by itself, so that what is found soon costs nothing for all the others. Of
    whoever may read few projects, only the rows of these are.
    """
    if not configuration.current().is_private:
        return "", []
    few, people = (
        (f" AND {column} IN ({_WAYS})", [user_id] * _ASKED_IN_WAYS) if _reads_few(user_id) else ("", [])
    )
    # by "not 1" PostgreSQL expects that most are readable, by "0" that hardly any is
    return f"{few} AND ({_IS_HIDDEN} WHERE kept.id = {column}) <> 1", [*people, *[user_id] * _PEOPLE]


def readable_by(user_id: int | None, column: str = "pk") -> Q:
    """Return the same as a condition of Django's."""
    if not configuration.current().is_private:
        return Q()
    may_be_read = ~Q(Exact(_IsHidden(F(column), user_id), 1))
    if not _reads_few(user_id):
        return may_be_read
    return Q(**{f"{column}__in": RawSQL(_WAYS, [user_id] * _ASKED_IN_WAYS)}) & may_be_read  # noqa: S611 - no word of it is anybody's


def _reads_few(user_id: int | None) -> bool:
    """Tell whether somebody may read so few projects that it costs less to list these; finding that out is bounded, too."""
    return sql.find_value(_MORE_THAN_FEW, *[user_id] * _ASKED_IN_WAYS) is None


class _IsHidden(Func):
    output_field = IntegerField()

    def __init__(self, project: F, user_id: int | None) -> None:
        super().__init__(project)
        self._user_id = user_id

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override] # a template can't hold the values
        """Return the question about the row's project."""
        del connection
        column, values = compiler.compile(self.get_source_expressions()[0])
        return f"({_IS_HIDDEN} WHERE kept.id = {column})", [*[self._user_id] * _PEOPLE, *values]


def told_to(by: Actor, beside: Neighbours) -> Neighbours:
    """Return what stands beside a new file without the name of a file that whoever brings it may not read.

    That the bytes are here can't be kept from them; whose they are is. The host is told all.
    """
    if not beside.same_content or by.kind == "host" or not configuration.current().is_private:
        return beside
    project = str(sql.find_value(_PROJECT_OF, beside.same_content) or "")
    return replace(beside, same_content="") if is_hidden(by.user_id, project) else beside


_PROJECT_OF: Final = "SELECT p.normalized_name FROM projects_file f JOIN projects_project p ON p.id = f.project_id WHERE f.filename = %s"


def readers_of(project: Project) -> str:
    """Return who reads a project as things stand: what it says itself, or what its organization says."""
    if project.reads != AS_ORGANIZATION:
        return project.reads
    return project.organization.reads if project.organization is not None else EVERYBODY
