"""Figures that pause a campaign by themselves (L3): refused uploads, the age of recoveries, returned mail, failed enrolments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Max, QuerySet

from keyhouse.accounts.recovery.queries import open_ages
from keyhouse.core.actor import job
from keyhouse.core.errors import Refusal
from keyhouse.mandate import queries
from keyhouse.mandate.campaigns import services
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.models import GatedAttempt, Pause
from keyhouse.mandate.notices.queries import bounced_of
from keyhouse.mandate.pauses import is_ending
from keyhouse.mandate.people import facts_of
from keyhouse.mandate.refusals import by_person, counted
from keyhouse.mandate.refusals import facts_of as facts_told
from keyhouse.mandate.rules import UPLOADS, Policy, is_compliant

JOB: Final = "mandate-signals"
_HOUR: Final = timedelta(hours=1)
_MAIL: Final = timedelta(days=7)  # so far back returned mail is counted
_ENROLMENT: Final = timedelta(days=7)
_TIME_TO_ENROL: Final = timedelta(days=1)  # before that nobody has failed
_LEAST: Final = 10  # a share of fewer says nothing


@dataclass(frozen=True, slots=True)
class Signal:
    """One figure: what it counts, how it is told, and how it is found; None: nothing can be said.

    It looks at what has happened since an instant: what came before was known to whoever resumed the mandate then.
    """

    name: str
    words: str
    look: Callable[[Policy, datetime, datetime], float | None]

    def told(self, figure: float, limit: float) -> str:
        """Return in a sentence that it is too high."""
        return f"{self.words}: {figure:g}; the limit is {limit:g}."


def _refused_uploads(policy: Policy, since: datetime, now: datetime) -> float:
    """Count refused uploads of an hour, of each person the first ones: a job that tries again and again is one person's."""
    rows = _refusals(policy, max(since, now - _HOUR), now)
    return float(counted(by_person(rows, UPLOADS)))


def _refusals(policy: Policy, since: datetime, until: datetime) -> QuerySet[GatedAttempt]:
    return GatedAttempt.objects.filter(at__gt=since, at__lte=until, verdict="deny", mandate=policy.label)


def _age_of_recoveries(policy: Policy, since: datetime, now: datetime) -> float | None:
    """Return the 95th percentile in hours; it is of the index, whichever mandate locked people out."""
    del policy
    ages = [age for age in open_ages(now) if now - age > since]  # the youngest first
    return ages[math.ceil(0.95 * len(ages)) - 1] / _HOUR if ages else None


def _returned_mail(policy: Policy, since: datetime, now: datetime) -> float | None:
    del policy
    found = bounced_of(max(since, now - _MAIL), now)
    return found.percent if found.of >= _LEAST else None


def _failed_enrolments(policy: Policy, since: datetime, now: datetime) -> float | None:
    """Return how many of those who were refused this week don't hold what is asked a day later, in percent."""
    rows = _refusals(policy, max(since, now - _ENROLMENT), now - _TIME_TO_ENROL)
    people = set(_people(rows.values_list("digest", flat=True).distinct()))
    if len(people) < _LEAST:
        return None
    met = sum(is_compliant(policy.mandate, facts.person) for facts in facts_of(people))
    return 100.0 * (len(people) - met) / len(people)


def _people(digests: Iterable[str]) -> Iterator[int]:
    for _, person in facts_told(digests, "facts__person__id"):
        if isinstance(person, str) and person[1:].isdigit():
            yield int(person[1:])


SIGNALS: Final = (
    Signal("gated_uploads_per_hour", "Uploads refused within an hour", _refused_uploads),
    Signal("recovery_age_hours", "Hours that recoveries wait, 95 of 100 no longer", _age_of_recoveries),
    Signal("bounced_percent", "Per cent of a week's notices that came back", _returned_mail),
    Signal(
        "failed_enrolments_percent",
        "Per cent of the people refused this week who don't hold what is asked a day later",
        _failed_enrolments,
    ),
)


def limits_of(policy: Policy) -> Mapping[str, float]:
    """Return the limits that a mandate sets, by signal."""
    launch = policy.as_written.launch
    return launch.pause_when.as_dict() if launch else {}


def exceeded(policy: Policy, now: datetime) -> tuple[Signal, str] | None:
    """Return the first figure that is over its limit, with the sentence that tells it; None: all is well."""
    limits, since = limits_of(policy), _resumed_at(policy)
    for signal in SIGNALS:
        limit = limits.get(signal.name)
        figure = None if limit is None else signal.look(policy, since, now)
        if limit is not None and figure is not None and figure > limit:
            return signal, signal.told(figure, limit)
    return None


def pause_where_needed(now: datetime) -> int:
    """Pause the live campaigns with a figure over its limit, and tell operators; returns how many.

    A campaign that is paused already is left alone, and so is one that was resumed within the last hour: whoever
    resumed it knew the figures. Later on, what happened since then counts.
    """
    paused = 0
    for policy in queries.live_policies(now):
        if policy.is_paused or not limits_of(policy) or _was_resumed_lately(policy, now):
            continue
        found = exceeded(policy, now)
        paused += found is not None and _pause(policy, *found)
    return paused


def _resumed_at(policy: Policy) -> datetime:
    """Return when somebody last resumed it, and so knew all figures; one that ended by itself was looked at by nobody."""
    rows = Pause.objects.filter(mandate=policy.name, ended_at__isnull=False).exclude(ended_by="")
    return rows.aggregate(last=Max("ended_at"))["last"] or BEGINNING


def _was_resumed_lately(policy: Policy, now: datetime) -> bool:
    return Pause.objects.filter(mandate=policy.name, ended_at__gt=now - _HOUR).exists()


def _pause(policy: Policy, signal: Signal, reason: str) -> bool:
    try:
        services.pause_by_signal(policy.name, reason=reason, signal=signal.name, by=job(JOB))
    except Refusal:  # somebody was faster, or nothing is left to pause
        return False
    return True


def close_overdue(now: datetime) -> int:
    """Mark the pauses as ended whose 30 days are over; they hold no more since then, whoever marks it when."""
    return sum(services.close_overdue_pause(row.mandate) for row in _overdue(now))


def _overdue(now: datetime) -> list[Pause]:
    live = {one.name for one in queries.live_policies(now) if not is_ending(one.mandate)}
    return [
        row for row in Pause.objects.filter(ended_at=None) if not row.is_open(now) or row.mandate not in live
    ]


def look_after(now: datetime) -> int:
    """Do what campaigns need by the minute; returns how much was done."""
    return close_overdue(now) + pause_where_needed(now)
