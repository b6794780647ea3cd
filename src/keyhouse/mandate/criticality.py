"""Which projects are critical by the criteria of mandates, worked out once a day.

Unique clients: each client counts once a day, since digests of two days can't be joined; the days of the window add up.
Dependents: projects whose newest release requires it outright, not only for an extra. Neither is moved by fetching the
same file again and again (S7).

What is critical is kept by name and lineage. A project that is deleted and made anew stays critical, and for as long as
the window lasts with the value it had (A18).
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeVar
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import F

from keyhouse.distfiles.names import normalise
from keyhouse.index.sketches import estimate
from keyhouse.mandate import queries
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.models import CriterionRun, CriticalProject, MandateVersion
from keyhouse.mandate.selectors import Criterion
from keyhouse.projects.models import ClientSketch, Project, Release, Tombstone

_REQUIRED: Final = re.compile(r"\s*([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)")
_FOR_EXTRA: Final = re.compile(r"\bextra\b")
_AT_ONCE: Final = 500  # rows of one statement

Values = Mapping[str, int]  # of the metric, by normalised name


# ---- what is critical: pure


def choose(criterion: Criterion, values: Values, kept: Mapping[str, int]) -> dict[str, int]:
    """Return which names are critical, with their values.

    `kept` are those that were until now, with their former values; they stay until they fall below `keep_above` times
    the threshold. Equal values are told apart by name, so that `top` is never overrun.
    """
    counted = {name: value for name, value in values.items() if value > 0}
    chosen = _first(criterion, counted)
    least = _threshold(criterion, counted, chosen) * criterion.keep_above
    stays = {name for name in kept if values.get(name, 0) > 0 and values[name] >= least}
    return {name: values[name] for name in chosen | stays}


def _first(criterion: Criterion, values: Values) -> set[str]:
    if criterion.at_least is not None:
        return {name for name, value in values.items() if value >= criterion.at_least}
    ranked = sorted(values, key=lambda name: (-values[name], name))
    return set(ranked[: criterion.top])


def _threshold(criterion: Criterion, values: Values, chosen: Iterable[str]) -> int:
    if criterion.at_least is not None:
        return criterion.at_least
    return min((values[name] for name in chosen), default=0)


def is_due(criterion: Criterion, last_at: datetime | None, now: datetime) -> bool:
    """Tell whether a criterion is to be worked out: once a day, and never after the first time at or after the freeze."""
    frozen_at = criterion.frozen_at
    if last_at is None:
        return True
    if frozen_at is not None and now >= frozen_at:
        return last_at < frozen_at
    return now.date() > last_at.date()


def required_names(requirements: Iterable[str]) -> set[str]:
    """Return the normalised names of what is required outright."""
    found = set()
    for text in requirements:
        head, _, marker = text.partition(";")
        match = _REQUIRED.match(head)
        if match and not _FOR_EXTRA.search(marker):
            found.add(normalise(match[1]))
    return found


# ---- what is measured


def measure(criterion: Criterion, at: datetime) -> Counter[str]:
    """Return the value of the metric for each project name that has any."""
    return _METRICS[criterion.metric](criterion, at)


def _unique_clients(criterion: Criterion, at: datetime) -> Counter[str]:
    today = at.date()
    rows = ClientSketch.objects.filter(
        day_on__gt=today - timedelta(days=criterion.window_days), day_on__lte=today
    )
    found: Counter[str] = Counter()
    chosen = rows.values_list("project__normalized_name", "sketch")
    for name, sketch in chosen.iterator(chunk_size=_AT_ONCE):
        found[name] += estimate(bytes(sketch))
    return found


def _dependents(criterion: Criterion, at: datetime) -> Counter[str]:
    del criterion, at  # what requires something now counts, whenever it was published
    newest = Release.objects.filter(version=F("project__latest_version"))
    found: Counter[str] = Counter()
    rows = newest.values_list("project__normalized_name", "metadata__requires_dist")
    for name, requirements in rows.iterator(chunk_size=_AT_ONCE):
        found.update(required_names(requirements or ()) - {name})
    here = _lineages(found)  # what is required from elsewhere takes nobody's place
    return Counter({name: found[name] for name in here})


_METRICS: Final[Mapping[str, Callable[[Criterion, datetime], Counter[str]]]] = {
    "unique-clients": _unique_clients,
    "dependents": _dependents,
}


# ---- the job


def renew_critical_projects(now: datetime) -> int:
    """Work out every criterion that is due and return how many were; somebody else at it does no harm."""
    last = dict(CriterionRun.objects.values_list("criterion", "run_at"))
    due = [one for one in asked_criteria(now) if is_due(one, last.get(one.key), now)]
    return sum(_renew(one, last.get(one.key), now) for one in due)


def foresee(criteria: Iterable[Criterion], now: datetime) -> dict[str, dict[str, datetime]]:
    """Return which names would be critical by criteria that were never worked out, and since when; writes nothing."""
    known = set(CriterionRun.objects.values_list("criterion", flat=True))
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for criterion in criteria:
        if criterion.key not in known:
            at = min(now, criterion.frozen_at or now)
            for name in choose(criterion, measure(criterion, at), {}):
                found[name][criterion.key] = at
    return found


def compare(criterion: Criterion, now: datetime) -> tuple[frozenset[str], frozenset[str]]:
    """Return which names are critical, and which would be if it were worked out now; writes nothing.

    What is frozen stays.
    """
    last = CriterionRun.objects.filter(criterion=criterion.key).values_list("run_at", flat=True).first()
    rows = CriticalProject.objects.filter(criterion=criterion.key)
    kept = dict(rows.values_list("normalized_name", "value"))
    if last is not None and criterion.frozen_at is not None and last >= criterion.frozen_at:
        return frozenset(kept), frozenset(kept)
    at = min(now, criterion.frozen_at or now)
    values = _with_former_values(measure(criterion, at), kept, criterion, at)
    return frozenset(kept), frozenset(choose(criterion, values, kept))


def asked_criteria(now: datetime) -> list[Criterion]:
    """Return the criteria of mandates that are live, will be, or wait for somebody's approval, by key."""
    live = {policy.name: policy for policy in queries.live_policies(now)}
    found = {one.key: one for policy in live.values() for one in policy.mandate.criteria}
    for row in MandateVersion.objects.filter(withdrawn_at__isnull=True).order_by("name", "version"):
        is_coming = row.effective_at is None or row.effective_at > now
        if is_coming and (row.name not in live or row.version > live[row.name].version):
            found |= {one.key: one for one in read_mandate(row.document).criteria}
    for shadow in queries.ledger().shadows_on(now):
        found |= {one.key: one for one in shadow.judge.mandate.criteria}
    return [found[key] for key in sorted(found)]


