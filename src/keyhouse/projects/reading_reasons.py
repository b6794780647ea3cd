"""Who reads a project of a private index, and by which right: each of those that `reading` counts, in words.

`reading` decides; this names what it decides by, for whoever has to look after it. A test holds both to the same answer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from django.db.models import Q

from keyhouse.accounts.models import User
from keyhouse.core import configuration
from keyhouse.organizations.models import Membership, TeamMember
from keyhouse.organizations.rules import EVERYBODY, MEMBERS, TEAMS
from keyhouse.projects import rights
from keyhouse.projects.models import Project
from keyhouse.projects.reading import readers_of
from keyhouse.projects.rights import Right
from keyhouse.projects.rules import AS_ORGANIZATION

BY_EVERYBODY: Final = "everybody who reads this index"
BY_PUBLIC: Final = "everybody: this index is public"
_Found = tuple[int, str]  # a person and by what they read it


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who reads a project, with every right by which they do."""

    username: str
    by: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"username": self.username, "by": list(self.by)}


def by_everybody(project: Project) -> str:
    """Return why everybody who reads this index reads a project, or nothing: it is kept to some."""
    if not configuration.current().is_private:
        return BY_PUBLIC
    return BY_EVERYBODY if readers_of(project) == EVERYBODY else ""


def readers_by_right(project: Project) -> list[Reader]:
    """Return those who read a project by a right in it, by name; whoever reads it as everybody does isn't among them."""
    found = _by_person(project)
    names = dict(User.objects.filter(pk__in=found).values_list("pk", "username"))
    return sorted((Reader(names[key], by) for key, by in found.items()), key=lambda one: one.username)


def why(user_id: int | None, project: Project) -> tuple[str, ...]:
    """Return by what somebody (None: whoever has no account) reads a project; nothing: they don't, and it isn't there for them."""
    everybody = by_everybody(project)
    mine = _by_person(project).get(user_id or 0, ())
    return (everybody, *mine) if everybody else mine


def _by_person(project: Project) -> Mapping[int, tuple[str, ...]]:
    found: dict[int, list[str]] = defaultdict(list)
    for user_id, by in (*_by_rights(project), *_by_membership(project), *_by_team(project)):
        found[user_id].append(by)
    return {key: tuple(several) for key, several in found.items()}


def _by_rights(project: Project) -> Iterator[_Found]:
    for one in rights.rights_in(project.pk):
        yield one.user_id, _in_words(one)


def _in_words(one: Right) -> str:
    if one.via == rights.OWN:
        return f"a role of their own: {one.kind}"
    if one.via == rights.BY_ORGANIZATION:
        return "they own its organization"
    return f"the team {one.via}, which has a role in it: {one.kind}"


def _by_membership(project: Project) -> Iterator[_Found]:
    if readers_of(project) == MEMBERS:
        members = Membership.objects.filter(organization_id=project.organization_id or 0)
        for user_id in members.order_by("pk").values_list("user_id", flat=True):
            yield user_id, "they belong to its organization"


def _by_team(project: Project) -> Iterator[_Found]:
    if readers_of(project) != TEAMS:
        return
    here = {
        "team__organization_id": project.organization_id,
        "member__organization_id": project.organization_id,
    }
    chosen = (
        Q(team__reads=True) if project.reads == AS_ORGANIZATION else Q(team__read_projects__project=project)
    )
    rows = (
        TeamMember.objects.filter(chosen, **here).order_by("pk").values_list("member__user_id", "team__name")
    )
    for user_id, team in rows:
        yield user_id, f"the team {team}, which reads it"
