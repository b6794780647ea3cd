"""Putting off a deadline of one's own (N7): how often, how far, and until when it may be done. Pure.

A snooze is for people who have a deadline and not yet what it asks for. Operators have none, nor has anybody once it is in
force for everybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from keyhouse.core import clock
from keyhouse.mandate.documents import IN_FORCE, Mandate
from keyhouse.mandate.facts import NEEDING_FACTOR, Facts
from keyhouse.mandate.rules import Policy, covers, is_compliant


@dataclass(frozen=True, slots=True)
class Offer:
    """That somebody may put their deadline off now: until when, the how manieth time of how many."""

    until: datetime
    number: int
    times: int
    days: int

    def as_dict(self) -> dict[str, object]:
        """Return it as JSON has it."""
        return {
            "until": clock.format_instant(self.until),
            "number": self.number,
            "times": self.times,
            "days": self.days,
        }


def last_at(mandate: Mandate) -> datetime | None:
    """Return the instant from which on nothing can be put off: when it is in force for everybody; None: never."""
    return min((one.at for one in mandate.stages if one.who is None and one.state in IN_FORCE), default=None)


def taken(mandate: Mandate, facts: Facts, now: datetime) -> list[datetime]:
    """Return until when somebody put it off so far, since it was announced, in their order."""
    mine = [one for one in facts.snoozes if one.mandate == mandate.name]
    mine.sort(key=lambda one: one.since)
    return [one.until for one in mine if mandate.announced_at <= one.since <= now]


def offer(policy: Policy, facts: Facts, deadline: datetime | None, now: datetime) -> Offer | None:
    """Return what somebody may still put off; `deadline` is theirs, past or to come, None where they have none.

    None where they may not: operators, whoever complies or isn't covered, too late, too often, or the mandate allows none.
    """
    mandate, number = policy.mandate, len(taken(policy.mandate, facts, now)) + 1
    if deadline is None or policy.is_floor_exempt or number > mandate.snoozing.times:
        return None
    if not _may(policy, facts, now):
        return None
    until = max(now, deadline) + timedelta(days=mandate.snoozing.days)
    return Offer(until, number, mandate.snoozing.times, mandate.snoozing.days)


def _may(policy: Policy, facts: Facts, now: datetime) -> bool:
    last = last_at(policy.mandate)
    is_in_time = policy.mandate.announced_at <= now and (last is None or now < last)
    is_concerned = covers(policy, facts) and not is_compliant(policy.mandate, facts.person)
    return is_in_time and is_concerned and NEEDING_FACTOR.isdisjoint(facts.person.roles)