def _renew(criterion: Criterion, last_at: datetime | None, now: datetime) -> bool:
    """Work one out; False where somebody else did meanwhile."""
    at = min(now, criterion.frozen_at or now)
    kept = dict(
        CriticalProject.objects.filter(criterion=criterion.key).values_list("normalized_name", "value")
    )
    values = _with_former_values(measure(criterion, at), kept, criterion, at)
    try:
        with transaction.atomic():
            if not _claim(criterion.key, last_at, now):
                return False
            _store(criterion, choose(criterion, values, kept), at)
    except IntegrityError:  # the first run ever, by two at once
        return False
    return True


def _with_former_values(
    values: Counter[str], kept: Mapping[str, int], criterion: Criterion, at: datetime
) -> dict[str, int]:
    """Let names that were deleted within the window count as much as they did, so that deleting sheds nothing."""
    since = at - timedelta(days=criterion.window_days)
    deleted = Tombstone.objects.filter(deleted_at__gt=since).values_list("normalized_name", flat=True)
    former = {name: kept[name] for name in deleted.iterator(chunk_size=_AT_ONCE) if name in kept}
    return {**values, **{name: max(value, values[name]) for name, value in former.items()}}


def _claim(key: str, last_at: datetime | None, now: datetime) -> bool:
    if last_at is None:
        CriterionRun.objects.create(criterion=key, run_at=now)
        return True
    return bool(CriterionRun.objects.filter(criterion=key, run_at=last_at).update(run_at=now))


def _store(criterion: Criterion, chosen: Mapping[str, int], at: datetime) -> None:
    """Write the set as it is now; what stays keeps its instant, and what has no project now keeps its row."""
    rows = {row.normalized_name: row for row in CriticalProject.objects.filter(criterion=criterion.key)}
    here = _lineages({*rows, *chosen})
    fallen = [row.pk for name, row in rows.items() if name in here and name not in chosen]
    for keys in _parts(fallen):
        CriticalProject.objects.filter(pk__in=keys).delete()
    stays = [row for name, row in rows.items() if name in here and name in chosen]
    for row in stays:
        row.value, row.lineage = chosen[row.normalized_name], here[row.normalized_name]
    CriticalProject.objects.bulk_update(stays, ["value", "lineage"], batch_size=_AT_ONCE)
    new = sorted(name for name in chosen if name in here and name not in rows)
    CriticalProject.objects.bulk_create(
        [
            CriticalProject(
                criterion=criterion.key,
                normalized_name=name,
                lineage=here[name],
                since_at=at,
                value=chosen[name],
            )
            for name in new
        ],
        batch_size=_AT_ONCE,
    )


def _lineages(names: Iterable[str]) -> dict[str, UUID]:
    """Return the lineage of each of these projects that is there."""
    found: dict[str, UUID] = {}
    for part in _parts(sorted(names)):
        rows = Project.objects.filter(normalized_name__in=part).values_list("normalized_name", "lineage")
        found.update(rows)
    return found


_Value = TypeVar("_Value")


def _parts(values: Sequence[_Value]) -> Iterator[Sequence[_Value]]:
    for start in range(0, len(values), _AT_ONCE):
        yield values[start : start + _AT_ONCE]
