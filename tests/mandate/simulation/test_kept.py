"""What is kept of simulations, and how long it counts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from keyhouse.mandate.simulation import queries
from keyhouse.mandate.simulation.models import Simulation, Wanted

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def kept(digest: str = "d", snapshot: str = "s", **changes: Any) -> Simulation:
    body = {
        "mandate": "campaign",
        "made_at": NOW,
        "made_by": "host",
        "people": 3,
        "covered": 2,
        "refused": 1,
        "orphaned": 0,
        "result": {},
    }
    return Simulation.objects.create(digest=digest, snapshot=snapshot, **{**body, **changes})


def test_x9_a_simulation_counts_for_72_hours_and_for_its_very_document() -> None:
    row = kept()
    assert queries.fresh_for("d", NOW) == row
    assert queries.fresh_for("d", NOW + timedelta(hours=72) - TICK) == row
    assert queries.fresh_for("d", NOW + timedelta(hours=72)) is None
    assert queries.fresh_for("other", NOW) is None


def test_x9_one_from_the_future_counts_for_nothing() -> None:
    kept()
    assert queries.fresh_for("d", NOW - TICK) is None


def test_the_newest_counts() -> None:
    kept(snapshot="old", made_at=NOW - timedelta(hours=1))
    newest = kept(snapshot="new")
    assert queries.fresh_for("d", NOW) == newest
    assert queries.find_simulation("campaign") == newest
    assert [row.snapshot for row in queries.simulations_of("campaign")] == ["new", "old"]
    assert queries.find_simulation("other") is None
    assert queries.find_simulation("campaign", newest.pk + 1) is None


def test_x9_the_same_data_and_document_are_kept_once() -> None:
    kept()
    with pytest.raises(IntegrityError), transaction.atomic():
        kept()


def test_a_document_is_wanted_once_at_a_time() -> None:
    body = {"mandate": "campaign", "digest": "d", "document": {}, "asked_at": NOW, "asked_by": "iris"}
    first = Wanted.objects.create(**body)
    with pytest.raises(IntegrityError), transaction.atomic():
        Wanted.objects.create(**body, state="running")
    Wanted.objects.filter(pk=first.pk).update(state="done")
    second = Wanted.objects.create(**body, state="running")
    assert queries.wanted_of("campaign") == second
    assert str(second) == "campaign: running"
