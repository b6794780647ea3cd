"""Who of a project's people lacks what a live mandate asks of them. Their factors are told to nobody."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyhouse.accounts.models import User
from keyhouse.mandate import queries
from keyhouse.mandate.asked import Asked, standing_of
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.people import facts_of
from keyhouse.mandate.populations import likeness
from keyhouse.mandate.rules import Policy, is_compliant
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
    rights_by_person = _people(project)
    unmet = unmet_of([user.pk for user, _ in rights_by_person], now)
    return [
        Blocker(user.username, Role.Kind(right.kind).label, unmet[user.pk], right.via)
        for user, right in rights_by_person
        if user.pk in unmet
    ]


def blocking_members(organization: Organization, now: datetime) -> list[Blocker]:
    """Return those of an organization's members who don't comply, owners first."""
    members = list(organization.members.select_related("user").order_by("user__username"))
    unmet = unmet_of([member.user_id for member in members], now)
    return [
        Blocker(
            member.user.username, member.get_kind_display(), unmet[member.user_id], rights.BY_ORGANIZATION
        )
        for member in sorted(members, key=lambda one: -KINDS.index(one.kind))
        if member.user_id in unmet
    ]


def unmet_of(user_ids: Collection[int], now: datetime) -> dict[int, tuple[Asked, ...]]:
    """Return what each of these people doesn't meet, exempt or not; whoever meets all of it is left out.

    What is refused to people whom no mandate tells apart is worked out once.
    """
    policies, alike = queries.live_policies(now), dict[Any, tuple[Asked, ...]]()
    found = {}
    for facts in facts_of(user_ids):
        if all(is_compliant(one.mandate, facts.person) for one in policies):
            continue
        key = likeness(facts, policies)
        if key not in alike:
            alike[key] = _unmet(facts, policies, now)
        if alike[key]:
            found[int(facts.person.id[1:])] = alike[key]
    return found


def _unmet(facts: Facts, policies: Sequence[Policy], now: datetime) -> tuple[Asked, ...]:
    # who is an operator is nothing to a project's people
    asked = standing_of(facts, policies, now).asked
    return tuple(one for one in asked if not (one.is_met or one.is_floor))


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
