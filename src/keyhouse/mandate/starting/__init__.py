"""Campaigns to start from: files as they are kept in git, each told with its sources, and dated anew for whoever begins.

A file holds the days of its history. `dated` moves all of them by the same number of days, and off Fridays, weekends and
whatever else is no day on which somebody could help (N1).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cache
from importlib.resources import files
from itertools import count
from typing import Final

from keyhouse.core import clock

_FRIDAY: Final = 4
_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_DAY: Final = timedelta(days=1)
# In the order in which they are told.
NAMES: Final = (
    "public-index-2022",
    "public-index-2023",
    "rubygems-2022",
    "npm-2022",
    "forty-five-days",
    "operators-with-keys",
    "publishers-for-critical",
)


@dataclass(frozen=True, slots=True)
class StartingPoint:
    """A campaign to start from: its name, what its file says first, and the file as it is shipped."""

    name: str
    text: str

    @property
    def headline(self) -> str:
        """Return the first line of the file, without its mark."""
        return self.text.splitlines()[0].removeprefix("# ")

    @property
    def announced_at(self) -> datetime:
        """Return the instant at which it was announced where it comes from."""
        found: datetime = tomllib.loads(self.text)["stages"][0]["at"]
        return found


@cache
def all_points() -> tuple[StartingPoint, ...]:
    """Return every campaign to start from."""
    here = files("keyhouse.mandate.starting")
    return tuple(StartingPoint(name, here.joinpath(f"{name}.toml").read_text("utf-8")) for name in NAMES)


def find_point(name: str) -> StartingPoint | None:
    """Return one by its name, or None."""
    return next((one for one in all_points() if one.name == name), None)


def first_day(now: datetime) -> date:
    """Return the next day on which a campaign can be announced, after `now`."""
    return _working(now.astimezone(UTC).date() + _DAY)


def dated(point: StartingPoint, start: date) -> str:
    """Return the file with all its instants moved, so that it is announced on that day or the next working one.

    Comments keep the days of the history. What fell together still does, and nothing comes closer to the announcement.
    """
    moved = _moved(point, _working(start))
    return "\n".join(_with_instants(line, moved) for line in point.text.splitlines()) + "\n"


def _moved(point: StartingPoint, start: date) -> Mapping[str, str]:
    """Return for each instant of the file where it goes."""
    by = start - point.announced_at.date()
    body = "\n".join(line.partition("#")[0] for line in point.text.splitlines())
    found: dict[str, str] = {}
    last = date.min
    for text in sorted(set(_INSTANT.findall(body))):
        at = clock.parse_instant(text) + by
        day = next(one for one in _working_days(at.date()) if one > last)
        last = day
        found[text] = clock.format_instant(datetime.combine(day, at.timetz()))
    return found


def _with_instants(line: str, moved: Mapping[str, str]) -> str:
    said, mark, comment = line.partition("#")
    return _INSTANT.sub(lambda found: moved[found.group()], said) + mark + comment


def _working_days(day: date) -> list[date]:
    return [one for one in (day + number * _DAY for number in range(21)) if one.weekday() < _FRIDAY]


def _working(day: date) -> date:
    return next(one for one in (day + number * _DAY for number in count()) if one.weekday() < _FRIDAY)
