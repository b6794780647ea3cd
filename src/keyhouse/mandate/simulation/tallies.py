"""Counting what a simulation found: in parts that several processes make, joined in their order, and told as JSON. Pure."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from keyhouse.core.actor import PHISHING_RESISTANT_METHODS, SECOND_FACTOR_METHODS
from keyhouse.mandate.facts import Asking
from keyhouse.mandate.selectors import Cohort
from keyhouse.mandate.simulation.lenses import Judged, Lens, Profile, Shape
from keyhouse.mandate.simulation.snapshot import Somebody

MOST_EXAMPLES: Final = 10
OWNER: Final = "owner"
# what is known of a project, an organization or a team: bits, and above them how many owners there are
HAS, CAN_ACT, IS_REACHABLE, IS_COVERED = 1, 2, 4, 8
_BITS: Final = 4
ONE_MORE: Final = 1 << _BITS
_FLAGS: Final = ONE_MORE - 1


class Kind(NamedTuple):
    """People who are alike in all that is told of them."""

    profile: Profile
    mail: str
    is_away: bool
    publishes: bool

    @property
    def reach(self) -> str:
        """Say whether a mail reaches them, or why not."""
        return self.mail

    @property
    def activity(self) -> str:
        """Say whether they sign in, only publish by credentials, or do neither for a year (X4)."""
        if not self.is_away:
            return "signs-in"
        return "token-only" if self.publishes else "dormant"


class Credential(NamedTuple):
    """Credentials that are alike: what was proven for them, how old they are, whose they are, refused at which marks."""

    kind: str
    strength: str
    age: str
    is_covered: bool
    refused: int


@dataclass(slots=True)
class Cell:
    """How many people, and the first of them by number."""

    count: int = 0
    first: tuple[tuple[int, str], ...] = ()

    def add(self, other: Cell) -> None:
        """Count more of them."""
        self.count += other.count
        self.first = tuple(sorted((*self.first, *other.first))[:MOST_EXAMPLES])


@dataclass(slots=True)
class Part:
    """What some ranges of accounts gave; parts may be joined in any order. `digests` are by the first number of a range."""

    people: dict[Kind, Cell] = field(default_factory=dict)
    credentials: Counter[Credential] = field(default_factory=Counter)
    projects: dict[int, int] = field(default_factory=dict)
    organizations: dict[int, int] = field(default_factory=dict)
    teams: dict[int, int] = field(default_factory=dict)
    digests: dict[int, bytes] = field(default_factory=dict)

    def take(self, everybody: Iterable[Somebody], lens: Lens) -> None:
        """Count these people, who come in the order of their numbers."""
        for one in everybody:
            shape, judged = lens.judge(one)
            self._count(one, judged.profile)
            if one.roles or one.teams:
                self._note_places(one, judged.profile, len(lens.marks) - 1)
            if one.held:
                self._count_credentials(one, shape, judged, lens)

    def _count(self, one: Somebody, profile: Profile) -> None:
        kind = Kind(profile, one.mail, one.is_away, one.publishes)
        cell = self.people.get(kind)
        if cell is None:
            cell = self.people[kind] = Cell()
        cell.count += 1
        if len(cell.first) < MOST_EXAMPLES or one.id < cell.first[-1][0]:
            cell.first = tuple(sorted((*cell.first, (one.id, one.name)))[:MOST_EXAMPLES])

    def _note_places(self, one: Somebody, profile: Profile, last: int) -> None:
        bits = HAS
        if not profile.refused >> last & 1:
            bits |= CAN_ACT
        if one.mail == "ok" and one.state in {"active", "held"}:
            bits |= IS_REACHABLE
        if profile.is_covered:
            bits |= IS_COVERED
        owned = {(role.kind, role.number) for role in one.roles if role.role == OWNER}
        for kind, number in owned:
            places = self.projects if kind == "project" else self.organizations
            places[number] = _joined(places.get(number, 0), bits + ONE_MORE)
        for number in one.teams:
            self.teams[number] = _joined(self.teams.get(number, 0), bits + ONE_MORE)

    def _count_credentials(self, one: Somebody, shape: Shape, judged: Judged, lens: Lens) -> None:
        for held in one.held:
            refused = lens.refused_by_credential(shape, judged, one, held)
            key = Credential(
                held.kind, strength_of(held.asking), held.age, judged.profile.is_covered, refused
            )
            self.credentials[key] += held.copies

    def join(self, other: Part) -> None:
        """Take in a part of other people."""
        for kind, cell in other.people.items():
            self.people.setdefault(kind, Cell()).add(cell)
        self.credentials.update(other.credentials)
        for mine, theirs in (
            (self.projects, other.projects),
            (self.organizations, other.organizations),
            (self.teams, other.teams),
        ):
            for number, bits in theirs.items():
                mine[number] = _joined(mine.get(number, 0), bits)
        self.digests |= other.digests

    @property
    def digest(self) -> str:
        """Return the digest of all that was read, hex."""
        return hashlib.sha256(b"".join(found for _, found in sorted(self.digests.items()))).hexdigest()

    @property
    def count(self) -> int:
        """Return how many people were counted."""
        return sum(cell.count for cell in self.people.values())


def _joined(some: int, more: int) -> int:
    return ((some | more) & _FLAGS) + (some & ~_FLAGS) + (more & ~_FLAGS)


def owners_in(bits: int) -> int:
    """Return how many owners, or members of a team, were counted."""
    return bits >> _BITS


def strength_of(asking: Asking) -> str:
    """Name what was proven for a session or credential."""
    if asking.proved.isdisjoint(SECOND_FACTOR_METHODS):
        return "no-second-factor"
    return "phishing-resistant" if asking.proved & PHISHING_RESISTANT_METHODS else "authenticator-app"


# ---- told


def people_told(part: Part, marks: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return how people stand at each mark: counts with their denominator, and who of them is refused."""
    return [_mark_told(part, place, mark) for place, mark in enumerate(marks)]


