"""Reading shadows, brownouts, snoozes and first refusals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import quantiles
from typing import Any, Final

from django.db.models import Count, Min, Q, QuerySet, Sum
from django.db.models.functions import Coalesce

from keyhouse.accounts.models import User
from keyhouse.core import clock
from keyhouse.mandate import queries
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.models import GatedAttempt
from keyhouse.mandate.refusals import by_person, left_out
from keyhouse.mandate.rules import UPLOADS, Policy
from keyhouse.mandate.shadow.errors import ShadowMissing
from keyhouse.mandate.shadow.models import FirstRefusal, Minute, Verdict, Weighed
from keyhouse.mandate.shadow.rules import BUDGET_SPAN, Cost, minute_of
from keyhouse.mandate.shadowing import Shadowed

MOST_TOLD: Final = 50  # of projects and people, those with the most refusals first
_MEDIAN, _P95 = 49, 94  # places among percentiles
MOST_TIMES: Final = 100_000  # of which a median is taken, the latest


# ---- shadows


@dataclass(frozen=True, slots=True)
class Line:
    """One value of what is counted by: how many refusals, of how many people."""

    name: str
    refused: int
    people: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"name": self.name, "refused": self.refused, "people": self.people}


@dataclass(frozen=True, slots=True)
class DayLine:
    """One day: how many attempts were weighed, and how many of them would have been refused."""

    day_on: date
    weighed: int
    refused: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"day": self.day_on.isoformat(), "weighed": self.weighed, "refused": self.refused}


@dataclass(frozen=True, slots=True)
class Report:
    """Who would have been refused where by a version in its shadow. `weighed` is the denominator of all counts.

    `people` and `projects` are how many are known by number and name; lists hold the first `MOST_TOLD` of them.
    """

    shadow: Shadowed
    state: str  # coming, on, over, stale
    weighed: int
    refused: int
    people: int
    projects: int
    by_day: tuple[DayLine, ...]
    by_action: tuple[Line, ...]
    by_code: tuple[Line, ...]
    by_credential: tuple[Line, ...]
    by_project: tuple[Line, ...]
    by_person: tuple[Line, ...]

    @property
    def policy(self) -> Policy:
        """Return the version."""
        return self.shadow.policy

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        lists = ("by_day", "by_action", "by_code", "by_credential", "by_project", "by_person")
        return {
            "mandate": self.policy.name,
            "version": self.policy.version,
            "state": self.state,
            "begins": clock.format_instant(self.shadow.begins),
            "ends": clock.format_instant(self.shadow.ends),
            "weighed": self.weighed,
            "refused": self.refused,
            "people": self.people,
            "projects": self.projects,
            **{name: [one.as_dict() for one in getattr(self, name)] for name in lists},
        }


def state_of(shadow: Shadowed, now: datetime) -> str:
    """Name how a shadow stands: `coming`, `on`, `stale` (somebody has to decide), or `over`."""
    if now < shadow.begins:
        return "coming"
    if shadow.is_on(now):
        return "on"
    return "stale" if shadow.is_stale(now) else "over"


def newest_shadow(name: str, version: int | None = None) -> Shadowed:
    """Return the shadow of the newest version of a mandate that has one, or of this one.

    Raises ShadowMissing, MandateMissing.
    """
    found = [one for one in queries.ledger().shadows if one.policy.name == name]
    found = [one for one in found if version in {None, one.policy.version}]
    if not found:
        raise ShadowMissing if queries.is_known(name) else MandateMissing
    return found[-1]


def report(name: str, now: datetime, version: int | None = None) -> Report:
    """Return what the newest shadow of a mandate, or that of one version, counted so far; raises ShadowMissing."""
    shadow = newest_shadow(name, version)
    mine = {"mandate": name, "version": shadow.policy.version}
    days = [
        DayLine(*one)
        for one in Weighed.objects.filter(**mine)
        .order_by("day_on")
        .values_list("day_on", "weighed", "refused")
    ]
    rows = Verdict.objects.filter(**mine)
    known, named = rows.exclude(person=0), rows.exclude(project="")
    return Report(
        shadow=shadow,
        state=state_of(shadow, now),
        weighed=sum(one.weighed for one in days),
        refused=sum(one.refused for one in days),
        people=known.values("person").distinct().count(),
        projects=named.values("project").distinct().count(),
        by_day=tuple(days),
        by_action=_lines(rows, "action"),
        by_code=_lines(rows, "code"),
        by_credential=_lines(rows, "credential"),
        by_project=_lines(named, "project"),
        by_person=_with_names(_lines(known, "person")),
    )


def _lines(rows: QuerySet[Verdict], field: str) -> tuple[Line, ...]:
    people = Count("person", distinct=True)
    counted = rows.values(field).annotate(refused=Sum("count"), people=people).order_by("-refused", field)
    return tuple(Line(str(one[field]), one["refused"], one["people"]) for one in counted[:MOST_TOLD])


def _with_names(lines: Sequence[Line]) -> tuple[Line, ...]:
    names = dict(User.objects.filter(pk__in=[int(one.name) for one in lines]).values_list("pk", "username"))
    return tuple(Line(names.get(int(one.name), "(gone)"), one.refused, one.people) for one in lines)


def stale(now: datetime) -> list[Shadowed]:
    """Return the shadows that ended with nothing after them, by name."""
    return [one for one in queries.ledger().shadows if one.is_stale(now)]


# ---- brownouts


def spent(mandate: str, since: datetime, now: datetime) -> Cost:
    """Return what a brownout cost within the last hour, and not before it began."""
    first = minute_of(max(since, now - BUDGET_SPAN))
    rows = Minute.objects.filter(mandate=mandate, minute__gte=first, minute__lte=minute_of(now))
    return Cost(**rows.aggregate(**{name: Coalesce(Sum(name), 0) for name in Cost._fields}))


def spent_by_people(mandate: str, since: datetime, now: datetime) -> Cost:
    """Return the same without what one person did again and again: nobody ends a brownout alone.

    It is worked out from the attempts that are kept, so it is asked only where a budget seems to be used up.
    """
    cost, first = spent(mandate, since, now), max(since, now - BUDGET_SPAN)
    rows = GatedAttempt.objects.filter(
        at__gte=first, at__lte=now, verdict="deny", mandate__startswith=f"{mandate}@"
    )
    refused, uploads = left_out(by_person(rows)), left_out(by_person(rows, UPLOADS))
    return Cost(cost.refused - refused, cost.uploads - uploads, cost.uploads_refused - uploads)


# ---- first refusals


@dataclass(frozen=True, slots=True)
class Conversion:
    """What became of the people whom a mandate refused something for the first time within a span.

    `had_it`: they complied already, and what they used didn't prove it. Of the others, `complied` have it by now, `left`
    gave up what made it about them, `open` are neither; `median` and `p95` are from the refusal to the factor.
    """

    refused: int
    had_it: int
    complied: int
    left: int
    median: timedelta | None
    p95: timedelta | None

    @property
    def open(self) -> int:
        """Return how many did nothing yet."""
        return self.refused - self.had_it - self.complied - self.left

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it; times in seconds."""
        return {
            "refused": self.refused,
            "had_it": self.had_it,
            "complied": self.complied,
            "left": self.left,
            "open": self.open,
            "median_seconds": None if self.median is None else int(self.median.total_seconds()),
            "p95_seconds": None if self.p95 is None else int(self.p95.total_seconds()),
        }


