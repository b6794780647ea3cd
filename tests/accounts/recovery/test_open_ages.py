from __future__ import annotations

from datetime import timedelta

import pytest
from prometheus_client import generate_latest
from tests.accounts.conftest import Browser, Clock, make_person
from tests.accounts.recovery.conftest import begin

from keyhouse.accounts.models import User
from keyhouse.accounts.recovery.queries import open_ages
from keyhouse.core import clock
from keyhouse.web import metrics

pytestmark = pytest.mark.django_db


def test_operators_measure_how_old_open_cases_are(ada: User, time: Clock) -> None:
    make_person("bob")
    begin(Browser(), "ada")
    time.go(hours=2)
    begin(Browser(), "bob")
    ages = open_ages(clock.now())
    assert ages == [timedelta(0), timedelta(hours=2)]
    metrics.set_case_ages(ages)
    text = generate_latest().decode()
    assert "keyhouse_recovery_cases_open 2.0" in text
    assert 'keyhouse_recovery_case_age_seconds{quantile="0.5"} 0.0' in text
    assert 'keyhouse_recovery_case_age_seconds{quantile="0.95"} 7200.0' in text
    time.go(days=14)
    assert open_ages(clock.now()) == []
