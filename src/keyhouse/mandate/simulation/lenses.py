"""What one mandate sees of people: those it can't tell apart are judged once, by `rules` and `coming`. Pure.

A decision at a fixed instant compares what it knows of a person with few instants and few names. So a person is reduced
to the answers of those comparisons, their shape; whoever has the same shape gets the same verdict at every mark.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any, Final, NamedTuple

from keyhouse.core.actions import REMOVE_LAST
from keyhouse.mandate import coming, populations
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.errors import DeletionHeld
from keyhouse.mandate.facts import Asking, Facts, Object, Person
from keyhouse.mandate.grounds import Ground, acts_asked
from keyhouse.mandate.populations import Group
from keyhouse.mandate.queries import configured
from keyhouse.mandate.rules import GAINING, Policy, covers, decide, is_compliant
from keyhouse.mandate.selectors import (
    Cohort,
    JoinedFrom,
    Named,
    OfOrganizations,
    OfProjects,
    Selector,
    View,
    leaves,
)
from keyhouse.mandate.simulation.snapshot import Criticals, Held, Somebody

Mark = tuple[datetime, str]
Shape = tuple[Any, ...]
MOST_KEPT: Final = 200_000  # shapes; that many are never met but by a mandate that names thousands of people
UPLOAD: Final = "release.upload"


class Profile(NamedTuple):
    """How people of a shape stand; of `exempt`, `refused` and `newly` each bit is a mark, the lowest one now.

    `refused`: the mandate refuses them something by the most that they can prove. `newly`: the gate refuses something
    that it would not without this mandate. `cohorts`: in which of the mandate's they are.
    """

    roles: tuple[str, ...]
    factors: tuple[str, ...]
    state: str
    is_covered: bool
    is_compliant: bool
    exempt: int
    refused: int
    newly: int
    cohorts: tuple[bool, ...]


class Judged(NamedTuple):
    """A shape with one of those who have it, for questions about what they hold in hand."""

    group: Group
    profile: Profile


def cohorts_of(mandate: Mandate) -> list[Cohort]:
    """Return the cohorts that a mandate names, each once, by seed and size."""
    selectors = [mandate.who, *(stage.who for stage in mandate.stages if stage.who is not None)]
    found = {leaf for one in selectors for leaf in leaves(one) if isinstance(leaf, Cohort)}
    return sorted(found, key=lambda one: (one.seed, one.percent))


class Lens:
    """Reduces people to shapes, and judges each shape once."""

    def __init__(self, ground: Ground, policy: Policy, marks: Sequence[Mark], critical: Criticals) -> None:
        """Take the mandate, what holds before and after it, the instants to look at, and what is critical."""
        self._ground, self._policy, self._critical = ground, policy, critical
        self.marks = [at for at, _ in marks]
        self._policies = tuple(dict.fromkeys((*ground.policies, policy)))
        named = [leaf for one in self._policies for leaf in _leaves(one)]
        announced = {one.mandate.announced_at for one in self._policies}
        self._cuts = sorted(announced | {leaf.at for leaf in named if isinstance(leaf, JoinedFrom)})
        self._users = frozenset().union(*(leaf.names for leaf in named if isinstance(leaf, Named)))
        projects = (leaf.names for leaf in named if isinstance(leaf, OfProjects))
        organizations = (leaf.names for leaf in named if isinstance(leaf, OfOrganizations))
        self._names = frozenset().union(*projects, *organizations)
        self._cohorts = sorted(
            {(leaf.seed, leaf.percent): leaf for leaf in named if isinstance(leaf, Cohort)}.items()
        )
        keys = {one.key for policy_ in self._policies for one in policy_.mandate.criteria}
        self._criteria = {name: frozenset(found) & keys for name, found in critical.items()}
        self._critical_since = {name: min(found.values()) for name, found in critical.items()}
        self._told = [
            (one.name, one.mandate.announced_at, _thresholds(one.mandate, self.marks))
            for one in self._policies
            if not one.is_floor_exempt
        ]
        self._exempting = {one.name for one in self._policies}
        self._own_cohorts = cohorts_of(policy.mandate)
        self._names_asked = [name for name in ground.actions if name not in GAINING and name != REMOVE_LAST]
        self._live = {at: _named(policy.name, ground.live(at)[1]) for at in self.marks}
        self._judged: dict[Shape, Judged] = {}
        self._credentials: dict[Any, int] = {}

    # ---- shapes

    def _shape(self, one: Somebody, things: Iterable[Any]) -> Shape:
        """Return what can be told of a person at the marks, and nothing else."""
        return (
            one.state,
            one.verified,
            one.factors,
            one.offices,
            bisect_right(self._cuts, one.joined_at),
            one.name.lower() if self._users and one.name.lower() in self._users else "",
            self._shares(one.id) if self._cohorts else (),
            frozenset(things),
            self.told_classes(one) if one.notices else (),
            self.exempt_classes(one) if one.exemptions else _NOTHING,
            self.snoozed_classes(one) if one.snoozes else (),
        )

    def _shares(self, number: int) -> tuple[bool, ...]:
        view = View(Person(f"u{number}"), ())
        return tuple(cohort.matches(view) for _, cohort in self._cohorts)

    def _things(self, one: Somebody) -> dict[str, Any]:
        """Return for each name what the person is to projects and organizations of it."""
        projects: dict[str, set[Any]] = {}
        organizations: dict[str, set[Any]] = {}
        for role in one.roles:
            places = organizations if role.kind == "organization" else projects
            places.setdefault(role.name, set()).add(self._entry(role.kind, role.name, role.role, role.since))
        for name, since in _earliest(one.publishers):
            projects.setdefault(name, set()).add(self._entry("publisher", name, "configurer", since))
        return {
            name: (frozenset(projects.get(name, ())), frozenset(organizations.get(name, ())))
            for name in projects.keys() | organizations.keys()
        }

    def _entry(self, kind: str, name: str, role: str, since: datetime) -> tuple[Any, ...]:
        """Return an authority as comparisons see it; only roles in projects are critical."""
        named = name if name in self._names else ""
        held = bisect_right(self._cuts, since)
        covered = self._critical_since.get(name) if kind == "project" else None
        if covered is None:
            return kind, role, held, named
        return kind, role, held, named, self._criteria[name], since < covered

    def told_classes(self, one: Somebody) -> tuple[int, ...]:
        """Return for each mandate between which telling instants its first notice lies; -1: there is none."""
        return tuple(
            _first(thresholds, [at for told, _, at in one.notices if told == name and at >= announced])
            for name, announced, thresholds in self._told
        )

    def exempt_classes(self, one: Somebody) -> frozenset[tuple[str, int, int]]:
        """Return from which versions the person is exempt, and at which marks."""
        return frozenset(
            (name, version, _bits(since <= at < until for at in self.marks))
            for name, version, until, since in one.exemptions
            if name in self._exempting
        )

    def snoozed_classes(self, one: Somebody) -> tuple[int, ...]:
        """Return for each mandate at how many marks what the person put off isn't due yet."""
        return tuple(self._put_off(one, policy.mandate) for policy in self._policies)

    def _put_off(self, one: Somebody, mandate: Mandate) -> int:
        mine = sorted(
            (since, until)
            for name, since, until in one.snoozes
            if name == mandate.name and since >= mandate.announced_at
        )
        last = (until for _, until in mine[: mandate.snoozing.times])
        return max((bisect_left(self.marks, until) for until in last), default=0)

    # ---- verdicts

    def judge(self, one: Somebody) -> tuple[Shape, Judged]:
        """Return the shape of a person and how such people stand."""
        things = self._things(one) if one.roles or one.publishers else {}
        shape = self._shape(one, things.values())
        found = self._judged.get(shape)
        if found is None:
            if len(self._judged) >= MOST_KEPT:
                self._judged.clear()
                self._credentials.clear()
            telling = {thing: name for name, thing in things.items()}  # one name of those that are alike
            found = self._judged[shape] = self._work_out(one.facts(self._critical, set(telling.values())))
        return shape, found

    def _work_out(self, facts: Facts) -> Judged:
        group = populations.group_people([facts], self._policies)[0]
        policy, person = self._policy, facts.person
        is_covered = covers(policy, facts)
        view = View(person, facts.authority, policy.mandate.announced_at)
        return Judged(
            group,
            Profile(
                roles=tuple(sorted(view.roles)),
                factors=person.factors,
                state=person.state,
                is_covered=is_covered,
                is_compliant=is_compliant(policy.mandate, person),
                exempt=_bits(is_covered and coming.is_exempt(policy, facts, at) for at in self.marks),
                refused=_bits(is_covered and self._is_refused(group, at) for at in self.marks),
                newly=_bits(self._is_newly_refused(group, at) for at in self.marks),
                cohorts=tuple(cohort.matches(view) for cohort in self._own_cohorts),
            ),
        )

    def _is_refused(self, group: Group, at: datetime) -> bool:
        policy = self._live[at]
        return policy is not None and coming.is_refused_by(self._ground, policy, group, at)

    def _is_newly_refused(self, group: Group, at: datetime) -> bool:
        before, after = self._ground.live(at)
        asked = acts_asked(self._ground, group, [group.best], self._names_asked, at)
        return any(_is_denied(one, after, at) and not _is_denied(one, before, at) for one in asked)

    def refused_by_credential(self, shape: Shape, judged: Judged, one: Somebody, held: Held) -> int:
        """Return at which marks the mandate refuses an upload by this token or publisher, or anything in this session."""
        asking = held.asking
        things = self._things(one) if held.projects else {}
        about = frozenset(things.get(name, _NOTHING) for name in held.projects)
        minted = None if asking.at is None else bisect_right(self._cuts, asking.at)
        key = (shape, asking.kind, asking.proved, asking.device_bound, minted, about)
        found = self._credentials.get(key)
        if found is None:
            found = self._credentials[key] = self._weigh(judged.group, held)
        return found

    def _weigh(self, group: Group, held: Held) -> int:
        if held.kind == "session":
            return _bits(self._refuses(group, held.asking, self._names_asked, at) for at in self.marks)
        if held.projects:
            group = replace(group, objects=tuple(Object("project", name) for name in held.projects))
        return _bits(self._refuses(group, held.asking, [UPLOAD], at) for at in self.marks)

    def _refuses(self, group: Group, asking: Asking, names: Sequence[str], at: datetime) -> bool:
        policy = self._live[at]
        if policy is None:
            return False
        present = asking if asking.at is not None else replace(asking, at=at)
        asked = (
            replace(group.facts, asking=present, action=name, object=thing)
            for name, thing in product(names, group.objects)
        )
        return any(coming.denies(policy, one, at) for one in asked)


