"""What the next stage of a mandate will bring to those who decide recovery cases, from what was seen so far. Pure.

It counts on: whoever is asked for a factor next adds one within 30 days; of them as many come back without it as of those
who added one lately; and cases are decided as fast as lately. Each of that is written beside the figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from keyhouse.mandate.metrics.queries import Day

WINDOW: Final = 30  # days
_DECIDED: Final = ("finished", "stopped", "refused", "expired")


@dataclass(frozen=True, slots=True)
class Load:
    """Cases to come, and how many are decided; None where what was seen doesn't tell.

    `days`: that were counted of the last 30; `enrolled`: how many more people held a factor at their end.
    """

    coming: int
    days: int
    opened: int
    decided: int
    enrolled: int
    open: int

    @property
    def per_enrolled(self) -> float | None:
        """Return how many cases there were for each person who enrolled, or None where nobody did."""
        return self.opened / self.enrolled if self.enrolled > 0 else None

    @property
    def expected_a_day(self) -> float | None:
        """Return how many cases a day are to come while people enrol."""
        return None if self.per_enrolled is None else self.coming * self.per_enrolled / WINDOW

    @property
    def decided_a_day(self) -> float | None:
        """Return how many cases are decided on a day that was counted."""
        return self.decided / self.days if self.days else None

    @property
    def queue_at_end(self) -> int | None:
        """Return how many cases will be open after 30 days, at least none."""
        if self.expected_a_day is None or self.decided_a_day is None:
            return None
        return max(0, round(self.open + WINDOW * (self.expected_a_day - self.decided_a_day)))

    @property
    def is_too_much(self) -> bool:
        """Whether more are to come than are decided."""
        expected, decided = self.expected_a_day, self.decided_a_day
        return expected is not None and decided is not None and expected > decided

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, with what it rests on."""
        return {
            "days_counted": self.days,
            "cases_opened": self.opened,
            "cases_decided": self.decided,
            "people_enrolled": self.enrolled,
            "people_asked_next": self.coming,
            "cases_open": self.open,
            "cases_per_enrolled": _rounded(self.per_enrolled),
            "cases_expected_a_day": _rounded(self.expected_a_day),
            "cases_decided_a_day": _rounded(self.decided_a_day),
            "cases_open_after_30_days": self.queue_at_end,
        }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 3)


def forecast(index: Sequence[Day], mandate: Day | None) -> Load | None:
    """Return what is to come by the days of the index, oldest first, and the last day of a mandate; None: nothing is known."""
    counted = [one.counts for one in index[-WINDOW:] if one.counts is not None]
    if not counted or mandate is None or mandate.counts is None:
        return None
    recovery = [one.get("recovery", {}) for one in counted]
    holding = [one["people"]["accounts"]["compliant"] for one in counted]
    return Load(
        coming=mandate.counts["people"]["covered"].get("coming", 0),
        days=len(counted),
        opened=sum(one.get("opened", 0) for one in recovery),
        decided=sum(one.get(name, 0) for one in recovery for name in _DECIDED),
        enrolled=max(0, holding[-1] - holding[0]),
        open=recovery[-1].get("open", 0),
    )
