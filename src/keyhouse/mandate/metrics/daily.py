"""Keeping one row a day: counted in the first round of a day, again now and then, and closed once the day is over.

A day on which nobody counted has no row, and none is made later: what was then can't be known any more. Of a day that
was counted, what happened in it is counted once more when it is over, since that can still be read.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

from keyhouse.accounts.check_up import queries as check_ups
from keyhouse.mandate import queries
from keyhouse.mandate.metrics.counting import Yardstick, count_all, yardsticks
from keyhouse.mandate.metrics.happening import Span, happened, waiting
from keyhouse.mandate.metrics.models import AdoptionDay

EVERY: Final = timedelta(hours=1)
REST: Final = 50  # counting takes at most about one part in so many of the time
_DAY: Final = timedelta(days=1)
Counts = dict[str, Any]


def renew_adoption(now: datetime) -> int:
    """Close the days that are over, and count today where that is due; returns how many rows were written.

    Counting twice does no harm: a row is replaced as a whole, by one statement, and one that is over never is.
    """
    closed = sum(_close(day_on, now) for day_on in _days_to_close(now.date()))
    return closed + (count_now(now) if is_due(now) else 0)


def is_due(now: datetime) -> bool:
    """Tell whether today is to be counted: not yet, or so long ago that it may be again."""
    row = AdoptionDay.objects.filter(mandate="", day_on=now.date()).first()
    if row is None:
        return True
    rest = max(EVERY, timedelta(seconds=REST * row.seconds))
    return not row.is_over and now - row.counted_at >= rest


def count_now(now: datetime) -> int:
    """Count today, also where that was done a moment ago; returns how many rows were written."""
    began = time.monotonic()
    measures = yardsticks(queries.live_policies(now), now)
    counted = count_all(measures, now)
    flows = happened(measures, Span(_midnight(now.date()), now))
    found = [_joined(counted.of(at), flows[at]) for at in range(len(measures))]
    found[0]["recovery"] |= waiting(now)
    found[0]["check_ups"] = check_ups.counts()
    rows = [
        AdoptionDay(
            mandate=one.key,
            day_on=now.date(),
            version=one.policy.version if one.key else 0,
            counted_at=now,
            seconds=round(time.monotonic() - began, 3),
            counts=counts,
        )
        for one, counts in zip(measures, found, strict=True)
    ]
    return _write(rows)


def _write(rows: Sequence[AdoptionDay]) -> int:
    over = set(
        AdoptionDay.objects.filter(day_on=rows[0].day_on, is_over=True).values_list("mandate", flat=True)
    )
    kept = [row for row in rows if row.mandate not in over]
    AdoptionDay.objects.bulk_create(
        kept,
        update_conflicts=True,
        unique_fields=["mandate", "day_on"],
        update_fields=["version", "counted_at", "seconds", "counts"],
    )
    return len(kept)


def _joined(standing: Mapping[str, Any], flows: Mapping[str, Any]) -> Counts:
    """Put both together, section by section."""
    found = {name: dict(section) for name, section in standing.items()}
    for name, section in flows.items():
        found[name] = {**found.get(name, {}), **section}
    return found


def _days_to_close(today: date) -> list[date]:
    rows = AdoptionDay.objects.filter(day_on__lt=today, is_over=False)
    return list(rows.order_by("day_on").values_list("day_on", flat=True).distinct())


def _close(day_on: date, now: datetime) -> int:
    """Count what happened in a day that is over, by the mandates that held at its end."""
    end = _midnight(day_on + _DAY)
    live = {one.key: one for one in yardsticks(queries.live_policies(end - timedelta(microseconds=1)), end)}
    rows = list(AdoptionDay.objects.filter(day_on=day_on, is_over=False))
    held: list[tuple[AdoptionDay, Yardstick]] = [
        (row, live[row.mandate]) for row in rows if row.mandate in live
    ]
    flows = happened([one for _, one in held], Span(_midnight(day_on), min(end, now)))
    for (row, _), found in zip(held, flows, strict=True):
        row.counts = _joined(row.counts, found)
    for row in rows:
        row.is_over = True
    AdoptionDay.objects.bulk_update(rows, ["counts", "is_over"], batch_size=500)
    return len(rows)


def _midnight(day_on: date) -> datetime:
    return datetime(day_on.year, day_on.month, day_on.day, tzinfo=UTC)
