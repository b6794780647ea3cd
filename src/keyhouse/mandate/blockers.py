"""Who of a project's people lacks what a live mandate asks of them. Their factors are told to nobody."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from keyhouse.accounts.models import User
from keyhouse.mandate import queries
from keyhouse.mandate.asked import Asked, standing_of
from keyhouse.organizations.models import Organization
from keyhouse.organizations.rules import KINDS
from keyhouse.projects import rights
from keyhouse.projects.models import Project, Role
from keyhouse.projects.rules import OWNER


@dataclass(frozen=True, slots=True)
class Blocker:
    """Somebody with a right, and the mandates that they don't meet yet, exempt or not.

    `via`: `own`, `organization`, or the name of the team that gives it.
    """

    username: str
    role: str
    unmet: tuple[Asked, ...]
    via: str = rights.OWN


def blockers_of(project: Project, now: datetime) -> list[Blocker]:
    """Return those who don't comply, owners first."""
    policies = queries.live_policies(now)
    found = []
    for user, right in _people(project):
        standing = standing_of(queries.facts_of_person(user.pk), policies, now)
        # who is an operator is nothing to a project's people
        unmet = tuple(one for one in standing.asked if not (one.is_met or one.is_floor))
        if unmet:
            found.append(Blocker(user.username, Role.Kind(right.kind).label, unmet, right.via))
    return found


def blocking_members(organization: Organization, now: datetime) -> list[Blocker]:
    """Return those of an organization's members who don't comply, owners first."""
    policies, found = queries.live_policies(now), []
    members = organization.members.select_related("user").order_by("user__username")
    for member in sorted(members, key=lambda one: -KINDS.index(one.kind)):
        standing = standing_of(queries.facts_of_person(member.user_id), policies, now)
        unmet = tuple(one for one in standing.asked if not (one.is_met or one.is_floor))
        if unmet:
            role = member.get_kind_display()
            found.append(Blocker(member.user.username, role, unmet, rights.BY_ORGANIZATION))
    return found


def _people(project: Project) -> list[tuple[User, rights.Right]]:
    """Return everybody once with their highest right, owners first; of two alike, the role of one's own."""
    best: dict[int, rights.Right] = {}
    for one in rights.rights_in(project.pk):
        present = best.get(one.user_id)
        if present is None or _weight(one) > _weight(present):
            best[one.user_id] = one
    people = User.objects.filter(pk__in=best)
    ordered = sorted(people, key=lambda user: (best[user.pk].kind != OWNER, user.username))
    return [(user, best[user.pk]) for user in ordered]


def _weight(one: rights.Right) -> tuple[bool, bool]:
    return one.kind == OWNER, one.via == rights.OWN
