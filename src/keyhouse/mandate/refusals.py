"""Refusals by person: whoever tries again and again is one person, and makes no figure that stops a campaign."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import Any, Final

from django.db.models import Count, QuerySet

from keyhouse.mandate.models import GatedAttempt, KnownFacts

MOST_OF_ONE: Final = 10  # refusals of one person within an hour that count
_AT_ONCE: Final = 500


def counted(by_person: Counter[str]) -> int:
    """Return how many refusals count, of each person the first ones."""
    return sum(min(count, MOST_OF_ONE) for count in by_person.values())


def left_out(by_person: Counter[str]) -> int:
    """Return how many don't."""
    return by_person.total() - counted(by_person)


def by_person(attempts: QuerySet[GatedAttempt], actions: Collection[str] | None = None) -> Counter[str]:
    """Return how often each person is among these attempts, with one of these actions; nobody's stand for themselves."""
    counts = dict(attempts.values_list("digest").annotate(Count("pk")).order_by())
    found: Counter[str] = Counter()
    for digest, action, person in facts_of(counts, "facts__action", "facts__person__id"):
        if actions is None or action in actions:
            found[str(person or digest)] += counts[digest]
    return found


def facts_of(digests: Iterable[str], *fields: str) -> Iterator[tuple[Any, ...]]:
    """Yield digest and these fields of facts that attempts rested on, some hundred a question."""
    wanted = list(digests)
    for start in range(0, len(wanted), _AT_ONCE):
        rows = KnownFacts.objects.filter(pk__in=wanted[start : start + _AT_ONCE])
        yield from rows.values_list("digest", *fields)
