"""Reading what organizations declared, and who of their people holds it. Which factors somebody has is told to nobody."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from django.db.models import QuerySet

from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.mandate import people
from keyhouse.mandate.asked import Asked
from keyhouse.mandate.blockers import Within
from keyhouse.mandate.by_organizations.models import Declaration
from keyhouse.mandate.declarations import Declared, Demand, Place, holding, policy_of, without_superseded
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.rules import is_compliant
from keyhouse.organizations.models import Membership, Organization
from keyhouse.organizations.rules import OWNER
from keyhouse.projects import rights
from keyhouse.projects.models import Project

OUTSIDE: Final = (
    "collaborator"  # whoever has a role in a project there and doesn't belong to the organization
)


def declared_by(organization: Organization) -> list[Declared]:
    """Return every version of an organization's own mandate that was not taken back, the oldest first."""
    return [declared_of(row) for row in _rows(organization)]


def declared_of(row: Declaration) -> Declared:
    """Return a row as decisions take it."""
    return Declared(
        row.version, row.demand, row.is_loosening, row.announced_at, row.from_at, row.begins_at, row.pk
    )


def _rows(organization: Organization) -> QuerySet[Declaration]:
    return Declaration.objects.filter(organization=organization, withdrawn_at=None).order_by("version")


def find_waiting(organization: Organization, now: datetime) -> Declaration | None:
    """Return the loosening that waits, or None."""
    return _rows(organization).filter(begins_at__gt=now).first()


def history_of(organization: Organization) -> QuerySet[Declaration]:
    """Return every version there was, also such as was taken back, the newest first."""
    return Declaration.objects.filter(organization=organization).order_by("-version")


# ---- its people


@dataclass(frozen=True, slots=True)
class PersonThere:
    """Somebody who may do something in an organization, and whether they hold what is asked."""

    user_id: int
    username: str
    role: str
    is_member: bool
    is_met: bool
    asked: tuple[Asked, ...] = ()

    @property
    def since(self) -> datetime | None:
        """Return since when something is refused to them, or None."""
        return min((one.since for one in self.asked if one.since), default=None)

    @property
    def until(self) -> datetime | None:
        """Return from when on something will be refused to them, or None."""
        return min((one.until for one in self.asked if one.until), default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON and CSV have it."""
        return {
            "username": self.username,
            "role": self.role,
            "complies": self.is_met,
            "refused_since": clock.format_if_any(self.since),
            "refused_from": clock.format_if_any(self.until),
        }


@dataclass(frozen=True, slots=True)
class Progress:
    """How many of an organization's people hold what is asked, with all of them, those who lack it first."""

    people: tuple[PersonThere, ...]

    @property
    def met(self) -> int:
        """Return how many hold it."""
        return sum(one.is_met for one in self.people)

    @property
    def lacking(self) -> tuple[PersonThere, ...]:
        """Return those who don't."""
        return tuple(one for one in self.people if not one.is_met)

    @property
    def percent(self) -> int:
        """Return the share of those who hold it."""
        return 100 * self.met // len(self.people) if self.people else 100


def progress_of(organization: Organization, now: datetime) -> Progress:
    """Return how the people of an organization stand towards what it asks of them now."""
    return _progress(organization, Within.of(organization), now)


def preview(organization: Organization, demand: Demand, now: datetime) -> Progress:
    """Return how they would stand if that were asked, without asking it; nothing is written or sent."""
    would = Declared(1, demand.text, False, now, now, now)
    place = Place(organization.normalized_name, None, (would,))
    return _progress(organization, replace(Within.of(organization), place=place), now)


def _progress(organization: Organization, within: Within, now: datetime) -> Progress:
    mandates = [policy.mandate for policy in within.place.policies(now)]
    roles = _roles_there(organization)
    found = []
    for facts in people.facts_of(roles):
        key = int(facts.person.id.removeprefix("u"))
        role, is_member = roles[key]
        is_met = all(is_compliant(one, facts.person) for one in mandates)
        asked = () if is_met else within.unmet(facts, now)
        found.append(PersonThere(key, facts.person.name, role, is_member, is_met, asked))
    return Progress(tuple(sorted(found, key=lambda one: (one.is_met, one.role != OWNER, one.username))))


def _roles_there(organization: Organization) -> dict[int, tuple[str, bool]]:
    """Return everybody with authority there: members by their role, and who has a role in a project alone."""
    projects = Project.objects.filter(organization=organization).values_list("pk", flat=True)
    found = {one.user_id: (OUTSIDE, False) for one in rights.rights_in_several(list(projects))}
    members = Membership.objects.filter(organization=organization).values_list("user_id", "kind")
    return found | {user_id: (kind, True) for user_id, kind in members}


def people_there(organization: Organization) -> list[int]:
    """Return the account numbers of everybody with authority over an organization or one of its projects."""
    return sorted(_roles_there(organization))


# ---- all organizations, for operators


@dataclass(frozen=True, slots=True)
class Summary:
    """An organization with a mandate of its own, as operators see it."""

    organization: str
    holds: tuple[Declared, ...]
    waits: Declared | None
    people: int
    met: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "organization": self.organization,
            "asks": [
                {"version": one.version, "demand": one.demand, "from": clock.format_if_any(one.from_at)}
                for one in self.holds
            ],
            "loosening": None
            if self.waits is None
            else {"demand": self.waits.demand or None, "at": clock.format_if_any(self.waits.begins_at)},
            "people": self.people,
            "compliant": self.met,
        }


def summaries(now: datetime) -> Iterator[Summary]:
    """Yield the organizations that ask for something, by name."""
    declared = Declaration.objects.filter(withdrawn_at=None).values("organization_id")
    for organization in Organization.objects.filter(pk__in=declared).order_by("normalized_name"):
        holds = without_superseded(holding(declared_by(organization), now), now)
        if holds:
            waiting = find_waiting(organization, now)
            progress = progress_of(organization, now)
            waits = None if waiting is None else declared_of(waiting)
            yield Summary(organization.normalized_name, holds, waits, len(progress.people), progress.met)


def is_met_by(user: User, demand: Demand, organization: Organization, now: datetime) -> bool:
    """Tell whether somebody holds what would be asked."""
    policy = policy_of(Declared(1, demand.text, False, now, now, now), organization.normalized_name)
    found: Sequence[Facts] = list(people.facts_of([user.pk]))
    return bool(found) and is_compliant(policy.mandate, found[0].person)
