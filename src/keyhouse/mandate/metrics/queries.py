"""Reading adoption by day; a day that nobody counted is told as missed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
        at = clock.format_if_any(self.counted_at)
        shares = {one.key: one.share_of(self.counts).as_dict() for one in DENOMINATORS}
        return {**told, "counted_at": at, "is_over": self.is_over, "shares": shares, "counts": self.counts}


def series(mandate: str, since: date, until: date, *, every: int = 1) -> list[Day]:
    """Return each day from the first that was counted within the span to `until`, both among them, oldest first.

    `mandate` is empty for the index itself. `every`: only one of so many days, `until` among them. One question,
    whatever the size of the index.
    """
    asked = [until - days * _DAY for days in range(0, (until - since).days + 1, every)]
    rows = AdoptionDay.objects.filter(mandate=mandate, day_on__gte=since, day_on__lte=until)
    chosen = rows.filter(day_on__in=asked) if every > 1 else rows
    columns = chosen.values_list("day_on", "counts", "counted_at", "is_over")
    return list(_filled({row[0]: Day(*row) for row in columns}, reversed(asked)))


def _filled(counted: dict[date, Day], asked: Iterable[date]) -> Iterator[Day]:
    """Yield the days from the first that was counted on, with those that were missed in between."""
    first = min(counted, default=date.max)
    yield from (counted.get(on) or Day(on, None) for on in asked if on >= first)


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


def without_complying_owner(day: Day | None) -> int:
    """Return how many covered projects had no owner who complies, when it was counted last."""
    if day is None or day.counts is None:
        return 0
    covered = day.counts["projects"]["covered"]
    return int(covered["all"] - covered["one"])
