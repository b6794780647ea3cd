"""What happened on one day: uploads by what they were made with, deletions, refusals, recovery. Counted from what is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple
from uuid import UUID

from django.db.models import Count, Exists, OuterRef

from keyhouse.accounts.models import RecoveryCase
from keyhouse.accounts.recovery.queries import open_ages
from keyhouse.audit.models import Record
from keyhouse.credentials.tokens.models import Token
from keyhouse.mandate.facts import Asking, Authority
from keyhouse.mandate.metrics import hits
from keyhouse.mandate.metrics.counting import Yardstick, covering_through
from keyhouse.mandate.metrics.rules import AGAIN_WITHIN, spread
from keyhouse.mandate.rules import is_accepted
from keyhouse.mandate.shadow.models import Snooze
from keyhouse.projects.life_cycle.models import KeptRole, Removal
from keyhouse.projects.models import File

_AT_ONCE: Final = 500
_NOT_ME: Final = "account.freeze-by-link"
_OUTCOMES: Final = ("finished", "stopped", "refused", "expired")


class Span(NamedTuple):
    """From an instant on, until another one, which doesn't belong to it."""

    since: datetime
    until: datetime


def happened(measures: Sequence[Yardstick], span: Span) -> list[dict[str, Any]]:
    """Return for each measure what happened in the span; of the index also about recovery."""
    uploads, deleted = list(_uploads(span)), _deleted(measures, span)
    return [
        {
            "uploads": _by_class(uploads, one),
            "left": {"deleted": deleted[one.key]},
            "hits": hits.hits_of(one, span.since, span.until),
            **({"snoozes": _snoozes(one)} if one.key else {"recovery": _recovery(span)}),
        }
        for one in measures
    ]


# ---- uploads


class _Uploaded(NamedTuple):
    """So many uploads by one credential; of a token with what it was made by, as far as the token is still on record."""

    number: int
    via: str
    token: Token | None


def _uploads(span: Span) -> Iterator[_Uploaded]:
    rows = File.objects.filter(uploaded_at__gte=span.since, uploaded_at__lt=span.until)
    grouped = rows.order_by("uploaded_via", "credential").values_list("uploaded_via", "credential")
    several = list(grouped.annotate(Count("pk")))
    tokens = _tokens(credential for via, credential, _ in several if via == "token")
    for via, credential, count in several:
        yield _Uploaded(count, via, tokens.get(credential))


def _tokens(credentials: Iterable[str]) -> Mapping[str, Token]:
    keys = [UUID(hex=one) for one in credentials if _is_key(one)]
    found: dict[str, Token] = {}
    for start in range(0, len(keys), _AT_ONCE):
        found |= {one.pk.hex: one for one in Token.objects.filter(pk__in=keys[start : start + _AT_ONCE])}
    return found


def _is_key(text: str) -> bool:
    try:
        return UUID(hex=text).hex == text
    except ValueError:
        return False


def _by_class(uploads: Iterable[_Uploaded], measure: Yardstick) -> dict[str, int]:
    found: Counter[str] = Counter()
    for one in uploads:
        found[_class_of(one, measure)] += one.number
    return {name: found[name] for name in ("publisher", "token", "robot", "weak", "other")}


def _class_of(uploaded: _Uploaded, measure: Yardstick) -> str:
    if uploaded.via == "publisher":
        return "publisher"
    if uploaded.token is None:
        return "other"
    if not is_accepted(measure.policy.mandate, Asking.of("token", uploaded.token.strength)):
        return "weak"
    return "robot" if uploaded.token.is_robot else "token"


# ---- what is gone


def _deleted(measures: Sequence[Yardstick], span: Span) -> Counter[str]:
    """Count the projects that were deleted, and those of them that each mandate covered through anybody then."""
    found: Counter[str] = Counter()
    mandates = [one for one in measures if one.key]
    rows = Removal.objects.filter(
        kind=Removal.Kind.PROJECT, removed_at__gte=span.since, removed_at__lt=span.until
    )
    for removal in rows.order_by("pk").iterator(chunk_size=_AT_ONCE):
        found[""] += 1
        covering: set[str] = set()
        for role in KeptRole.objects.filter(removal=removal):
            entry = Authority("project", removal.normalized_name, role.kind, role.since_at)
            covering.update(covering_through(mandates, role.user_id, entry, removal.removed_at))
        found.update(covering)
    return found


def _snoozes(measure: Yardstick) -> dict[str, int]:
    """Count how often the deadlines of a mandate were put off so far, and by how many people."""
    rows = Snooze.objects.filter(mandate=measure.key, made_at__lt=measure.now)
    return {"made": rows.count(), "people": rows.values("user_id").distinct().count()}


# ---- recovery


def _recovery(span: Span) -> dict[str, Any]:
    opened = RecoveryCase.objects.filter(opened_at__gte=span.since, opened_at__lt=span.until)
    before = RecoveryCase.objects.filter(
        user=OuterRef("user"),
        opened_at__lt=OuterRef("opened_at"),
        closed_at__gte=OuterRef("opened_at") - AGAIN_WITHIN,
    )
    closed = RecoveryCase.objects.filter(closed_at__gte=span.since, closed_at__lt=span.until)
    outcomes = dict(closed.order_by("state").values_list("state").annotate(Count("pk")))
    not_me = Record.objects.filter(at__gte=span.since, at__lt=span.until, action=_NOT_ME, outcome="done")
    return {
        "opened": opened.count(),
        "again": opened.filter(Exists(before)).count(),
        **{name: outcomes.get(name, 0) for name in _OUTCOMES},
        "not_me": not_me.count(),
    }


def waiting(now: datetime) -> dict[str, Any]:
    """Return how many recovery cases are open, and how old they are."""
    ages: list[timedelta] = open_ages(now)
    return {"open": len(ages), **spread(ages)}
