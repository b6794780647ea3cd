"""Whom a mandate refuses, will refuse or didn't reach: one page of people after the other, for those who run the index.

A page looks through so many people at most, so that it costs the same on a big index; it may be empty and yet not the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from typing import Any, Final

from keyhouse.mandate import people
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.metrics.counting import (
    RESISTANT,
    Beside,
    Yardstick,
    is_coming,
    is_live,
    is_refused,
    key_of,
    read_beside,
)
from keyhouse.mandate.notices.queries import REASONS, reasons_of
from keyhouse.mandate.rules import Policy, covers, is_accepted, is_compliant

MOST_SHOWN: Final = 50
MOST_READ: Final = 5000  # people that one page looks through
_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class Seen:
    """Somebody whom a mandate covers: how many projects they have a role in, whether they were told, what is weak."""

    name: str
    projects: int
    was_told: bool
    complies: bool
    weak_tokens: int
    weak_publishers: int
    factors: int
    is_resistant: bool
    is_exempt: bool
    why: str = ""  # no notice reached them: one of `notices.queries.REASONS`

    @property
    def why_in_words(self) -> str:
        """Say why no notice reached them."""
        return REASONS.get(self.why, self.why)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "username": self.name,
            "projects": self.projects,
            "complies": self.complies,
            "was_told": self.was_told,
            "why_not_told": self.why or None,
            "is_exempt": self.is_exempt,
            "second_factors": self.factors,
            "weak_tokens": self.weak_tokens,
            "weak_publishers": self.weak_publishers,
        }


@dataclass(frozen=True, slots=True)
class Page:
    """Some of those who were asked for, by id; `after` leads to the next page, None where everybody was looked at."""

    people: tuple[Seen, ...]
    read: int
    after: int | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Who is looked for: one of `KINDS`, and of those whom no notice reached only one reason, if one is given."""

    kind: str
    why: str = ""


def find_people(policy: Policy, wanted: Wanted, after: int, now: datetime) -> Page:
    """Return a page of the people who are looked for and whose id is greater than `after`."""
    measure, found, read = Yardstick(policy.name, policy, now), list[Seen](), 0
    everybody = people.all_facts(after=after)
    while read < MOST_READ and (batch := list(islice(everybody, _AT_ONCE))):
        some, room = _matching(batch, wanted, measure), MOST_SHOWN - len(found)
        found += [seen for _, seen in some[:room]]
        if len(some) >= room:
            last = some[room - 1][0]
            return Page(tuple(found), read + sum(key_of(one) <= last for one in batch), last)
        read, after = read + len(batch), key_of(batch[-1])
    return Page(tuple(found), read, after if read >= MOST_READ else None)


def _matching(batch: Sequence[Facts], wanted: Wanted, measure: Yardstick) -> list[tuple[int, Seen]]:
    """Return those of some people who are looked for, by id."""
    beside = read_beside(batch, measure.now)
    covered = [facts for facts in batch if covers(measure.policy, facts)]
    seen = [(facts, _seen(facts, beside, measure)) for facts in covered]
    found = [(key_of(facts), one) for facts, one in seen if KINDS[wanted.kind](facts, measure, one)]
    if wanted.kind != UNREACHED:
        return found
    why = reasons_of(measure.key, [key for key, _ in found])
    told = [(key, replace(one, why=why[key])) for key, one in found]
    return [(key, one) for key, one in told if wanted.why in {"", one.why}]


def _seen(facts: Facts, beside: Beside, measure: Yardstick) -> Seen:
    mandate, key = measure.policy.mandate, key_of(facts)
    return Seen(
        facts.person.name,
        len({one.name for one in facts.authority if one.kind == "project"}),
        any(mandate.announced_at <= at <= measure.now for at in facts.told_at.get(mandate.name, ())),
        is_compliant(mandate, facts.person),
        sum(not is_accepted(mandate, one) for one in beside.tokens.get(key, ())),
        sum(not is_accepted(mandate, one) for one in beside.publishers.get(key, ())),
        beside.factors.get(key, 0),
        not RESISTANT.isdisjoint(facts.person.factors),
        any(is_live(one, measure) for one in facts.exemptions),
    )


def _lacks(seen: Seen) -> bool:
    return not seen.complies and not seen.is_exempt


def _is_lacking(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    del facts, measure
    return not seen.complies


def _is_refused(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    return _lacks(seen) and is_refused(measure, facts)


def _is_coming(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    return _lacks(seen) and not is_refused(measure, facts) and is_coming(measure, facts)


def _is_unreached(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    del facts, measure
    return _lacks(seen) and not seen.was_told


def _has_weak(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    del facts, measure
    return bool(seen.weak_tokens or seen.weak_publishers)


def _is_exempt(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    del facts, measure
    return seen.is_exempt


def _has_no_key(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    del facts, measure
    return not seen.is_resistant


def _has_one_or_none(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    del facts, measure
    return seen.factors <= 1


UNREACHED: Final = "unreached"
KINDS: Final[Mapping[str, Callable[[Facts, Yardstick, Seen], bool]]] = {
    "lacking": _is_lacking,
    "refused": _is_refused,
    "coming": _is_coming,
    UNREACHED: _is_unreached,
    "weak": _has_weak,
    "exempt": _is_exempt,
    "no-key": _has_no_key,
    "one-factor": _has_one_or_none,
}
