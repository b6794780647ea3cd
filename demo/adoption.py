"""`python -m demo.adoption`: what was counted in the months before, in the data folder that the surroundings name.

Today is counted by the index itself. The days before are made up from it: fewer people complied, the further back the fewer.
On two days nobody counted, as when a server is off.
"""

from __future__ import annotations

import sys
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, Final

from keyhouse.cli import surroundings
from keyhouse.core import clock

DAYS: Final = 120
MISSED: Final = (31, 32)
_RISING: Final = (
    ("people", ("compliant", "resistant", "two", "told")),
    ("projects", ("one", "every")),
    ("downloads", ("one", "every")),
)


def main() -> int:
    """Count today and make up the days before; done twice, it writes nothing more."""
    surroundings.open_index()
    from keyhouse.mandate.metrics.daily import count_now  # noqa: PLC0415 - Django is set up by now
    from keyhouse.mandate.metrics.models import AdoptionDay  # noqa: PLC0415 - the same

    now = clock.now()
    count_now(now)
    rows = [
        AdoptionDay(
            mandate=row.mandate,
            day_on=row.day_on - timedelta(days=age),
            version=row.version,
            counted_at=row.counted_at - timedelta(days=age),
            seconds=row.seconds,
            counts=counts_before(row.counts, age),
            is_over=True,
        )
        for row in AdoptionDay.objects.filter(day_on=now.date())
        for age in range(1, days_of(row.mandate, now) + 1)
        if age not in MISSED
    ]
    AdoptionDay.objects.bulk_create(rows, ignore_conflicts=True)
    return 0


def days_of(mandate: str, now: datetime) -> int:
    """Return for how many days before today a mandate was counted: since it was announced, at most so many."""
    from keyhouse.mandate.queries import live_policies  # noqa: PLC0415 - Django is set up by now

    announced = {one.name: one.mandate.announced_at for one in live_policies(now)}
    return min(DAYS, max(0, (now - announced[mandate]).days)) if mandate in announced else DAYS


def counts_before(counts: dict[str, Any], age: int) -> dict[str, Any]:
    """Return what may have been counted so many days before."""
    found, share = deepcopy(counts), 1 - 0.7 * (age / DAYS) ** 0.7
    for section, names in _RISING:
        for numbers in found[section].values():
            numbers.update({name: int(numbers[name] * share) for name in names if name in numbers})
    tokens = found["tokens"]
    tokens["strong"] = int(tokens["strong"] * share)
    tokens["weak"] = tokens["live"] - tokens["strong"]
    return found


if __name__ == "__main__":
    sys.exit(main())