def conversion(mandate: str, since: datetime, until: datetime) -> Conversion:
    """Return what became until then of those whom a mandate refused first within a span; without one, any mandate.

    Whatever page tells how soon people enrol after a refusal asks here, so that all of them tell the same.
    """
    refused = had_it = left = 0
    seconds: list[float] = []
    for first_at, lacked, complied_at, gone in _refused_first(mandate, since, until):
        refused += 1
        had_it += not lacked
        left += bool(lacked and complied_at is None and gone)
        if lacked and complied_at is not None:
            seconds.append((complied_at - first_at).total_seconds())
    complied, seconds = len(seconds), sorted(seconds[:MOST_TIMES])
    return Conversion(refused, had_it, complied, left, _quantile(seconds, _MEDIAN), _quantile(seconds, _P95))


def _refused_first(
    mandate: str, since: datetime, until: datetime
) -> Iterator[tuple[datetime, int, datetime | None, int]]:
    """Yield of each person when they were refused first, whether they lacked anything, when they had it, whether they left."""
    rows = FirstRefusal.objects.filter(mandate=mandate) if mandate else FirstRefusal.objects.all()
    people = rows.values("user_id").annotate(
        first=Min("first_at"),
        lacked=Count("pk", filter=Q(was_compliant=False)),
        complied=Min("complied_at", filter=Q(complied_at__lte=until)),
        gone=Count("pk", filter=Q(left_at__lte=until)),
    )
    within = people.filter(first__gte=since, first__lt=until).order_by("-first")
    yield from within.values_list("first", "lacked", "complied", "gone").iterator(chunk_size=1000)


def _quantile(seconds: Sequence[float], place: int) -> timedelta | None:
    if len(seconds) <= 1:
        return timedelta(seconds=seconds[0]) if seconds else None
    return timedelta(seconds=quantiles(seconds, n=100, method="inclusive")[place])
