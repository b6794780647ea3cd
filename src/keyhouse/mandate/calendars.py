"""Days on which nothing begins to be refused: nobody would be there to help (N1). Pure; days are those of UTC.

The public index had its first mandate announced on a Friday, and told of "some time on the first of January".
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

_DAY: Final = timedelta(days=1)
_FRIDAY: Final = 4  # as `date.weekday` counts, from Monday on
_NAMES: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


@dataclass(frozen=True, slots=True)
class Calendar:
    """Which days more than Fridays and weekends are none to begin on, and why that doesn't matter this time."""

    holidays: tuple[date, ...] = ()  # in their order
    override: str = ""

    @staticmethod
    def named(at: datetime) -> str:
        """Return the day of an instant in words."""
        return f"{_NAMES[at.weekday()]}, {at.date().isoformat()} (UTC)"

    def objection(self, at: datetime) -> str:
        """Say what speaks against an instant, such as `a Friday`; nothing does where it is empty."""
        day = at.date()
        said = [f"a {_NAMES[day.weekday()]}"] if day.weekday() >= _FRIDAY else []
        return " and ".join([*said, *(["a listed holiday"] if day in self.holidays else [])])

    def next_allowed(self, at: datetime) -> datetime:
        """Return the same time of day on the first day from `at` on against which nothing speaks."""
        while self.objection(at):
            at += _DAY
        return at

    def as_dict(self) -> dict[str, Any]:
        """Return what is written of it."""
        told: dict[str, Any] = {}
        if self.holidays:
            told["holidays"] = [day.isoformat() for day in self.holidays]
        if self.override:
            told["override"] = self.override
        return told


NO_CALENDAR: Final = Calendar()
