"""What the stages of a mandate say about an act, worked out once for each mandate and act. Pure.

A decision asks this for every live mandate, so what doesn't depend on the person is settled before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import datetime

from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.selectors import Selector, View

Acts = frozenset[str]  # what an act is, by the names of actions
Whom = bool | tuple[Selector, ...]  # all covered people or none of them, or those in one of these sets


class Timetable:
    """For each stage, while it is the last begun: whom an act is refused, and who is warned."""

    def __init__(self, mandate: Mandate, acts: Acts) -> None:
        """Read the stages; behind the last stands what holds before the first, which is nothing."""
        self._starts = [stage.at for stage in mandate.stages]
        self.denied = [
            *(_whom(one for one in held if not acts.isdisjoint(one.deny)) for held in mandate.holding),
            False,
        ]
        self.warned = [
            *(_whom(one for one in held if not acts.isdisjoint(one.warn)) for held in mandate.holding),
            False,
        ]

        self.soonest = [*self._soonest(), None]

    def _soonest(self) -> Iterator[datetime | None]:
        """Yield for each stage from when on, without a break, somebody may have been refused; None: nobody is."""
        since = None
        for at, denied in zip(self._starts, self.denied, strict=False):
            since = (since or at) if denied else None
            yield since

    def last_begun(self, now: datetime) -> int:
        """Return the place of the last stage that has begun; -1: none has."""
        return bisect_right(self._starts, now) - 1

    def is_warned(self, view: View, now: datetime) -> bool:
        """Tell whether a covered person is warned at `now`."""
        return _has(self.warned[self.last_begun(now)], view)

    def denied_since(self, view: View, now: datetime) -> datetime | None:
        """Return from when on, without a break, the act is refused to a covered person; None: not now."""
        return self.denied_from(self.last_begun(now), view)

    def denied_from(self, at: int, view: View) -> datetime | None:
        """Return the same for the stage in that place."""
        since = None
        while at >= 0 and _has(self.denied[at], view):
            since, at = self._starts[at], at - 1
        return since

    def next_denial(self, view: View, now: datetime) -> datetime | None:
        """Return when the act will begin to be refused to a covered person, or None."""
        for at in range(bisect_right(self._starts, now), len(self._starts)):
            if _has(self.denied[at], view):
                return self._starts[at]
        return None


def _whom(stages: Iterable[Stage]) -> Whom:
    who = [stage.who for stage in stages]
    return True if None in who else tuple(one for one in who if one is not None) or False


def _has(whom: Whom, view: View) -> bool:
    if isinstance(whom, bool):
        return whom
    for selector in whom:  # noqa: SIM110 - `any` with a generator takes three times as long, for every decision
        if selector.matches(view):
            return True
    return False


def timetable_of(mandate: Mandate, acts: Acts) -> Timetable:
    """Return the timetable of a mandate for an act; it stays with the mandate."""
    kept: dict[Acts, Timetable] = mandate.timetables
    found = kept.get(acts)
    if found is None:
        found = kept[acts] = Timetable(mandate, acts)
    return found
