"""Figures that pause a campaign by themselves (L3): refused uploads, the age of recoveries, returned mail, failed enrolments."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Count

from keyhouse.accounts.models import Authenticator, SecurityKey
from keyhouse.accounts.recovery.queries import open_ages
from keyhouse.core.actor import job
from keyhouse.core.errors import Refusal
from keyhouse.mandate import queries
from keyhouse.mandate.campaigns import services
from keyhouse.mandate.models import GatedAttempt, KnownFacts, Pause
from keyhouse.mandate.notices.queries import bounced_of
from keyhouse.mandate.rules import UPLOADS, Policy

JOB: Final = "mandate-signals"
_HOUR: Final = timedelta(hours=1)
_MAIL: Final = timedelta(days=7)  # so far back returned mail is counted
_ENROLMENT: Final = timedelta(days=7)
_TIME_TO_ENROL: Final = timedelta(days=1)  # before that nobody has failed
_LEAST: Final = 10  # a share of fewer says nothing
_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class Signal:
    """One figure: what it counts, how it is told, and how it is found; None: nothing can be said."""

    name: str
    words: str
    look: Callable[[Policy, datetime], float | None]

    def told(self, figure: float, limit: float) -> str:
        """Return in a sentence that it is too high."""
        return f"{self.words}: {figure:g}; the limit is {limit:g}."


def _refused_uploads(policy: Policy, now: datetime) -> float:
    rows = GatedAttempt.objects.filter(at__gt=now - _HOUR, at__lte=now, verdict="deny", mandate=policy.label)
    counts = dict(rows.values_list("digest").annotate(Count("pk")).order_by())
    return float(sum(counts[digest] for digest in _of_uploads(counts)))


def _of_uploads(digests: Iterable[str]) -> Iterable[str]:
    wanted = list(digests)
    for start in range(0, len(wanted), _AT_ONCE):
        rows = KnownFacts.objects.filter(pk__in=wanted[start : start + _AT_ONCE])
        yield from (key for key, action in rows.values_list("digest", "facts__action") if action in UPLOADS)


def _age_of_recoveries(policy: Policy, now: datetime) -> float | None:
    """Return the 95th percentile in hours; it is of the index, whichever mandate locked people out."""
    del policy
    ages = open_ages(now)  # the youngest first
    return ages[math.ceil(0.95 * len(ages)) - 1] / _HOUR if ages else None


def _returned_mail(policy: Policy, now: datetime) -> float | None:
    del policy
    found = bounced_of(now - _MAIL, now)
    return found.percent if found.of >= _LEAST else None


def _failed_enrolments(policy: Policy, now: datetime) -> float | None:
    """Return how many of those who were refused this week have no second factor a day later, in percent."""
    since, until = now - _ENROLMENT, now - _TIME_TO_ENROL
    rows = GatedAttempt.objects.filter(at__gt=since, at__lte=until, verdict="deny", mandate=policy.label)
    people = set(_people(rows.values_list("digest", flat=True).distinct()))
    if len(people) < _LEAST:
        return None
    return 100.0 * len(people - _enrolled(people)) / len(people)


def _people(digests: Iterable[str]) -> Iterable[int]:
    wanted = list(digests)
    for start in range(0, len(wanted), _AT_ONCE):
        rows = KnownFacts.objects.filter(pk__in=wanted[start : start + _AT_ONCE])
        for person in rows.values_list("facts__person__id", flat=True):
            if isinstance(person, str) and person[1:].isdigit():
                yield int(person[1:])


def _enrolled(people: Iterable[int]) -> set[int]:
    found: set[int] = set()
    wanted = sorted(people)
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        for model in (Authenticator, SecurityKey):
            found |= set(model.objects.filter(user_id__in=part).values_list("user_id", flat=True))
    return found


SIGNALS: Final = (
    Signal("gated_uploads_per_hour", "Uploads refused within an hour", _refused_uploads),
    Signal("recovery_age_hours", "Hours that recoveries wait, 95 of 100 no longer", _age_of_recoveries),
    Signal("bounced_percent", "Per cent of a week's notices that came back", _returned_mail),
    Signal(
        "failed_enrolments_percent",
        "Per cent of the people refused this week who have no second factor a day later",
        _failed_enrolments,
    ),
)


def limits_of(policy: Policy) -> Mapping[str, float]:
    """Return the limits that a mandate sets, by signal."""
    launch = policy.as_written.launch
    return launch.pause_when.as_dict() if launch else {}


def exceeded(policy: Policy, now: datetime) -> tuple[Signal, str] | None:
    """Return the first figure that is over its limit, with the sentence that tells it; None: all is well."""
    limits = limits_of(policy)
    for signal in SIGNALS:
        limit = limits.get(signal.name)
        figure = None if limit is None else signal.look(policy, now)
        if limit is not None and figure is not None and figure > limit:
            return signal, signal.told(figure, limit)
    return None


def pause_where_needed(now: datetime) -> int:
    """Pause the live campaigns with a figure over its limit, and tell operators; returns how many.

    A campaign that is paused already is left alone, and so is one that was resumed within the last hour: whoever
    resumed it knew the figures.
    """
    paused = 0
    for policy in queries.live_policies(now):
        if policy.is_paused or not limits_of(policy) or _was_resumed_lately(policy, now):
            continue
        found = exceeded(policy, now)
        paused += found is not None and _pause(policy, *found)
    return paused


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
    return [row for row in Pause.objects.filter(ended_at=None) if not row.is_open(now)]


def look_after(now: datetime) -> int:
    """Do what campaigns need by the minute; returns how much was done."""
    return close_overdue(now) + pause_where_needed(now)
