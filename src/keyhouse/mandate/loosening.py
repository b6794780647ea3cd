"""Whether a change of mandates allows anything that was refused, to people here and to those who may come. Pure.

Everything is asked of `rules.decide`, before and after the change, at every instant at which its answer can turn.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple

from keyhouse.mandate import populations, words
from keyhouse.mandate.documents import IN_FORCE, Mandate
from keyhouse.mandate.errors import DeletionHeld
from keyhouse.mandate.facts import Asking, Facts
from keyhouse.mandate.grounds import Case, Ground, acts_asked
from keyhouse.mandate.plans import MOST_EXAMPLES
from keyhouse.mandate.populations import Effort, Group
from keyhouse.mandate.rules import GAINING, Decision, Policy, decide, objection, prospective
from keyhouse.mandate.selectors import View

MOST_ASKED: Final = 100_000  # questions for making people up, and again for asking about them
MOST_EXAMPLES_ASKED: Final = 20_000  # where no answer could tell that nothing gets looser
UNSURE: Final = (
    "somebody: it could not be excluded that something is allowed that is refused now. The sets of people are too many"
    " or too mixed to try them all, and it can't be seen from the words that everybody is refused at least as much"
)


class Change(NamedTuple):
    """The first case that is allowed after and was refused before, and the first the other way round."""

    looser: Case | None = None
    tighter: Case | None = None

    @property
    def is_any(self) -> bool:
        """Tell whether anything is decided otherwise."""
        return self.looser is not None or self.tighter is not None


def compare(ground: Ground, group: Group) -> Change:
    """Compare what is decided about people of a group, by whatever they can hold in hand."""
    return _compare(ground, group, populations.likely_askings(group, ground.policies, ground.now))


def _compare(ground: Ground, group: Group, askings: Sequence[Asking], effort: Effort | None = None) -> Change:
    """Compare; with an `effort` only what gets looser is looked for, until it is spent."""
    looser = tighter = None
    for case in _cases(ground, group, askings, effort):
        before, after = (decide(case.facts, side, case.at) for side in ground.live(case.at))
        if before.verdict == after.verdict or "deny" not in {before.verdict, after.verdict}:
            continue
        if after.verdict == "deny":
            tighter = tighter or case
        elif not _is_hold_over(before, ground, case.at):
            looser = looser or case
        if looser and (tighter or effort):
            break
    return Change(looser, tighter)


def _is_hold_over(before: Decision, ground: Ground, at: datetime) -> bool:
    """Tell whether what is let go is a deletion that waited, and only because its mandate comes into force sooner."""
    _, after = ground.live(at)
    return before.code == DeletionHeld.code and any(
        one.name == before.mandate and _is_in_force(one.mandate, at) for one in after
    )


def _is_in_force(mandate: Mandate, at: datetime) -> bool:
    general = [stage.state for stage in mandate.stages if stage.at <= at and stage.who is None]
    return bool(general) and general[-1] in IN_FORCE


def _cases(ground: Ground, group: Group, askings: Sequence[Asking], effort: Effort | None) -> Iterator[Case]:
    """Yield each case that can be decided otherwise after the change.

    Where what is lost and what is gained refuse alike, both sides do, since a refusal of any mandate holds, and all
    the rest is the same. This is asked first because it spares nearly every question to both sides as a whole.
    """
    joined, has_exemptions = group.facts.person.joined_at, bool(group.facts.exemptions)
    view = View(group.facts.person, group.facts.authority)
    for at in ground.telling_instants(group):
        if joined is not None and at < joined:
            continue
        lost, gained = ground.lost(at), ground.gained(at)
        for facts in acts_asked(ground, group, askings, ground.actions, at):
            if effort is not None and not effort.spend():
                return
            seen = View(facts.person, prospective(facts)) if facts.action in GAINING else view
            was_refused = _objects(lost, facts, seen, at)
            can_differ = (was_refused or effort is None) and was_refused != _objects(gained, facts, seen, at)
            if has_exemptions or can_differ:
                yield Case(facts, at)


def _objects(policies: Sequence[Policy], facts: Facts, view: View, at: datetime) -> bool:
    return any(
        (found := objection(policy, facts, view, at)) is not None and found.is_denial for policy in policies
    )


def loosenings(ground: Ground, found: Sequence[tuple[Group, Change]]) -> tuple[str, ...]:
    """Return examples of what was refused before and would be allowed, by people here and by those who may come."""
    spared = [*_spared_tokens(ground), *_longer_snoozes(ground)]
    seen = dict.fromkeys([*spared, *(_told(change.looser) for _, change in found if change.looser)])
    return tuple(seen)[:MOST_EXAMPLES] or _loosenings_to_come(ground, [group for group, _ in found])


def _spared_tokens(ground: Ground) -> list[str]:
    """Tell of weak tokens that would have ended for good, also for what no mandate refuses; no single answer shows that."""
    pairs = [(one, at) for at in ground.instants() for one in ground.lost(at)]
    return [
        f"tokens made {when} the announcement of {one.name}: they would no longer be revoked"
        for field, when in (("before", "before"), ("grace", "since"))
        for one in dict.fromkeys(one for one, at in pairs if not ground.keeps_revoking(one, field, at))
    ]


def _longer_snoozes(ground: Ground) -> list[str]:
    """Tell of deadlines that could be put off further than before; nobody has done so yet, so no answer shows that."""
    return [
        f"deadlines of {one.name}: they could be put off by {one.mandate.snoozing.days} days,"
        f" {one.mandate.snoozing.times} times"
        for at in ground.instants()[:1]
        for one in ground.gained(at)
        if any(
            was.name == one.name and not one.mandate.snoozing.is_within(was.mandate.snoozing)
            for was in ground.lost(at)
        )
    ]


def _told(case: Case) -> str:
    """Tell a case with who it is about: somebody here by name, somebody who may come by their roles."""
    facts = case.facts
    roles = {*facts.person.roles, *(f"{one.kind}.{one.role}" for one in facts.authority)}
    return f"{facts.person.name or 'somebody'} ({words.roles_of_one(roles) or 'no role'}): {case}"


def _loosenings_to_come(ground: Ground, groups: Sequence[Group]) -> tuple[str, ...]:
    """Look among people who may come, and people here who may be told of a mandate yet.

    Where neither the words prove that nothing gets looser, nor all can be tried, it counts as loosening.
    """
    if (
        ground.is_seen_as_tightening()
    ):  # also where it is only added to: what some mandate refuses stays refused
        return ()
    are_all = populations.are_all_made_up(ground.policies)
    most = (MOST_ASKED if are_all else MOST_EXAMPLES_ASKED) // populations.weight_of(ground.policies)
    making, asking = Effort(most), Effort(most)
    found = _examples_to_come(ground, groups, making, asking)
    is_sure = are_all and not (making.is_spent or asking.is_spent)
    return found if found or is_sure else (UNSURE,)


def _examples_to_come(
    ground: Ground, groups: Sequence[Group], making: Effort, asking: Effort
) -> tuple[str, ...]:
    later = populations.told_later((group.facts for group in groups), ground.policies, ground.now, making)
    made_up = populations.made_up_people(ground.policies, ground.now, making)
    askings = populations.all_askings(ground.policies, ground.now)
    seen: dict[str, None] = {}
    for group in populations.group_people(chain(later, made_up), ground.policies):
        case = _compare(ground, group, askings, asking).looser
        if case is not None:
            seen[_told(case)] = None
        if len(seen) == MOST_EXAMPLES or asking.is_spent:
            break
    return tuple(seen)
