"""Several at once, with real threads and real commits."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.mandate.by_organizations.conftest import FROM, NOW, Crew, by_key, with_key
from tests.mandate.conftest import SetClock
from tests.projects.test_races import at_once, kinds

from keyhouse.mandate.by_organizations import queries, services
from keyhouse.mandate.by_organizations.models import Declaration
from keyhouse.mandate.declarations import Demand, holding
from keyhouse.organizations.models import Organization

pytestmark = pytest.mark.django_db(transaction=True)


def test_declaring_loosening_and_answering_at_once(crew: Crew, set_clock: SetClock) -> None:
    acme = Organization.objects.get()
    with_key(crew.otto)
    ada, otto = by_key(crew.ada), by_key(crew.otto)
    keys = Demand("phishing-resistant")
    outcomes = at_once(*[lambda: services.declare("acme", keys, FROM, by=ada)] * 3)
    assert kinds(outcomes) == ["Declaration", "DeclarationSame", "DeclarationSame"]
    outcomes = at_once(lambda: services.lift("acme", by=ada), lambda: services.lift("acme", by=otto))
    assert kinds(outcomes) == ["Declaration", "DeclarationWaits"]
    second = otto if Declaration.objects.get(version=2).declared_by == "ada" else ada
    outcomes = at_once(lambda: services.approve("acme", by=second), lambda: services.keep("acme", by=second))
    assert kinds(outcomes) == ["Declaration", "DeclarationOver"]
    row = Declaration.objects.get(version=2)
    is_lifted = row.withdrawn_at is None
    assert is_lifted == bool(row.approved_by)
    assert holding(queries.declared_by(acme), NOW + timedelta(seconds=1)) == (
        () if is_lifted else (queries.declared_of(Declaration.objects.get(version=1)),)
    )