def _mark_told(part: Part, place: int, mark: Mapping[str, Any]) -> dict[str, Any]:
    refused = [(kind, cell) for kind, cell in part.people.items() if kind.profile.refused >> place & 1]
    return {
        **mark,
        "exempt": _sum(part, lambda kind: bool(kind.profile.exempt >> place & 1)),
        "refused": sum(cell.count for _, cell in refused),
        "newly_refused": _sum(part, lambda kind: bool(kind.profile.newly >> place & 1)),
        "refused_by": groups_told(refused),
        "first_refused": first_names(refused),
    }


def covered_told(part: Part) -> dict[str, Any]:
    """Return who is covered, and how many of them comply with what they have now."""
    covered = [(kind, cell) for kind, cell in part.people.items() if kind.profile.is_covered]
    return {
        "count": sum(cell.count for _, cell in covered),
        "compliant": sum(cell.count for kind, cell in covered if kind.profile.is_compliant),
        "by": groups_told(covered),
    }


def unreachable_told(part: Part) -> dict[str, Any]:
    """Return whom of the covered no mail reaches, and why."""
    found = [
        (kind, cell) for kind, cell in part.people.items() if kind.profile.is_covered and kind.reach != "ok"
    ]
    lost = [(kind, cell) for kind, cell in found if not kind.profile.is_compliant]
    return {
        "count": sum(cell.count for _, cell in found),
        "not_compliant": sum(cell.count for _, cell in lost),
        "by_reach": _by(found, lambda kind: (kind.reach,)),
        "first": first_names(lost or found),
    }


Counted = Sequence[tuple[Kind, Cell]]


