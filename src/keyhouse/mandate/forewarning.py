"""Whom a version of a mandate would refuse sooner than the notice floor after they were told of it. Pure.

It is one remark of a plan, and the only one that a launch guard asks for, so it can be had without the rest of the plan.
Nearly always no one has to be looked at for it: nothing is refused before the floor is over, or nothing new is.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import chain, pairwise
from typing import Final

from keyhouse.core.actions import REMOVE_LAST
from keyhouse.mandate import words
from keyhouse.mandate.coming import denies
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.facts import Asking, Facts
from keyhouse.mandate.grounds import BY_TOKEN, Ground, Timeline, acts_asked, is_refused
from keyhouse.mandate.once import Once
from keyhouse.mandate.plans import MOST_EXAMPLES, NOTICE_PATH, Remark
from keyhouse.mandate.populations import Group, Tokens, best_session
from keyhouse.mandate.rules import GAINING, Policy, covers, satisfies

_HARMLESS: Final = GAINING | {REMOVE_LAST}  # what is refused without taking anything that somebody has
_FAR: Final = datetime.max.replace(tzinfo=UTC)


class Forewarning:
    """A version of a mandate that is to be added, and before when it may refuse nobody anew."""

    def __init__(self, before: Timeline, ground: Ground, policy: Policy) -> None:
        """Take the mandates as they are, both sides of the comparison, and the version."""
        self._ground, self._policy = ground, policy
        self._earliest, self._days = _floor_kept(before, policy, ground.now)

    def may_concern_anybody(self) -> bool:
        """Tell whether it may refuse somebody too soon who is not exempt from this mandate.

        It does not where, until the floor is over, nothing is refused, or nothing that wasn't refused in the same terms.
        """
        if self._policy.is_floor_exempt:
            return False
        turns = [at for at in self._ground.instants() if at < self._earliest]
        spans = pairwise([*turns, self._earliest])  # within one of them the same terms hold
        return any(self._may_refuse_anew(begin, end) for begin, end in spans)

    def _may_refuse_anew(self, begin: datetime, end: datetime) -> bool:
        terms = self._ground.terms_of(self._policy, begin)
        return _first_refusal(terms.mandate) < end and not self._ground.is_held_before(terms, begin)

    def concerned(self, people: Iterable[Facts], tokens: Tokens) -> Iterator[Facts]:
        """Yield of these people those whom it could refuse something at all: the others are never refused too soon."""
        if not self._is_told_apart:
            yield from people
            return
        for one in people:
            held = [best_session(one.person), *tokens.get(one.person.id, ())]
            if any(_could_refuse(terms, one, held) for terms in self._terms):
                yield one

    @Once
    def _terms(self) -> tuple[Policy, ...]:
        """Return the version in each of the terms in which it will hold."""
        after = (one for at in self._ground.instants() for one in self._ground.live(at)[1])
        return tuple(
            dict.fromkeys([self._policy, *(one for one in after if one.label == self._policy.label)])
        )

    @Once
    def _is_told_apart(self) -> bool:
        """Tell whether a plan tells whom it could refuse from others by the same: by what these terms see in everybody."""
        return all(one in self._ground.policies and one.mandate.takes_tokens for one in self._terms)

    def remarks(self, groups: Sequence[Group], people: int) -> Iterator[Remark]:
        """Refuse what would gate somebody who is covered now sooner than the notice floor after they were told of it.

        `people`: how many are here, of whom it tells how many are meant.
        """
        if self._policy.is_floor_exempt:
            return
        found = ((group, self._gated_at(group)) for group in groups)
        gated = [(group, at) for group, at in found if at is not None]
        if gated:
            count = sum(group.count for group, _ in gated)
            names = [name for group, _ in gated for name in group.names][:MOST_EXAMPLES]
            first = min(at for _, at in gated)
            yield Remark(
                NOTICE_PATH,
                f"{count:,} of {people:,} people would be refused from {words.moment(first)} on, less than"
                f" {self._days} days after their notice: {', '.join(names)}",
            )

    def _gated_at(self, group: Group) -> datetime | None:
        # notices that were delivered told of what held until now; of these terms nobody can have been told before (C2)
        ground = self._ground
        names = [name for name in ground.actions if name not in GAINING]
        for at in ground.instants(group):
            if at >= self._earliest:
                return None
            (before, _), terms = ground.live(at), ground.terms_of(self._policy, at)
            in_session = acts_asked(ground, group, [group.best], names, at)
            for facts in chain(in_session, acts_asked(ground, group, group.tokens, BY_TOKEN, at)):
                if denies(terms, facts, at) and not is_refused(facts, before, at):
                    return at
        return None


def _floor_kept(before: Timeline, policy: Policy, now: datetime) -> tuple[datetime, int]:
    """Return before when nobody may be gated anew, and by a floor of how many days.

    A version that lowers the floor is itself one that people must be told of: the floors of former versions, and of what
    is replaced, hold for as long as they are after the last instant of that version.
    """
    floors = [(now + policy.mandate.floor, policy.mandate.floor.days)]
    names = {policy.name, *policy.mandate.replaces}
    past = [(at, one) for at, one in before.versions if one.name in names and at <= now]
    for number, (_, one) in enumerate(past):
        ends = [at for at, later in past[number + 1 :] if later.name == one.name]
        floors.append((min(ends, default=now) + one.mandate.floor, one.mandate.floor.days))
    return max(floors)


def _first_refusal(mandate: Mandate) -> datetime:
    """Return before when a mandate takes nothing from anybody, whoever they are and whatever they were told."""
    begins = [stage.at for stage in mandate.stages if stage.deny - _HARMLESS]
    expires = mandate.credentials.at
    return min([*begins, *([] if expires is None else [expires])], default=_FAR)


def _could_refuse(policy: Policy, facts: Facts, held: Iterable[Asking]) -> bool:
    """Tell whether a mandate is about somebody, and what they hold is less than it asks for."""
    is_enough = facts.person.verified_email and all(
        satisfies(policy.mandate, replace(facts, asking=one)) for one in held
    )
    return not is_enough and covers(policy, facts)
