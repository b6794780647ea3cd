"""What a pause does to the calendar of a mandate: it stands still. Pure.

Stages that have begun hold on; none begins, and nobody's own deadline becomes real, until the pause ends. Then every
stage to come is later by the length of the pause, and so is every deadline: what runs, runs on from where it stopped.
An instant at which a pause begins belongs to the time before it: what begins just then has begun.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from keyhouse.mandate.documents import ENDING, Mandate, Stage

# From when to when; without an end it goes on.
Span = tuple[datetime, datetime | None]

LONGEST: Final = timedelta(
    days=30
)  # unless a second operator confirms it; all that one person began together
COUNTED_FOR: Final = timedelta(days=365)
# An instant that hasn't come yet, and of which nobody knows when it will; later than any that can be written down.
HELD: Final = datetime(5000, 1, 1, tzinfo=UTC)


def elapsed(begun_at: datetime, length: timedelta, pauses: Iterable[Span]) -> datetime:
    """Return when so much time has gone by since an instant, pauses not counted; HELD while one goes on before that.

    `pauses` come in their order and don't overlap.
    """
    end = begun_at + length
    for paused_at, resumed_at in pauses:
        if end <= paused_at or (resumed_at is not None and resumed_at <= begun_at):
            continue
        if resumed_at is None:
            return HELD
        end += resumed_at - max(paused_at, begun_at)
    return end


def known(at: datetime | None) -> datetime | None:
    """Return an instant, or None for one that is held."""
    return None if at is None or at >= HELD else at


def held(mandate: Mandate, paused_at: datetime) -> Mandate:
    """Return a mandate as it is in a pause: with what has begun by then, and nothing more."""
    begun = tuple(stage for stage in mandate.stages if stage.at <= paused_at)
    stages = begun or (replace(mandate.stages[0], at=HELD),)
    return _with_tokens(replace(mandate, stages=stages), paused_at, None)


def moved(mandate: Mandate, span: tuple[datetime, datetime]) -> Mandate:
    """Return a mandate as it is after a pause: what hadn't begun is later by its length."""
    paused_at, resumed_at = span
    later = resumed_at - paused_at
    stages = tuple(
        stage if stage.at <= paused_at else replace(stage, at=stage.at + later) for stage in mandate.stages
    )
    return _with_tokens(replace(mandate, stages=stages), paused_at, later)


def _with_tokens(mandate: Mandate, paused_at: datetime, later: timedelta | None) -> Mandate:
    """Let tokens that were to expire go on as long; `later` None: nobody knows how long."""
    at = mandate.credentials.at
    if at is None or at <= paused_at:
        return mandate
    return replace(
        mandate, credentials=replace(mandate.credentials, at=HELD if later is None else at + later)
    )


def with_stages(mandate: Mandate, more: tuple[Stage, ...]) -> Mandate:
    """Return a mandate with some stages more, each in its place."""
    if not more:
        return mandate
    return replace(mandate, stages=tuple(sorted((*mandate.stages, *more), key=lambda stage: stage.at)))


def is_ending(mandate: Mandate) -> bool:
    """Tell whether a version was made to roll the mandate back or to abandon it; no pause keeps that from happening."""
    return bool(mandate.stages) and mandate.stages[-1].state in ENDING


def begun_by(mandate: Mandate, effective_at: datetime) -> Mandate:
    """Return a version that rolls back or abandons as it is once it took effect: from then on its days count.

    It may have waited for an approval; what it promises (factors stay for so long) isn't shortened by that.
    """
    first = next((stage.at for stage in mandate.stages if stage.state in ENDING), effective_at)
    late = effective_at - first
    if not is_ending(mandate) or late <= timedelta():
        return mandate
    return replace(mandate, stages=tuple(_later(stage, late) for stage in mandate.stages))


def _later(stage: Stage, late: timedelta) -> Stage:
    return replace(stage, at=stage.at + late) if stage.state in ENDING else stage


def ended_before(spans: Sequence[Span], at: datetime) -> tuple[Span, ...]:
    """Return the pauses that were over by an instant."""
    return tuple(one for one in spans if one[1] is not None and one[1] <= at)
