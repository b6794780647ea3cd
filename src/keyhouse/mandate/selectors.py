"""Who a mandate is about: a small algebra over sets of people. Pure.

Each leaf stands for a set of people; `any`, `all` and `not` join, intersect and complement such sets. So
`all = [{role = ["project.owner"]}, {project = ["alpha"]}]` selects people who own some project and have a role in alpha.
One `matches` serves gates, plans, pages and reports.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, Protocol

from keyhouse.core import clock
from keyhouse.mandate.facts import Authority, Person
from keyhouse.mandate.once import Once

ROLES: Final = (
    "project.owner",
    "project.maintainer",
    "publisher.configurer",
    "organization.owner",
    "organization.manager",
    "organization.member",
    "organization.billing",
    "operator",
    "moderator",
    "auditor",
    "invited",
    "reader",
)
METRICS: Final = ("unique-clients", "dependents")
_WHOLE: Final = 2**64
_OF_PROJECTS: Final = frozenset({"project", "publisher"})


class View:
    """What selectors look at, worked out once for a decision: the person, their roles, the names they touch."""

    def __init__(
        self, person: Person, authority: tuple[Authority, ...], announced_at: datetime | None = None
    ) -> None:
        """Take the person and what they may do; `announced_at` is that of the mandate that asks."""
        self.person, self.authority, self.announced_at = person, authority, announced_at

    @Once
    def roles(self) -> frozenset[str]:
        """Roles by their names in `ROLES`."""
        if len(self._kinds) == 1:
            [kind] = self._kinds
            held = [f"{kind}.{role}" for role in {one.role for one in self.authority}]
        else:
            held = [f"{one.kind}.{one.role}" for one in self.authority]
        return frozenset([*self.person.roles, *held])

    @Once
    def _kinds(self) -> set[str]:
        """Kinds of things with a role."""
        return {one.kind for one in self.authority}

    @Once
    def projects(self) -> frozenset[str]:
        """Normalised names of projects with a role."""
        if self._kinds <= _OF_PROJECTS:
            return frozenset([one.name for one in self.authority])
        return frozenset([one.name for one in self.authority if one.kind in _OF_PROJECTS])

    @Once
    def organizations(self) -> frozenset[str]:
        """Names of organizations with a role."""
        return frozenset(one.name for one in self.authority if one.kind == "organization")

    @Once
    def criteria(self) -> frozenset[str]:
        """Keys of the criteria by which a project of theirs is critical; `*` is all."""
        return frozenset().union(*{one.critical for one in self.authority})

    def within(self, entries: tuple[Authority, ...], announced_at: datetime) -> View:
        """Return the view of the person by these entries alone, for a mandate; the last one is kept and turned."""
        kept: View | None = self.__dict__.get("_within")
        if kept is None or kept.authority is not entries:
            kept = self.__dict__["_within"] = View(self.person, entries)
        kept.announced_at = announced_at
        return kept

    def at(self, announced_at: datetime | None) -> View:
        """Return the same view for another mandate; what was worked out is kept."""
        _ = self.roles  # nearly every selector asks for them; worked out once for all
        other = View.__new__(View)
        other.__dict__.update(self.__dict__)
        other.announced_at = announced_at
        return other


class Selector(Protocol):
    """A set of people."""

    def matches(self, view: View) -> bool:
        """Tell whether the person is in the set."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""


@dataclass(frozen=True, slots=True)
class Everyone:
    """Every account."""

    def matches(self, view: View) -> bool:
        """Tell yes."""
        del view
        return True

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"everyone": True}


@dataclass(frozen=True, slots=True)
class HasRole:
    """Whoever holds one of these roles anywhere."""

    roles: frozenset[str]

    def matches(self, view: View) -> bool:
        """Tell whether one of the roles is held."""
        return not self.roles.isdisjoint(view.roles)

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"role": sorted(self.roles, key=ROLES.index)}


@dataclass(frozen=True, slots=True)
class Named:
    """These people."""

    names: frozenset[str]  # user names, lower case

    def matches(self, view: View) -> bool:
        """Tell whether the person is named."""
        return view.person.known_as.lower() in self.names

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"user": sorted(self.names)}


@dataclass(frozen=True, slots=True)
class OfProjects:
    """Whoever has any role in one of these projects; the name counts, also after deletion and a new beginning."""

    names: frozenset[str]

    def matches(self, view: View) -> bool:
        """Tell whether there is a role in one of them."""
        return not self.names.isdisjoint(view.projects)

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"project": sorted(self.names)}


@dataclass(frozen=True, slots=True)
class OfOrganizations:
    """Whoever has any role in one of these organizations."""

    names: frozenset[str]

    def matches(self, view: View) -> bool:
        """Tell whether there is a role in one of them."""
        return not self.names.isdisjoint(view.organizations)

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"organization": sorted(self.names)}


