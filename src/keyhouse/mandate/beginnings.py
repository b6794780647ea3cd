"""What a mandate begins to refuse with each of its stages, and to whom; and on which days it must not (N1). Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.timetables import Whom, timetable_of


@dataclass(frozen=True, slots=True)
class Beginning:
    """A stage with the acts that it begins to refuse to somebody; what was refused just before isn't among them."""

    number: int
    stage: Stage
    acts: frozenset[str]


def beginnings(mandate: Mandate) -> tuple[Beginning, ...]:
    """Return the stages in their order, each with what is refused anew; with nothing where it only goes on or ends."""
    acts = sorted(frozenset().union(*(stage.deny for stage in mandate.stages)))
    denied = {act: timetable_of(mandate, frozenset({act})).denied for act in acts}
    return tuple(
        Beginning(number, stage, frozenset(act for act in acts if _is_new(denied[act], number)))
        for number, stage in enumerate(mandate.stages)
    )


def _is_new(denied: list[Whom], number: int) -> bool:
    """Tell whether somebody is refused whom the stage before let through; before the first everybody was."""
    before, after = denied[number - 1] if number else False, denied[number]
    if before is True or after is False:
        return False
    return after is True or before is False or not set(after) <= set(before)


@dataclass(frozen=True, slots=True)
class BadDay:
    """A stage that begins to refuse something on a day against which something speaks."""

    number: int  # of the stage
    at: datetime
    day: str
    objection: str
    instead: datetime

    def __str__(self) -> str:
        """Return it as a sentence."""
        return (
            f"would begin to refuse something on {self.day}, which is {self.objection}; the next day that will do"
            f" begins it at {self.instead:%Y-%m-%d %H:%M} UTC, or `[calendar] override` says why it has to be then"
        )


def bad_days(mandate: Mandate, now: datetime) -> Iterator[BadDay]:
    """Yield the stages to come that begin to refuse something on a Friday, a weekend or a holiday, override or not."""
    calendar = mandate.calendar
    for one in beginnings(mandate):
        objection = calendar.objection(one.stage.at)
        if one.acts and objection and one.stage.at > now:
            at = one.stage.at
            yield BadDay(
                one.number + len(mandate.shadows),
                at,
                calendar.named(at),
                objection,
                calendar.next_allowed(at),
            )
