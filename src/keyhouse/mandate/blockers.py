"""Who of a project's people lacks what a live mandate asks of them. Their factors are told to nobody."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q, QuerySet

from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.core.actions import Thing
from keyhouse.credentials.trusted_publishers.listing import Line, lines_of
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.queries import all_live
from keyhouse.mandate import queries
from keyhouse.mandate.asked import Asked, asked_within, standing_of
from keyhouse.mandate.declarations import Place
from keyhouse.mandate.facts import Facts, Object
from keyhouse.mandate.people import facts_of
from keyhouse.mandate.populations import likeness
from keyhouse.mandate.rules import Policy, is_compliant
from keyhouse.organizations.models import Organization
from keyhouse.organizations.queries import find_member_kind
from keyhouse.organizations.rules import KINDS, allows_role
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
    unmet = unmet_of([user.pk for user, _ in rights_by_person], now, Within.of_project(project))
    return [
        Blocker(user.username, Role.Kind(right.kind).label, unmet[user.pk], right.via)
        for user, right in rights_by_person
        if user.pk in unmet
    ]


def blocking_members(organization: Organization, now: datetime) -> list[Blocker]:
    """Return those of an organization's members who don't comply, owners first."""
    members = list(organization.members.select_related("user").order_by("user__username"))
    unmet = unmet_of([member.user_id for member in members], now, Within.of(organization))
    return [
        Blocker(
            member.user.username, member.get_kind_display(), unmet[member.user_id], rights.BY_ORGANIZATION
        )
        for member in sorted(members, key=lambda one: -KINDS.index(one.kind))
        if member.user_id in unmet
    ]


@dataclass(frozen=True, slots=True)
class Within:
    """What an organization asks itself, and of which of its things somebody is asked about: `projects`, since when there."""

    place: Place
    projects: Mapping[str, datetime | None]

    @classmethod
    def of(cls, organization: Organization) -> Within:
        """Return what an organization asks, over all that stands in it."""
        rows = Project.objects.filter(organization=organization)
        projects = dict(rows.values_list("normalized_name", "organization_since_at"))
        return cls(queries.place_of(organization.pk, organization.normalized_name), projects)

    @classmethod
    def of_project(cls, project: Project) -> Within | None:
        """Return what the organization of a project asks, over that project; None: it stands in none."""
        organization = project.organization
        if organization is None:
            return None
        place = queries.place_of(organization.pk, organization.normalized_name)
        return cls(place, {project.normalized_name: project.organization_since_at})

    def things_of(self, facts: Facts) -> tuple[Object, ...]:
        """Return the organization and those of these projects that somebody may act on."""
        name = self.place.organization
        found = dict.fromkeys(
            Object(one.kind, one.name, organization=name, organization_since=self.projects.get(one.name))
            for one in facts.authority
            if (one.kind == "project" and one.name in self.projects)
            or (one.kind == "organization" and one.name == name)
        )
        return tuple(found)

    def unmet(self, facts: Facts, now: datetime) -> tuple[Asked, ...]:
        """Return what somebody doesn't meet of it."""
        asked = asked_within(self.place, facts, self.things_of(facts), now)
        return tuple(one for one in asked if not one.is_met)


def unmet_of(
    user_ids: Collection[int], now: datetime, within: Within | None = None
) -> dict[int, tuple[Asked, ...]]:
    """Return what each of these people doesn't meet, exempt or not; whoever meets all of it is left out.

    What is refused to people whom no mandate tells apart is worked out once. `within`: what an organization asks counts, too.
    """
    policies, alike = queries.live_policies(now), dict[Any, tuple[Asked, ...]]()
    there = within.place.policies(now) if within is not None and within.place.rows else ()
    mandates = [one.mandate for one in (*policies, *there)]
    found: dict[int, tuple[Asked, ...]] = {}
    if not mandates:
        return found  # nobody is asked for anything
    lacking = facts_of(user_ids, wanted=lambda person: not all(is_compliant(one, person) for one in mandates))
    for facts in lacking:
        unmet = within.unmet(facts, now) if within is not None and there else ()
        if not all(is_compliant(one.mandate, facts.person) for one in policies):
            key = likeness(facts, policies)
            if key not in alike:
                alike[key] = _unmet(facts, policies, now)
            unmet = (*alike[key], *unmet)
        if unmet:
            found[int(facts.person.id[1:])] = unmet
    return found


def _unmet(facts: Facts, policies: Sequence[Policy], now: datetime) -> tuple[Asked, ...]:
    # who is an operator is nothing to a project's people
    asked = standing_of(facts, policies, now).asked
    return tuple(one for one in asked if not (one.is_met or one.is_floor))


MOST_PUBLISHERS: Final = 100
PUBLISHERS: Final = "publishers"  # what asks for a page of them, beside one of people


def weak_publishers_of(project: Project, reader_id: int | None) -> list[Line]:
    """Return the publishers of a project that an owner has to confirm anew, for somebody who reads them.

    Those of its organization are among them for whoever owns that: nobody else is told what it trusts.
    """
    theirs = Q(project=project)
    if _reads_publishers(reader_id, project.organization_id):
        theirs |= Q(organization_id=project.organization_id, pending_normalized_name="") & (
            Q(is_for_all_projects=True) | Q(projects=project)
        )
    return _to_confirm(Publisher.objects.filter(theirs))


def _reads_publishers(user_id: int | None, organization_id: int | None) -> bool:
    if organization_id is None:
        return False
    kind = find_member_kind(user_id, Thing("organization", organization_id))
    return allows_role(kind, "publisher.read")


def weak_publishers_in(organization: Organization) -> list[Line]:
    """Return the same of an organization and of what stands in it."""
    return _to_confirm(
        Publisher.objects.filter(Q(organization=organization) | Q(project__organization=organization))
    )


def _to_confirm(rows: QuerySet[Publisher]) -> list[Line]:
    """Return what rests, or is below what a mandate asks of whoever set it up: a mandate isn't complete with it."""
    live = all_live(clock.now()).filter(pk__in=rows.values("pk"))
    every = live.select_related("configured_by", "project", "organization").order_by("pk")
    found: list[Line] = []
    last = 0
    while len(found) < MOST_PUBLISHERS and (some := list(every.filter(pk__gt=last)[:MOST_PUBLISHERS])):
        found += [one for one in lines_of(some) if one.needs_confirmation]
        last = some[-1].pk
    return found[:MOST_PUBLISHERS]


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
