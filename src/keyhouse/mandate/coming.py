"""How people would stand under a mandate: now, at each of its coming stages, and at the last deadline of each. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from keyhouse.core.actions import REMOVE_LAST
from keyhouse.mandate import words
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.grounds import Ground, acts_asked
from keyhouse.mandate.pauses import HELD, elapsed
from keyhouse.mandate.plans import MOST_EXAMPLES, Forecast
from keyhouse.mandate.populations import Group
from keyhouse.mandate.rules import GAINING, Policy, covers, is_compliant, objection
from keyhouse.mandate.selectors import View
from keyhouse.mandate.shadowing import enforced


def forecasts(ground: Ground, policy: Policy, groups: Sequence[Group]) -> list[Forecast]:
    """Count who would be refused by a mandate now, at each of its coming stages, and at the last deadline of each."""
    found = sorted(marks(ground.last_terms_of(policy), ground.now))
    told = [
        _forecast(ground, ground.terms_of(policy, at), groups, at, what) for at, what in found if at < HELD
    ]
    return [*told[:1], *_shadow_forecasts(ground, policy, groups), *told[1:]]


def _shadow_forecasts(ground: Ground, policy: Policy, groups: Sequence[Group]) -> Iterator[Forecast]:
    """Count who would be refused by each shadow that isn't over, if it were enforced."""
    shadows = policy.mandate.shadows
    ends = [*(stage.at for stage in shadows[1:]), policy.mandate.announced_at]
    for stage, end in zip(shadows, ends, strict=False):
        if end > ground.now:
            alone = enforced(replace(policy, mandate=replace(policy.mandate, shadows=(stage,))))
            at = max(stage.at, ground.now)
            yield _forecast(ground, alone, groups, at, words.beginning(stage))


def marks(policy: Policy, now: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield now, each coming stage, and the last deadline of each, with what it is."""
    yield now, "now"
    mandate = policy.mandate
    for stage in mandate.stages:
        if stage.at > now:
            yield stage.at, words.beginning(stage)
        last = elapsed(stage.at, mandate.unreached_cap, policy.pauses)
        if stage.deny and last > max(now, stage.at) and not policy.is_floor_exempt:
            yield last, words.last_deadline(stage)


def _forecast(ground: Ground, policy: Policy, groups: Sequence[Group], at: datetime, what: str) -> Forecast:
    covered = [group for group in groups if covers(policy, group.facts)]
    refused = [group for group in covered if is_refused_by(ground, policy, group, at)]
    exempt = [group for group in covered if is_exempt(policy, group.facts, at)]
    return Forecast(
        at=at,
        what=what,
        covered=sum(group.count for group in covered),
        compliant=sum(group.count for group in covered if is_compliant(policy.mandate, group.facts.person)),
        exempt=sum(group.count for group in exempt),
        refused=sum(group.count for group in refused),
        first_refused=tuple(name for group in refused for name in group.names)[:MOST_EXAMPLES],
    )


def is_exempt(policy: Policy, facts: Facts, at: datetime) -> bool:
    """Tell whether somebody is exempt from this version at an instant."""
    return any(
        one.mandate == policy.name
        and one.version in {None, policy.version}
        and (one.since or at) <= at < one.until
        for one in facts.exemptions
    )


def is_refused_by(ground: Ground, policy: Policy, group: Group, at: datetime) -> bool:
    """Tell whether a mandate refuses people of a group anything by the most that they can prove.

    What they have already is meant: that a project can't be begun, a last factor not be removed, and that a deletion
    waits, isn't counted.
    """
    names = [name for name in ground.actions if name not in GAINING]
    asked = acts_asked(ground, group, [group.best], names, at)
    return any(denies(policy, facts, at) for facts in asked)


def denies(policy: Policy, facts: Facts, at: datetime) -> bool:
    """Tell whether a mandate refuses an act for what was proven; that a factor stays and a deletion waits isn't counted."""
    if facts.action == REMOVE_LAST:
        return False
    found = objection(policy, facts, View(facts.person, facts.authority), at)
    return found is not None and found.is_denial and found.why in {"weak", "publisher"}
