"""What the next stage brings to those who decide recovery cases: from what was seen, and nothing where it doesn't tell."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from keyhouse.mandate.metrics.forecast import Load, forecast
from keyhouse.mandate.metrics.queries import Day

FIRST = date(2024, 1, 1)


def day(number: int, holding: int, **recovery: int) -> Day:
    counts: dict[str, Any] = {"people": {"accounts": {"compliant": holding}}, "recovery": recovery}
    return Day(FIRST + timedelta(days=number), counts)


def of_mandate(coming: int) -> Day:
    return Day(FIRST, {"people": {"covered": {"coming": coming}}})


def test_x5_cases_to_come_follow_from_cases_for_each_who_enrolled() -> None:
    days = [day(number, 100 + 10 * number, opened=2, finished=1, open=7) for number in range(11)]
    load = forecast(days, of_mandate(300))
    assert load is not None
    assert (load.enrolled, load.opened, load.decided, load.open) == (100, 22, 11, 7)
    assert load.per_enrolled == pytest.approx(0.22)
    assert load.expected_a_day == pytest.approx(2.2)
    assert load.decided_a_day == pytest.approx(1.0)
    assert load.is_too_much
    assert load.queue_at_end == 43  # 7 + 30 * (2.2 - 1)


def test_missed_days_count_for_nothing() -> None:
    days = [day(0, 10, opened=1, finished=1), Day(FIRST + timedelta(days=1), None), day(2, 20, opened=1)]
    load = forecast(days, of_mandate(5))
    assert load is not None
    assert (load.days, load.opened, load.enrolled) == (2, 2, 10)


def test_where_nobody_enrolled_it_says_that_it_cannot_tell() -> None:
    load = forecast([day(0, 10, opened=3), day(1, 9, opened=3)], of_mandate(50))
    assert load is not None
    assert (load.enrolled, load.per_enrolled, load.expected_a_day, load.queue_at_end) == (0, None, None, None)
    assert not load.is_too_much
    assert load.as_dict()["cases_expected_a_day"] is None


@pytest.mark.parametrize(
    ("days", "last"), [([], of_mandate(1)), ([day(0, 1)], None), ([Day(FIRST, None)], of_mandate(1))]
)
def test_of_nothing_nothing_is_told(days: list[Day], last: Day | None) -> None:
    assert forecast(days, last) is None


def test_only_the_last_thirty_days_count() -> None:
    days = [day(number, number, opened=1) for number in range(90)]
    load = forecast(days, of_mandate(1))
    assert load is not None
    assert (load.days, load.opened, load.enrolled) == (30, 30, 29)


def test_a_queue_never_falls_below_nothing() -> None:
    assert Load(coming=0, days=1, opened=1, decided=99, enrolled=1, open=5).queue_at_end == 0
