"""How often a project was downloaded: by day, installer and release, over one of three ranges.

Read from the sums that the counter keeps beside its counts (`index.downloads`), so that a page costs what its days cost,
however many files the project has. Days are days in UTC.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, Final

from django.db.models import Sum

from keyhouse.index.sketches import estimate
from keyhouse.projects.models import ClientSketch, Project, ProjectDownloads, ReleaseDownloads

RANGES: Final = (30, 90, 365)  # days
RELEASES_SHOWN: Final = 20
_ONE_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Day:
    """Downloads of one day, and about how many different clients there were."""

    on: date
    count: int
    clients: int


@dataclass(frozen=True, slots=True)
class Part:
    """What one installer or one release has of all downloads."""

    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Statistics:
    """Downloads of a project over `days` days, of which the last one isn't over; `by_day` has all of them, oldest first."""

    days: int
    total: int
    by_day: tuple[Day, ...]
    by_installer: tuple[Part, ...]
    by_release: tuple[Part, ...]
    has_all_releases: bool  # whether each release that was downloaded is in `by_release`

    @property
    def mean(self) -> int:
        """Return the downloads of a day on average."""
        return round(self.total / self.days)

    @property
    def busiest(self) -> Day:
        """Return the day with most downloads, the first of several."""
        return max(self.by_day, key=lambda day: day.count)

    @property
    def most_clients(self) -> int:
        """Return about how many clients there were on the day that had most."""
        return max(day.clients for day in self.by_day)

    def as_json(self) -> dict[str, Any]:
        """Return the same for programs."""
        return {
            "days": self.days,
            "first_on": self.by_day[0].on.isoformat(),
            "last_on": self.by_day[-1].on.isoformat(),
            "total": self.total,
            "by_day": [
                {"on": day.on.isoformat(), "downloads": day.count, "unique_clients": day.clients}
                for day in self.by_day
            ],
            "by_installer": [{"installer": part.name, "downloads": part.count} for part in self.by_installer],
            "by_release": [{"version": part.name, "downloads": part.count} for part in self.by_release],
            "by_release_complete": self.has_all_releases,
        }


def read_days(text: str) -> int:
    """Read `?days=`; whatever is none of the ranges is the shortest."""
    return next((days for days in RANGES if str(days) == text), RANGES[0])


def statistics_of(project: Project, days: int, today: date) -> Statistics:
    """Gather the downloads of the last `days` days, today among them, in three questions."""
    first_on = today - timedelta(days=days - 1)
    of_days: Counter[date] = Counter()
    of_installers: Counter[str] = Counter()
    rows = ProjectDownloads.objects.filter(project=project, day_on__gte=first_on, day_on__lte=today)
    for day_on, installer, count in rows.values_list("day_on", "installer", "count"):
        of_days[day_on] += count
        of_installers[installer] += count
    clients, of_releases = _clients(project, first_on, today), _by_release(project, first_on, today)
    listed = [first_on + number * _ONE_DAY for number in range(days)]
    return Statistics(
        days=days,
        total=sum(of_days.values()),
        by_day=tuple(Day(on, of_days[on], clients.get(on, 0)) for on in listed),
        by_installer=tuple(
            Part(*pair) for pair in sorted(of_installers.items(), key=lambda pair: (-pair[1], pair))
        ),
        by_release=of_releases[:RELEASES_SHOWN],
        has_all_releases=len(of_releases) <= RELEASES_SHOWN,
    )


def _by_release(project: Project, first_on: date, today: date) -> tuple[Part, ...]:
    """Return the most downloaded releases, and one more than is shown where there is one."""
    shown = ReleaseDownloads.objects.filter(project=project, release__is_quarantined=False)
    rows = shown.filter(day_on__gte=first_on, day_on__lte=today)
    sums = rows.values("release__version").annotate(sum=Sum("count")).order_by("-sum", "release__version")
    return tuple(Part(row["release__version"], row["sum"]) for row in sums[: RELEASES_SHOWN + 1])


def _clients(project: Project, first_on: date, today: date) -> dict[date, int]:
    rows = ClientSketch.objects.filter(project=project, day_on__gte=first_on, day_on__lte=today)
    return {day_on: estimate(bytes(sketch)) for day_on, sketch in rows.values_list("day_on", "sketch")}
