"""Reading adoption by day; a day that nobody counted is told as missed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from keyhouse.core import clock
from keyhouse.mandate.metrics.models import AdoptionDay
from keyhouse.mandate.metrics.rules import DENOMINATORS, Counts, Denominator, Share

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """The counters of a day; None where it was missed."""

    on: date
    counts: Counts | None
    counted_at: datetime | None = None
    is_over: bool = False

    @property
    def is_missed(self) -> bool:
        """Whether nobody counted on that day."""
        return self.counts is None

    def share_of(self, denominator: Denominator) -> Share | None:
        """Return a share on that day, or None where it was missed."""
        return None if self.counts is None else denominator.share_of(self.counts)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it: every share with its denominator, and the counters."""
        told: dict[str, Any] = {"on": self.on.isoformat(), "missed": self.is_missed}
        if self.counts is None:
            return told
        at = None if self.counted_at is None else clock.format_instant(self.counted_at)
        shares = {one.key: one.share_of(self.counts).as_dict() for one in DENOMINATORS}
        return {**told, "counted_at": at, "is_over": self.is_over, "shares": shares, "counts": self.counts}


def series(mandate: str, since: date, until: date) -> list[Day]:
    """Return each day from the first that was ever counted within the span to `until`, both among them, oldest first.

    `mandate` is empty for the index itself. One question, whatever the size of the index.
    """
    rows = AdoptionDay.objects.filter(mandate=mandate, day_on__gte=since, day_on__lte=until)
    columns = rows.order_by("day_on").values_list("day_on", "counts", "counted_at", "is_over")
    return list(_filled([Day(*row) for row in columns], until))


def _filled(counted: list[Day], until: date) -> Iterator[Day]:
    """Yield the days with those that were missed in between."""
    by_day = {one.on: one for one in counted}
    on = counted[0].on if counted else until + _DAY
    while on <= until:
        yield by_day.get(on) or Day(on, None)
        on += _DAY


def latest(mandate: str, until: date) -> Day | None:
    """Return the last day that was counted by then, or None."""
    rows = AdoptionDay.objects.filter(mandate=mandate, day_on__lte=until).order_by("-day_on")
    row = rows.values_list("day_on", "counts", "counted_at", "is_over").first()
    return None if row is None else Day(*row)


def latest_of_all(until: date) -> dict[str, Day]:
    """Return the last day that was counted by then of the index (by an empty name) and of each mandate."""
    days = AdoptionDay.objects.filter(day_on__lte=until).order_by("-day_on").values_list("day_on", flat=True)
    last = days.first()
    if last is None:
        return {}
    rows = AdoptionDay.objects.filter(day_on=last)
    return {
        name: Day(*row)
        for name, *row in rows.values_list("mandate", "day_on", "counts", "counted_at", "is_over")
    }
