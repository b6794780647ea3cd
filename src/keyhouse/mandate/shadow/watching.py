"""Adds up what the gate did, as its history is written: off the path of every request, and in the same transaction."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from keyhouse.mandate import queries
from keyhouse.mandate.brownouts import running
from keyhouse.mandate.history import Keep, Noted
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.shadow.models import FirstRefusal, Verdict
from keyhouse.mandate.shadow.rules import (
    Cost,
    Day,
    Hit,
    Key,
    Verdicts,
    costs,
    first_hits,
    judge,
)
from keyhouse.projects import sql

MOST_ROWS: Final = 2000  # of a version and a day that tell people; so many again tell projects


def watch(batch: Sequence[Noted]) -> Keep | None:
    """Work out what attempts add up to, and return what keeps it; None where there is nothing to keep."""
    ledger = queries.ledger()
    live = {one.name: one for at in _instants(batch) for one in ledger.live_at(at)}
    shadows = [one for one in ledger.shadows if any(one.is_on(at) for at in _instants(batch))]
    verdicts = judge(batch, shadows) if shadows else Verdicts()
    hits = first_hits(batch, live)
    spent = costs(batch, _budgeted(live.values(), batch[-1][2]))
    if not (verdicts.weighed or hits or spent):
        return None
    return lambda: _keep(verdicts, hits, spent)


def _instants(batch: Sequence[Noted]) -> tuple[datetime, ...]:
    """Return the first and the last instant; a batch is of a second, or of what waited for the database."""
    times = [at for _, _, at in batch]
    return min(times), max(times)


def _budgeted(policies: Iterable[Policy], now: datetime) -> list[str]:
    found = ((one.name, running(one, now)) for one in policies)
    return [name for name, stage in found if stage is not None and stage.error_budget is not None]


def _keep(verdicts: Verdicts, hits: Sequence[Hit], spent: dict[tuple[str, int], Cost]) -> None:
    """Write it all; rows in one order, so that two writers don't wait for each other in a circle."""
    for key, count in sorted(_bounded(verdicts.counts).items()):
        values = [one if isinstance(one, str | int) else one.isoformat() for one in key]
        sql.change(_VERDICT, *values, count)
    for day, weighed in sorted(verdicts.weighed.items()):
        mandate, version, day_on = day
        sql.change(_WEIGHED, mandate, version, day_on.isoformat(), weighed, verdicts.refused[day])
    for (name, minute), cost in sorted(spent.items()):
        sql.change(_MINUTE, name, minute, *cost)
    rows = [_first_refusal(hit) for hit in hits]
    FirstRefusal.objects.bulk_create(rows, ignore_conflicts=True)


def _first_refusal(hit: Hit) -> FirstRefusal:
    return FirstRefusal(
        user_id=hit.user_id,
        mandate=hit.mandate,
        version=hit.version,
        first_at=hit.at,
        action=hit.action,
        code=hit.code,
        credential=hit.credential,
        was_compliant=hit.was_compliant,
    )


def _bounded(counts: Counter[Key]) -> Counter[Key]:
    """Leave people, then projects, out of the counts of a day that has too many rows already."""
    there: dict[Day, int] = {}
    found: Counter[Key] = Counter()
    for key, count in counts.items():
        day = Day(*key[:3])
        if day not in there:
            there[day] = Verdict.objects.filter(**day._asdict()).count()
        kept = _kept(key, there[day])
        there[day] += kept not in found
        found[kept] += count
    return found


def _kept(key: Key, rows: int) -> Key:
    if rows < MOST_ROWS:
        return key
    return key.without_person() if rows < 2 * MOST_ROWS else key.without_project()


_VERDICT: Final = (
    "INSERT INTO shadow_verdict (mandate, version, day_on, action, project, person, code, credential, count)"
    " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"
    " ON CONFLICT (mandate, version, day_on, action, project, person, code, credential)"
    " DO UPDATE SET count = shadow_verdict.count + excluded.count"
)
_WEIGHED: Final = (
    "INSERT INTO shadow_weighed (mandate, version, day_on, weighed, refused) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (mandate, version, day_on) DO UPDATE SET weighed = shadow_weighed.weighed + excluded.weighed,"
    " refused = shadow_weighed.refused + excluded.refused"
)
_MINUTE: Final = (
    "INSERT INTO shadow_minute (mandate, minute, refused, uploads, uploads_refused) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (mandate, minute) DO UPDATE SET refused = shadow_minute.refused + excluded.refused,"
    " uploads = shadow_minute.uploads + excluded.uploads,"
    " uploads_refused = shadow_minute.uploads_refused + excluded.uploads_refused"
)
