"""Who was refused at the gate, from the attempts that are kept, and how soon they enrolled then, as the shadow follows it.

People are told apart by the number of their account in the facts of an attempt. Nothing of it is kept here but counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Min, Q, QuerySet

from keyhouse.mandate.metrics.counting import Yardstick
from keyhouse.mandate.metrics.rules import HITS_OF
from keyhouse.mandate.models import GatedAttempt
from keyhouse.mandate.refusals import facts_of
from keyhouse.mandate.shadow.queries import conversion


def hits_of(measure: Yardstick, since: datetime, until: datetime) -> dict[str, Any]:
    """Return refusals and warnings in the span, how many people were refused, and what became of them within 90 days.

    `first`: who was refused for the first time in those days and lacked what is asked; `enrolled`: how many of them have
    it since; `p50`, `p95`: after how many seconds.
    """
    rows = _attempts(measure).filter(at__gte=since, at__lt=until)
    denied = rows.filter(verdict="deny")
    found = conversion(measure.key, until - HITS_OF, until)
    return {
        "attempts": denied.count(),
        "warned": rows.filter(verdict="warn").count(),
        "people": len(_people(_digests(denied))),
        "first": found.refused - found.had_it,
        "enrolled": found.complied,
        "p50": _seconds(found.median),
        "p95": _seconds(found.p95),
    }


def _attempts(measure: Yardstick) -> QuerySet[GatedAttempt]:
    """Return the attempts that a mandate refused or warned of; for the index those that any mandate did."""
    if not measure.key:
        return GatedAttempt.objects.exclude(mandate="")
    return GatedAttempt.objects.filter(Q(mandate=measure.key) | Q(mandate__startswith=f"{measure.key}@"))


def _digests(denied: QuerySet[GatedAttempt]) -> list[tuple[str, datetime]]:
    return list(denied.order_by("digest").values_list("digest").annotate(Min("at")))


def _people(digests: Iterable[tuple[str, datetime]]) -> dict[int, datetime]:
    found: dict[int, datetime] = {}
    for key, at in _with_people(dict(digests)):
        found[key] = min(at, found.get(key, at))
    return found


def _with_people(digests: Mapping[str, datetime]) -> Iterator[tuple[int, datetime]]:
    for digest, person in facts_of(digests, "facts__person__id"):
        if isinstance(person, str) and person[1:].isdigit():
            yield int(person[1:]), digests[digest]


def _seconds(length: timedelta | None) -> float | None:
    return None if length is None else length.total_seconds()
