"""The ground of a comparison of mandates: both sides, and between whom, what and when they could tell. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import product
from typing import Any, Final, NamedTuple, Protocol

from keyhouse.mandate import populations, words
from keyhouse.mandate.calendars import NO_CALENDAR
from keyhouse.mandate.facts import Asking, Facts
from keyhouse.mandate.populations import Group
from keyhouse.mandate.rules import HELD_ACTIONS, Policy, decide
from keyhouse.mandate.strictness import is_as_strict, lies_within

BY_TOKEN: Final = ("release.upload", "release.yank", "index.read-private")


class Timeline(Protocol):
    """Mandates with the instants from which on each version holds."""

    @property
    def versions(self) -> tuple[tuple[datetime, Policy], ...]:
        """Return each version with its instant."""

    def live_at(self, now: datetime) -> tuple[Policy, ...]:
        """Return the versions that hold at an instant."""


Add = Callable[[Policy], Timeline]


class Case(NamedTuple):
    """A person, a credential, an act and an instant."""

    facts: Facts
    at: datetime

    def __str__(self) -> str:
        """Return it in words."""
        thing = self.facts.object
        about = f" of {thing.name}" if thing and thing.name else ""
        asking = words.asking(self.facts.asking.kind, self.facts.asking.proved)
        return f"{words.act(self.facts.action)}{about} by {asking}, on {words.moment(self.at)}"


_Key = tuple[frozenset[int], frozenset[int]]


class Ground:
    """Both sides of a comparison, and between whom, what and when they could tell."""

    def __init__(self, before: Timeline, after: Timeline, now: datetime) -> None:
        """Take both sides; nothing before `now` is looked at."""
        self.now = now
        self._sides = before, after
        self._live: dict[datetime, tuple[tuple[Policy, ...], tuple[Policy, ...]]] = {}
        self._differing: dict[_Key, tuple[tuple[Policy, ...], tuple[Policy, ...]]] = {}
        self._proven: dict[tuple[int, int], bool] = {}
        changes = {at for side in self._sides for at, _ in side.versions if at > now}
        seen = (policy for at in (now, *changes) for side in self._sides for policy in side.live_at(at))
        self.policies = tuple(dict.fromkeys(seen))
        held = {now + policy.mandate.deletion_hold for policy in self.policies}
        self._turns = changes | held | populations.turning_points(self.policies)
        self.actions = populations.distinct_actions(self.policies)

    def live(self, at: datetime) -> tuple[tuple[Policy, ...], tuple[Policy, ...]]:
        """Return what holds at an instant, before and after the change."""
        if at not in self._live:
            before, after = self._sides
            self._live[at] = before.live_at(at), after.live_at(at)
        return self._live[at]

    def terms_of(self, policy: Policy, at: datetime) -> Policy:
        """Return a version as it holds at an instant, after the change: pauses make something else of what is written."""
        _, after = self.live(at)
        return next((one for one in after if one.label == policy.label), policy)

    def last_terms_of(self, policy: Policy) -> Policy:
        """Return a version as it is in the end, once every pause is over that is bound to end."""
        versions = self._sides[1].versions
        return next((one for _, one in reversed(versions) if one.label == policy.label), policy)

    def instants(self, group: Group | None = None) -> list[datetime]:
        """Return now and every later instant at which an answer for this group can turn.

        Between two of them nothing turns: all that `decide` compares with an instant begins with it, inclusive.
        """
        personal = group.deadlines if group else frozenset()
        return [self.now, *sorted(at for at in self._turns | personal if at > self.now)]

    def telling_instants(self, group: Group) -> list[datetime]:
        """Return those at which the two sides don't say the same to this group."""
        if group.facts.exemptions:  # bound to a version, whatever that says
            return self.instants(group)
        return [at for at in self.instants(group) if self.lost(at) or self.gained(at)]

    def lost(self, at: datetime) -> tuple[Policy, ...]:
        """Return what holds at an instant before the change, and after it not in these terms."""
        return self._only(at)[0]

    def gained(self, at: datetime) -> tuple[Policy, ...]:
        """Return what holds at an instant after the change, and before it not in these terms."""
        return self._only(at)[1]

    def is_held_before(self, policy: Policy, at: datetime) -> bool:
        """Tell whether something holds at an instant before the change in the terms of this policy."""
        terms = _terms(policy)
        return any(_terms(one) == terms for one in self.live(at)[0])

    def is_seen_as_tightening(self) -> bool:
        """Tell whether the words alone prove that all that is lost is refused by something that holds after."""
        pairs = {(id(one), at): (one, at) for at in self.instants() for one in self.lost(at)}
        return all(self._is_made_up_for(one, at) for one, at in pairs.values())

    def _is_made_up_for(self, lost: Policy, at: datetime) -> bool:
        return any(self._is_as_strict(one, lost) for one in self.live(at)[1])

    def keeps_revoking(self, lost: Policy, field: str, at: datetime) -> bool:
        """Tell whether what is lost revokes no tokens, or something that holds after does so for all of the same people."""
        return getattr(lost.mandate.credentials, field) != "revoke" or any(
            getattr(one.mandate.credentials, field) == "revoke"
            and lies_within(lost.mandate.who, one.mandate.who)
            for one in self.live(at)[1]
        )

    def _is_as_strict(self, new: Policy, old: Policy) -> bool:
        key = id(new), id(old)
        if key not in self._proven:
            self._proven[key] = is_as_strict(new, old)
        return self._proven[key]

    def _only(self, at: datetime) -> tuple[tuple[Policy, ...], tuple[Policy, ...]]:
        sides = self.live(at)
        key = frozenset(map(id, sides[0])), frozenset(map(id, sides[1]))  # few: instants are many
        if key not in self._differing:
            before, after = ({_terms(one): one for one in side} for side in sides)
            self._differing[key] = (
                tuple(one for terms, one in before.items() if terms not in after),
                tuple(one for terms, one in after.items() if terms not in before),
            )
        return self._differing[key]


def _terms(policy: Policy) -> tuple[Any, ...]:
    """Return what of a version decides anything; its words and its number don't."""
    empty: dict[str, Any] = {"title": "", "reason": "", "link": "", "satisfies": (), "prefer": ""}
    mandate = replace(policy.mandate, **empty, calendar=NO_CALENDAR, launch=None)
    return mandate, policy.is_floor_exempt, policy.pauses


def acts_asked(
    ground: Ground, group: Group, askings: Sequence[Asking], names: Sequence[str], at: datetime
) -> Iterator[Facts]:
    """Yield the facts of every act by every credential at an instant; a session was proven just then."""
    present = [one if one.kind == "token" else replace(one, at=at) for one in askings]
    usable = [one for one in present if one.at is not None and one.at <= at]
    for asking, name, thing in product(usable, names, group.objects):
        facts = replace(group.facts, asking=asking, action=name, object=thing)
        yield facts
        if name in HELD_ACTIONS and thing is not None:
            yield replace(facts, object=replace(thing, deletion_asked_at=ground.now))


def is_refused(facts: Facts, policies: Sequence[Policy], at: datetime) -> bool:
    """Tell whether these policies together refuse an act."""
    return decide(facts, policies, at).verdict == "deny"
