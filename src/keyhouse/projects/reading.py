"""Who may read which projects of a private index, beside what a credential itself allows.

Worked out from live rows whenever it is asked, as `rights` is: whoever leaves an organization or a team reads nothing by it
from the next question on. Only projects that are kept to somebody count, so that nothing is asked about the others. On a
public index everybody reads all, whatever rows say.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from django.db.models import Q
from django.db.models.expressions import RawSQL

from keyhouse.core import configuration
from keyhouse.core.actor import Actor
from keyhouse.organizations.rules import EVERYBODY, MEMBERS, TEAMS
from keyhouse.projects import rights, sql
from keyhouse.projects.models import Project
from keyhouse.projects.rules import AS_ORGANIZATION, ROLES, Neighbours

# Both parts are found from an index. `own` is what the project says, `reads` what holds for it.
_RESTRICTED: Final = (
    "SELECT p.id, p.normalized_name, p.organization_id, p.reads AS own, p.reads AS reads FROM projects_project p"
    f" WHERE p.reads IN ('{MEMBERS}', '{TEAMS}', '{ROLES}')"
    " UNION ALL SELECT p.id, p.normalized_name, p.organization_id, p.reads, place.reads"
    " FROM organizations_organization place JOIN projects_project p ON p.organization_id = place.id"
    f" WHERE place.reads IN ('{MEMBERS}', '{TEAMS}') AND p.reads = ''"
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
_HIDDEN: Final = (
    f" FROM ({_RESTRICTED}) kept WHERE NOT EXISTS ({_BY_RIGHT}) AND NOT EXISTS ({_BY_MEMBERSHIP})"
    f" AND NOT EXISTS ({_BY_TEAM})"
)
_NAMES: Final = f"SELECT kept.normalized_name{_HIDDEN}"
_KEYS: Final = f"SELECT kept.id{_HIDDEN}"
_ONE: Final = f"SELECT 1{_HIDDEN} AND kept.normalized_name = %s"
_ANY: Final = f"SELECT 1 FROM ({_RESTRICTED}) kept LIMIT 1"


def is_any_restricted() -> bool:
    """Tell whether any project here is kept to somebody."""
    return sql.find_value(_ANY) is not None


def hidden_names(user_id: int | None) -> frozenset[str]:
    """Return the normalised names of the projects that somebody (None: nobody) may not read."""
    return frozenset(name for (name,) in sql.select(_NAMES, *[user_id] * _PEOPLE))


def is_hidden(user_id: int | None, normalized_name: str) -> bool:
    """Tell whether a project is there that somebody may not read."""
    is_private = configuration.current().is_private
    return is_private and sql.find_value(_ONE, *[user_id] * _PEOPLE, normalized_name) is not None


def hidden_keys(user_id: int | None) -> tuple[str, list[int | None]]:
    """Return the statement that selects the keys of what somebody may not read, and its values; nothing on a public index."""
    return (_KEYS, [user_id] * _PEOPLE) if configuration.current().is_private else ("", [])


def hidden_from(user_id: int | None, column: str = "pk") -> Q:
    """Return the condition of a row whose project (a column) somebody may not read."""
    if not configuration.current().is_private:
        return Q(pk__in=())
    hidden = RawSQL(_KEYS, [user_id] * _PEOPLE)  # noqa: S611 - a constant, whose values are parameters
    return Q(**{f"{column}__in": hidden})


def readable_by(user_id: int | None, column: str = "pk") -> Q:
    """Return the condition of a row whose project (a column) somebody may read."""
    return ~hidden_from(user_id, column) if configuration.current().is_private else Q()


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
