"""Whom a mandate refuses, will refuse or didn't reach: one page of people after the other, for those who run the index.

A page looks through so many people at most, so that it costs the same on a big index; it may be empty and yet not the last.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from keyhouse.mandate import people
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.metrics.counting import Yardstick, is_coming, is_refused, key_of, read_beside
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


@dataclass(frozen=True, slots=True)
class Page:
    """Some of those who were asked for, by id; `after` leads to the next page, None where everybody was looked at."""

    people: tuple[Seen, ...]
    read: int
    after: int | None


def find_people(policy: Policy, kind: str, after: int, now: datetime) -> Page:
    """Return a page of the people of one kind (`KINDS`) whose id is greater than `after`."""
    measure, found, read = Yardstick(policy.name, policy, now), list[Seen](), 0
    everybody = people.all_facts(after=after)
    while read < MOST_READ and (batch := list(islice(everybody, _AT_ONCE))):
        beside = read_beside(batch, now)
        for facts in batch:
            read, after = read + 1, key_of(facts)
            if not covers(policy, facts):
                continue
            seen = _seen(
                facts,
                measure,
                sum(not is_accepted(policy.mandate, one) for one in beside.tokens.get(after, ())),
                sum(not is_accepted(policy.mandate, one) for one in beside.publishers.get(after, ())),
            )
            if KINDS[kind](facts, measure, seen):
                found.append(seen)
                if len(found) == MOST_SHOWN:
                    return Page(tuple(found), read, after)
    return Page(tuple(found), read, after if read >= MOST_READ else None)


def _seen(facts: Facts, measure: Yardstick, weak_tokens: int, weak_publishers: int) -> Seen:
    mandate = measure.policy.mandate
    return Seen(
        facts.person.name,
        len({one.name for one in facts.authority if one.kind == "project"}),
        any(mandate.announced_at <= at <= measure.now for at in facts.told_at.get(mandate.name, ())),
        is_compliant(mandate, facts.person),
        weak_tokens,
        weak_publishers,
    )


def _lacks(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    exempt = any(
        one.mandate == measure.policy.name
        and one.version in {None, measure.policy.version}
        and (one.since or measure.now) <= measure.now < one.until
        for one in facts.exemptions
    )
    return not seen.complies and not exempt


def _is_refused(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    return _lacks(facts, measure, seen) and is_refused(measure, facts)


def _is_coming(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    return _lacks(facts, measure, seen) and not is_refused(measure, facts) and is_coming(measure, facts)


def _is_unreached(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    return _lacks(facts, measure, seen) and not seen.was_told


def _has_weak(facts: Facts, measure: Yardstick, seen: Seen) -> bool:
    del facts, measure
    return bool(seen.weak_tokens or seen.weak_publishers)


KINDS: Final[Mapping[str, Callable[[Facts, Yardstick, Seen], bool]]] = {
    "refused": _is_refused,
    "coming": _is_coming,
    "unreached": _is_unreached,
    "weak": _has_weak,
}