@dataclass(frozen=True, slots=True)
class JoinedFrom:
    """Whoever made their account at this instant or later."""

    at: datetime

    def matches(self, view: View) -> bool:
        """Tell whether the account is that new."""
        joined = view.person.joined_at
        return joined is not None and joined >= self.at

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"joined_from": clock.format_instant(self.at)}


@dataclass(frozen=True, slots=True)
class Cohort:
    """A share of all accounts, by keyed hash: stable, and the smaller share lies within the larger one of a seed.

    Whoever joins after the mandate was announced is in every cohort, so that a new account dodges nothing.
    """

    percent: float
    seed: str

    def matches(self, view: View) -> bool:
        """Tell whether the person's hash is in the share."""
        joined = view.person.joined_at
        if view.announced_at is not None and joined is not None and joined >= view.announced_at:
            return True
        return share_of(self.seed, view.person.id) * 100 < self.percent

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"cohort": {"percent": self.percent, "seed": self.seed}}


@lru_cache(maxsize=4096)  # a plan asks about the same person again and again
def share_of(seed: str, person_id: str) -> float:
    """Return where in [0, 1) a person lies for a seed."""
    digest = hashlib.blake2b(person_id.encode(), key=_key_of(seed), digest_size=8).digest()
    return int.from_bytes(digest) / _WHOLE


@lru_cache(maxsize=1000)
def _key_of(seed: str) -> bytes:
    return hashlib.sha256(seed.encode()).digest()


@dataclass(frozen=True)  # no slots: what is worked out once stays with it
class Criterion:
    """When a project is critical: among the `top` by a metric over a window, or with `at_least` so much of it.

    Once in, a project stays until it falls below `keep_above` times the threshold. At `frozen_at` the set stands still.
    """

    metric: str
    window_days: int
    top: int | None = None
    at_least: int | None = None
    keep_above: float = 1.0
    frozen_at: datetime | None = None

    @Once
    def key(self) -> str:
        """Return a short name that tells criteria apart, also those that differ by a microsecond or the last digit."""
        limit = f"top-{self.top}" if self.top is not None else f"least-{self.at_least}"
        short = f"{self.keep_above:g}"
        keep = short if float(short) == self.keep_above else repr(self.keep_above)
        return f"{self.metric}-{self.window_days}-{limit}-{keep}{_frozen(self.frozen_at)}"

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        told: dict[str, Any] = {"metric": self.metric, "window_days": self.window_days}
        if self.top is not None:
            told["top"] = self.top
        if self.at_least is not None:
            told["at_least"] = self.at_least
        told["keep_above"] = self.keep_above
        if self.frozen_at is not None:
            told["frozen_at"] = clock.format_instant(self.frozen_at)
        return told


def _frozen(at: datetime | None) -> str:
    if at is None:
        return ""
    return f"-{at:%Y%m%dT%H%M%S}" + (f".{at.microsecond:06}" if at.microsecond else "")


@dataclass(frozen=True, slots=True)
class OfCriticalProjects:
    """Whoever has any role in a project that is critical by this criterion."""

    criterion: Criterion

    def matches(self, view: View) -> bool:
        """Tell whether there is a role in one."""
        return "*" in view.criteria or self.criterion.key in view.criteria

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"critical": self.criterion.as_dict()}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Whoever is in at least one of these sets."""

    parts: tuple[Selector, ...]

    def matches(self, view: View) -> bool:
        """Tell whether one of them has the person."""
        for part in self.parts:  # noqa: SIM110 - `any` with a generator takes three times as long, for every decision
            if part.matches(view):
                return True
        return False

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"any": [part.as_dict() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class AllOf:
    """Whoever is in every one of these sets."""

    parts: tuple[Selector, ...]

    def matches(self, view: View) -> bool:
        """Tell whether all of them have the person."""
        for part in self.parts:  # noqa: SIM110 - as above
            if not part.matches(view):
                return False
        return True

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"all": [part.as_dict() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class NotOf:
    """Whoever is not in this set."""

    part: Selector

    def matches(self, view: View) -> bool:
        """Tell whether it has not the person."""
        return not self.part.matches(view)

    def as_dict(self) -> dict[str, Any]:
        """Return it as it is written down."""
        return {"not": self.part.as_dict()}


def leaves(selector: Selector) -> Iterator[Selector]:
    """Yield the sets that a selector is made of."""
    if isinstance(selector, AnyOf | AllOf):
        for part in selector.parts:
            yield from leaves(part)
    elif isinstance(selector, NotOf):
        yield from leaves(selector.part)
    else:
        yield selector


def projects_of(selector: Selector) -> frozenset[str]:
    """Return the normalised names of projects that a selector asks about."""
    return frozenset().union(*(leaf.names for leaf in leaves(selector) if isinstance(leaf, OfProjects)))


def criteria_of(selector: Selector) -> frozenset[Criterion]:
    """Return the criteria that a selector asks about."""
    return frozenset(leaf.criterion for leaf in leaves(selector) if isinstance(leaf, OfCriticalProjects))
