"""When a version is in its shadow (X7): it refuses nobody, and what it would refuse is counted. Pure.

A version with a shadow takes the place of the former one only when it is announced, so nothing gets looser meanwhile, and
nobody learns of it before.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keyhouse.mandate.rules import Policy

LONGEST: Final = timedelta(days=30)  # after that what was seen says too little of today


@dataclass(frozen=True, slots=True)
class Shadowed:
    """A version in its shadow: from when until when its verdicts count, and the mandate that gives them.

    `judge` is the same with its shadows enforced. `is_superseded`: a later version of the name ends it.
    """

    policy: Policy
    judge: Policy
    begins: datetime
    ends: datetime
    is_superseded: bool = False

    def is_on(self, now: datetime) -> bool:
        """Tell whether verdicts are written at `now`."""
        return self.begins <= now < self.ends

    def is_stale(self, now: datetime) -> bool:
        """Tell whether it ended without anything that follows: somebody has to decide."""
        return not self.is_superseded and self.ends <= now < self.policy.mandate.announced_at


Rows = Sequence[tuple[datetime, Policy]]


def holds_from(effective_at: datetime, policy: Policy) -> datetime:
    """Return when a version takes the place of the former one."""
    mandate = policy.mandate
    return max(effective_at, mandate.announced_at) if mandate.shadows else effective_at


def versions_of(rows: Rows) -> Iterator[tuple[datetime, Policy]]:
    """Yield the versions that hold at some time, with when they begin to; of those with shadows only, none does."""
    for effective_at, policy in rows:
        if policy.mandate.stages:
            yield holds_from(effective_at, policy), policy


def shadows_of(rows: Rows) -> Iterator[Shadowed]:
    """Yield the shadows among versions, given by name and version with when each took effect."""
    for place, (effective_at, policy) in enumerate(rows):
        if policy.mandate.shadows:
            later = [at for at, one in rows[place + 1 :] if one.name == policy.name]
            yield shadow_of(policy, effective_at, min(later, default=None))


def shadow_of(policy: Policy, effective_at: datetime, superseded_at: datetime | None = None) -> Shadowed:
    """Return the shadow of a version that has one."""
    mandate = policy.mandate
    begins = max(effective_at, mandate.shadows[0].at)
    last = max(effective_at, mandate.shadows[-1].at)
    ends = max(begins, min(last + LONGEST, mandate.announced_at))
    is_superseded = superseded_at is not None and superseded_at <= ends
    if superseded_at is not None and is_superseded:
        ends = max(begins, superseded_at)
    return Shadowed(policy, enforced(policy), begins, ends, is_superseded)


def enforced(policy: Policy) -> Policy:
    """Return a version as it would be judged if its shadows were enforced, at once and for everybody."""
    mandate = policy.mandate
    stages = tuple(replace(stage, state="enforced") for stage in mandate.shadows)
    return Policy(replace(mandate, stages=stages, shadows=()), policy.version, is_floor_exempt=True)