def groups_told(found: Counted) -> dict[str, dict[str, int]]:
    """Count people by role, method, reach, activity and state; whoever has several roles or methods stands with each."""
    return {
        "role": _by(found, lambda kind: kind.profile.roles or ("none",)),
        "method": _by(found, lambda kind: kind.profile.factors or ("none",)),
        "reach": _by(found, lambda kind: (kind.reach,)),
        "activity": _by(found, lambda kind: (kind.activity,)),
        "state": _by(found, lambda kind: (kind.profile.state,)),
    }


def _by(found: Counted, names_of: Callable[[Kind], Iterable[str]]) -> dict[str, int]:
    counts: Counter[str] = Counter()
    for kind, cell in found:
        for name in names_of(kind):
            counts[name] += cell.count
    return dict(sorted(counts.items()))


def first_names(found: Counted) -> list[str]:
    """Return the names of those whose accounts are the oldest."""
    return [name for _, name in sorted(one for _, cell in found for one in cell.first)[:MOST_EXAMPLES]]


def _sum(part: Part, is_meant: Callable[[Kind], bool]) -> int:
    return sum(cell.count for kind, cell in part.people.items() if is_meant(kind))


def credentials_told(part: Part, marks: int) -> dict[str, list[dict[str, Any]]]:
    """Return live credentials of covered and other people by kind, strength and age, and how many are refused at each mark."""
    kinds: dict[str, dict[tuple[str, str, bool], list[int]]] = {}
    for one, count in part.credentials.items():
        row = kinds.setdefault(one.kind, {}).setdefault(
            (one.strength, one.age, one.is_covered), [0] * (marks + 1)
        )
        row[0] += count
        for place in range(marks):
            row[place + 1] += count * (one.refused >> place & 1)
    return {
        kind: [_credential_told(*entry) for entry in sorted(rows.items())]
        for kind, rows in sorted(kinds.items())
    }


def _credential_told(key: tuple[str, str, bool], counts: Sequence[int]) -> dict[str, Any]:
    strength, age, is_covered = key
    told: dict[str, Any] = {"strength": strength, "covered": is_covered}
    if age:
        told["age"] = age
    return told | {"live": counts[0], "refused": list(counts[1:])}


def cohorts_told(part: Part, cohorts: Sequence[Cohort]) -> list[dict[str, Any]]:
    """Return the size of each cohort, and how many of the next smaller one of its seed lie within it: all (S2)."""
    told = []
    for place, cohort in enumerate(cohorts):
        smaller = place - 1 if place and cohorts[place - 1].seed == cohort.seed else None
        told.append(
            {
                **cohort.as_dict()["cohort"],
                "people": _sum(part, _is_in(place)),
                "covered": _sum(part, _is_in(place, is_covered=True)),
                "of_smaller": None if smaller is None else _sum(part, _is_in(smaller)),
                "of_smaller_within": None if smaller is None else _sum(part, _is_in(place, smaller)),
            }
        )
    return told


def _is_in(*places: int, is_covered: bool = False) -> Callable[[Kind], bool]:
    def is_meant(kind: Kind) -> bool:
        return all(kind.profile.cohorts[one] for one in places) and (
            not is_covered or kind.profile.is_covered
        )

    return is_meant


def places_told(places: Mapping[int, int], total: int) -> dict[str, int]:
    """Return how many places are covered through an owner, and stand alone, orphaned or unreached at the end."""
    covered = [bits for bits in places.values() if bits & IS_COVERED]
    return {
        "total": total,
        "with_people": len(places),
        "covered": len(covered),
        "orphaned": sum(not bits & CAN_ACT for bits in covered),
        "sole_owner": sum(owners_in(bits) == 1 for bits in covered),
        "sole_owner_refused": sum(owners_in(bits) == 1 and not bits & CAN_ACT for bits in covered),
        "no_reachable_owner": sum(not bits & IS_REACHABLE for bits in covered),
    }


def orphans(places: Mapping[int, int]) -> Iterator[int]:
    """Yield the numbers of covered places where everybody who owns them would be refused, in order."""
    yield from sorted(number for number, bits in places.items() if bits & IS_COVERED and not bits & CAN_ACT)
