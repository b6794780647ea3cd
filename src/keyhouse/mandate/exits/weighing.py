"""How much hangs on each project: unique clients of 180 days and dependents, worked out once a day for lists of operators."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from keyhouse.mandate import criticality
from keyhouse.mandate.exits.models import Weight
from keyhouse.mandate.models import CriterionRun
from keyhouse.mandate.selectors import Criterion

WINDOW_DAYS: Final = 180
_RUN: Final = "weights"  # no criterion has this key: theirs name a metric
_AT_ONCE: Final = 1000


def renew(now: datetime) -> int:
    """Work the weights out once a day and return whether that was now; somebody else at it does no harm."""
    last = CriterionRun.objects.filter(criterion=_RUN).values_list("run_at", flat=True).first()
    if last is not None and now.date() <= last.date():
        return 0
    clients, dependents = (
        criticality.measure(Criterion(metric, WINDOW_DAYS, at_least=1), now)
        for metric in ("unique-clients", "dependents")
    )
    names = sorted({*clients, *dependents})
    try:
        with transaction.atomic():
            if not _claim(last, now):
                return 0
            Weight.objects.all().delete()
            _write(
                Weight(normalized_name=name, clients=clients[name], dependents=dependents[name])
                for name in names
            )
    except IntegrityError:  # the first run ever, by two at once
        return 0
    return 1


def _claim(last: datetime | None, now: datetime) -> bool:
    if last is None:
        CriterionRun.objects.create(criterion=_RUN, run_at=now)
        return True
    return bool(CriterionRun.objects.filter(criterion=_RUN, run_at=last).update(run_at=now))


def _write(rows: Iterable[Weight]) -> None:
    Weight.objects.bulk_create(rows, batch_size=_AT_ONCE)
