"""Who was refused at the gate, and how soon they enrolled then: from the attempts that are kept, as long as they are.

People are told apart by the number of their account in the facts of an attempt. Nothing of it is kept here but counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from django.db.models import Min, Q, QuerySet

from keyhouse.accounts.models import Authenticator, SecurityKey
from keyhouse.mandate.metrics.counting import Yardstick
from keyhouse.mandate.metrics.rules import HITS_OF, spread
from keyhouse.mandate.models import GatedAttempt
from keyhouse.mandate.refusals import facts_of

_AT_ONCE: Final = 500


def hits_of(measure: Yardstick, since: datetime, until: datetime) -> dict[str, Any]:
    """Return refusals and warnings in the span, how many people were refused, and conversion of the last 90 days.

    `first`: who was refused for the first time in those days; `enrolled`: how many of them added a second factor since;
    `p50`, `p95`: after how many seconds.
    """
    rows = _attempts(measure).filter(at__gte=since, at__lt=until)
    denied = rows.filter(verdict="deny")
    first = first_refusals(measure, until)
    times = [at - first[key] for key, at in _enrolments(first, until)]
    return {
        "attempts": denied.count(),
        "warned": rows.filter(verdict="warn").count(),
        "people": len(_people(_digests(denied))),
        "first": len(first),
        "enrolled": len(times),
        **spread(times),
    }


def _attempts(measure: Yardstick) -> QuerySet[GatedAttempt]:
    """Return the attempts that a mandate refused or warned of; for the index those that any mandate did."""
    if not measure.key:
        return GatedAttempt.objects.exclude(mandate="")
    return GatedAttempt.objects.filter(Q(mandate=measure.key) | Q(mandate__startswith=f"{measure.key}@"))


def _digests(denied: QuerySet[GatedAttempt]) -> list[tuple[str, datetime]]:
    return list(denied.order_by("digest").values_list("digest").annotate(Min("at")))


def first_refusals(measure: Yardstick, until: datetime) -> dict[int, datetime]:
    """Return when each person was refused first, within the 90 days before."""
    rows = _attempts(measure).filter(verdict="deny", at__gte=until - HITS_OF, at__lt=until)
    return _people(_digests(rows))


def _people(digests: Iterable[tuple[str, datetime]]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for key, at in _with_people(dict(digests)):
        found[key] = min(at, found.get(key, at))
    return found


def _with_people(digests: Mapping[str, datetime]) -> Iterator[tuple[int, datetime]]:
    for digest, person in facts_of(digests, "facts__person__id"):
        if isinstance(person, str) and person[1:].isdigit():
            yield int(person[1:]), digests[digest]


def _enrolments(first: Mapping[int, datetime], until: datetime) -> Iterator[tuple[int, datetime]]:
    """Yield who added a factor after they were refused first, and when they did."""
    wanted = sorted(first)
    for start in range(0, len(wanted), _AT_ONCE):
        part = wanted[start : start + _AT_ONCE]
        soonest: dict[int, datetime] = {}
        for model in (Authenticator, SecurityKey):
            rows = model.objects.filter(user_id__in=part, created_at__lt=until)
            for key, at in rows.values_list("user_id", "created_at"):
                if at >= first[key]:
                    soonest[key] = min(at, soonest.get(key, at))
        yield from soonest.items()
