"""Brownouts that end before their time (N8): how what the mandate says turns, so that decisions stay a function of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.selectors import Everyone

BROWNOUT: Final = "brownout"
_TICK: Final = timedelta(microseconds=1)
_MOMENT: Final = timedelta(milliseconds=1)  # room for the stages that bring back what held before


@dataclass(frozen=True, slots=True)
class Ended:
    """That the brownout of a mandate which began at an instant was over at another, whatever version says it."""

    stage_at: datetime
    at: datetime


def cut(policy: Policy, ended: Collection[Ended]) -> Policy:
    """Return a version with its brownouts over when they ended; what held before them holds again from then on."""
    mandate = policy.mandate
    stages = tuple(_cut_stages(mandate, {one.stage_at: one.at for one in ended}))
    if stages == mandate.stages:
        return policy
    return replace(policy, mandate=replace(mandate, stages=stages, written_digest=mandate.digest))


def _cut_stages(mandate: Mandate, ended: dict[datetime, datetime]) -> Iterator[Stage]:
    for place, stage in enumerate(mandate.stages):
        yield stage
        at, ends = ended.get(stage.at), end_of(mandate, place)
        if stage.state == BROWNOUT and at is not None and stage.at <= at and (ends is None or at < ends):
            yield from _held_before(mandate, place, at)


def _held_before(mandate: Mandate, place: int, at: datetime) -> Iterator[Stage]:
    """Yield stages that bring back what held before a brownout; the instants of stages must all be different."""
    if mandate.stages[place].who is not None:  # it only added to what holds
        yield Stage("reminding", at + _TICK, who=Everyone())
        return
    before = mandate.holding[place - 1] if place else ()
    general = next((one for one in before if one.who is None), None)
    narrowed = [one for one in before if one.who is not None and one.state != BROWNOUT]
    kept = [replace(general, state="reminding") if general else Stage("reminding", at), *narrowed]
    for number, stage in enumerate(kept, start=1):
        yield replace(stage, at=at + number * _TICK)


def held_after(mandate: Mandate, paused_at: datetime) -> tuple[Stage, ...]:
    """Return what holds from the end of a brownout on in which the calendar is stopped: it lasts no longer than announced."""
    place = sum(stage.at <= paused_at for stage in mandate.stages) - 1
    ends = end_of(mandate, place) if place >= 0 else None
    if ends is None or mandate.stages[place].state != BROWNOUT:
        return ()
    return tuple(_held_before(mandate, place, max(ends - _MOMENT, paused_at)))


def end_of(mandate: Mandate, place: int) -> datetime | None:
    """Return when the stage in that place ends at the latest: with the next one."""
    return mandate.stages[place + 1].at if place + 1 < len(mandate.stages) else None


def running(policy: Policy, now: datetime) -> Stage | None:
    """Return the brownout that is on at `now`, or None."""
    begun = [stage for stage in policy.mandate.stages if stage.at <= now]
    return begun[-1] if begun and begun[-1].state == BROWNOUT else None
