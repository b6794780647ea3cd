"""How many in which time: `10/5m 50/1h` means at most ten in any five minutes and fifty in any hour."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

LONGEST: Final = timedelta(days=1)
MOST: Final = 1_000_000

_UNITS: Final = {"s": timedelta(seconds=1), "m": timedelta(minutes=1), "h": timedelta(hours=1), "d": LONGEST}
_WINDOW: Final = re.compile(r"([0-9]{1,7})/([0-9]{1,5})([smhd])")


@dataclass(frozen=True, slots=True)
class Window:
    """At most `count` in any stretch of `length`."""

    count: int
    length: timedelta

    def __str__(self) -> str:
        unit = next(unit for unit in "dhms" if not self.length % _UNITS[unit])
        return f"{self.count}/{self.length // _UNITS[unit]}{unit}"


def read_windows(text: str) -> tuple[Window, ...]:
    """Read windows separated by spaces; raises ValueError with what is allowed."""
    windows = tuple(_read(part) for part in text.replace(",", " ").split())
    if not windows or None in windows:
        message = "counts and times of up to a day, for example 10/5m 50/1h"
        raise ValueError(message)
    return tuple(window for window in windows if window)


def _read(text: str) -> Window | None:
    found = _WINDOW.fullmatch(text)
    if found is None:
        return None
    count, length = int(found[1]), int(found[2]) * _UNITS[found[3]]
    return Window(count, length) if 0 < count <= MOST and timedelta(0) < length <= LONGEST else None