_NOTHING: Final[frozenset[Any]] = frozenset()


def _leaves(policy: Policy) -> Iterator[Selector]:
    yield from leaves(policy.mandate.who)
    for stage in policy.mandate.stages:
        if stage.who is not None:
            yield from leaves(stage.who)


def _named(name: str, policies: Iterable[Policy]) -> Policy | None:
    return next((one for one in policies if one.name == name), None)


def _thresholds(mandate: Mandate, marks: Sequence[datetime]) -> list[datetime]:
    """Return the instants of being told on which it hangs whether a deadline is past at a mark (`rules.deadline`)."""
    caps = {at + mandate.unreached_cap for at in populations.scheduled(mandate)}
    return sorted(caps | {at - mandate.floor for at in marks})


def _first(thresholds: Sequence[datetime], told: Sequence[datetime]) -> int:
    return bisect_left(thresholds, min(told)) if told else -1


def _earliest(publishers: Iterable[tuple[str, datetime]]) -> Iterator[tuple[str, datetime]]:
    for one in configured(publishers):
        if one.since is not None:
            yield one.name, one.since


def _bits(flags: Iterable[bool]) -> int:
    return sum(1 << place for place, flag in enumerate(flags) if flag)


def _is_denied(facts: Facts, policies: Sequence[Policy], at: datetime) -> bool:
    """Tell whether the gate refuses it, but for a deletion that only waits."""
    found = decide(facts, policies, at)
    return found.verdict == "deny" and found.code != DeletionHeld.code
