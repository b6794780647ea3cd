"""Two drafts side by side: what they say differently, and who changes sides at each instant (X6).

Both are simulated on the same snapshot, each as if it were in effect and the other were not. Nothing is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from keyhouse.core import clock
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.planning import differences
from keyhouse.mandate.simulation import running, snapshot
from keyhouse.mandate.simulation.lenses import Mark
from keyhouse.mandate.simulation.running import Progress, Stage, question_of
from keyhouse.mandate.simulation.tallies import MOST_EXAMPLES, Cell


class Sides(NamedTuple):
    """How people stand under both: covered, and refused at which marks."""

    is_covered: bool
    is_covered_after: bool
    refused: int
    refused_after: int


@dataclass(slots=True)
class Comparison:
    """Who stands how under both, of how many people."""

    marks: Sequence[Mark]
    counts: dict[Sides, Cell] = field(default_factory=dict)

    def add(self, sides: Sides, number: int, name: str) -> None:
        """Count one person."""
        self.counts.setdefault(sides, Cell()).add(Cell(1, ((number, name),)))

    def count(self, is_meant: Callable[[Sides], bool]) -> int:
        """Count those who are meant."""
        return sum(cell.count for sides, cell in self.counts.items() if is_meant(sides))

    def first(self, is_meant: Callable[[Sides], bool]) -> list[str]:
        """Return the names of some of them, the oldest accounts first."""
        found = (one for sides, cell in self.counts.items() if is_meant(sides) for one in cell.first)
        return [name for _, name in sorted(found)[:MOST_EXAMPLES]]


def compare(
    before: Mandate, after: Mandate, now: datetime, progress: Progress | None = None
) -> dict[str, Any]:
    """Return both documents' differences and who changes sides, as JSON has it; raises DatabaseError."""
    questions = question_of(before, now), question_of(after, now)
    with snapshot.reading():
        critical = running.criticals(*questions)
        marks = _common_marks([Stage(one, critical) for one in questions], now)
        left, right = (Stage(one, critical, marks) for one in questions)
        found = _count(left, right, Comparison(marks), progress)
    return {
        "before": _named(left),
        "after": _named(right),
        "differences": [one.as_dict() for one in differences(before.as_dict(), after.as_dict())],
        "people": found.count(lambda _: True),
        "covered": {
            "before": found.count(lambda one: one.is_covered),
            "after": found.count(lambda one: one.is_covered_after),
            **_moved(found, lambda one: (one.is_covered, one.is_covered_after)),
        },
        "stages": [_mark_told(found, place, now) for place in range(len(marks))],
    }


def _named(stage: Stage) -> dict[str, Any]:
    return {"name": stage.mandate.name, "version": stage.question.version, "digest": stage.mandate.digest}


def _common_marks(stages: Sequence[Stage], now: datetime) -> list[Mark]:
    """Return the instants of both, each once, with what either says that it is."""
    found: dict[datetime, list[str]] = {}
    for stage in stages:
        for at, what in stage.marks:
            found.setdefault(at, []).append(what)
    return [(at, "now" if at == now else "; ".join(dict.fromkeys(found[at]))) for at in sorted(found)]


def _count(left: Stage, right: Stage, found: Comparison, progress: Progress | None) -> Comparison:
    done, total = 0, running.count_people()
    for first, last in running.ranges():
        people, _ = left.everybody.between(first, last)
        for one in people:
            old, new = left.lens.judge(one)[1].profile, right.lens.judge(one)[1].profile
            found.add(Sides(old.is_covered, new.is_covered, old.refused, new.refused), one.id, one.name)
        done += len(people)
        if progress is not None:
            progress(done, total)
    return found


def _mark_told(found: Comparison, place: int, now: datetime) -> dict[str, Any]:
    at, what = found.marks[place]

    def refused(one: Sides) -> tuple[bool, bool]:
        return bool(one.refused >> place & 1), bool(one.refused_after >> place & 1)

    return {
        "at": None if at == now else clock.format_instant(at),
        "what": what,
        "refused_before": found.count(lambda one: refused(one)[0]),
        "refused_after": found.count(lambda one: refused(one)[1]),
        **_moved(found, refused),
    }


def _moved(found: Comparison, of: Callable[[Sides], tuple[bool, bool]]) -> Mapping[str, Any]:
    """Return who is meant by the later one only, and who by the former one only."""

    def comes(one: Sides) -> bool:
        return of(one) == (False, True)

    def goes(one: Sides) -> bool:
        return of(one) == (True, False)

    return {
        "only_after": found.count(comes),
        "first_only_after": found.first(comes),
        "only_before": found.count(goes),
        "first_only_before": found.first(goes),
    }
