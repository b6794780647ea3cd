"""N1: nothing begins to be refused on a day on which nobody would be there to help."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.mandate.ledger import DAY, LONG_AGO, NOW, document, mandate
from tests.mandate.test_planning import NOBODY, person, plan, reasons, with_version

from keyhouse.mandate.beginnings import bad_days, beginnings
from keyhouse.mandate.calendars import Calendar
from keyhouse.mandate.documents import actions_of
from keyhouse.mandate.rules import Policy

MONDAY = datetime(2026, 9, 7, 9, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def stages(*more: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"state": "announced", "at": NOW}, *more]


def early(at: datetime, **more: Any) -> dict[str, Any]:
    return {"state": "early", "at": at, "deny": ["management"], **more}


def told(at: datetime, **more: Any) -> list[str]:
    return reasons(plan(NOBODY, mandate(stages=stages(early(at)), **more), person()))


@pytest.mark.parametrize(
    ("days", "objection"),
    [(0, ""), (1, ""), (2, ""), (3, ""), (4, "a Friday"), (5, "a Saturday"), (6, "a Sunday"), (7, "")],
)
def test_n1_fridays_and_weekends_are_refused_with_their_name_and_a_better_day(
    days: int, objection: str
) -> None:
    found = told(MONDAY + days * DAY)
    assert bool(found) is bool(objection)
    if objection:
        day = (MONDAY + days * DAY).date().isoformat()
        assert f"{objection.removeprefix('a ')}, {day} (UTC), which is {objection}" in found[0]
        assert "begins it at 2026-09-14 09:00 UTC" in found[0]
        assert found[0].startswith("stage 2, at: ")


def test_n1_the_day_is_that_of_utc_wherever_the_file_was_written() -> None:
    assert told(datetime.fromisoformat("2026-09-11T01:00:00+02:00")) == []  # still Thursday
    assert "Friday, 2026-09-11" in told(datetime.fromisoformat("2026-09-10T20:00:00-05:00"))[0]
    assert "Sunday, 2026-09-13" in told(datetime.fromisoformat("2026-09-14T01:59:59+02:00"))[0]
    assert told(datetime.fromisoformat("2026-09-14T02:00:00+02:00")) == []


@pytest.mark.parametrize(
    "at",
    ["2026-10-25T00:30:00+00:00", "2026-10-25T02:30:00+02:00", "2026-10-25T02:30:00+01:00", "2027-03-28T03:00:00+02:00"],
)  # fmt: skip
def test_n1_where_clocks_are_turned_it_is_still_that_sunday(at: str) -> None:
    instant = datetime.fromisoformat(at).astimezone(UTC)
    (found,) = bad_days(mandate(stages=stages(early(instant))), NOW)
    assert found.objection == "a Sunday"
    assert found.instead == instant + DAY  # the same time of day in UTC, where no clock is turned


def test_n1_leap_days_and_ends_of_years_are_days_like_others() -> None:
    holidays = [date(2027, 12, 30), "2028-01-03", "2028-02-29"]
    calendar = {"holidays": holidays}
    assert "a listed holiday" in told(datetime(2028, 2, 29, tzinfo=UTC), calendar=calendar)[0]
    assert "2028-03-01 00:00 UTC" in told(datetime(2028, 2, 29, tzinfo=UTC), calendar=calendar)[0]
    # a holiday on Thursday, Friday, the weekend with the first of January, and a holiday on Monday
    found = told(datetime(2027, 12, 30, 23, 59, 59, tzinfo=UTC), calendar=calendar)
    assert "2028-01-04 23:59 UTC" in found[0]
    friday = Calendar((date(2026, 12, 25),))
    assert friday.objection(datetime(2026, 12, 25, tzinfo=UTC)) == "a Friday and a listed holiday"
    last = mandate(stages=stages(early(datetime(2999, 12, 28, tzinfo=UTC))))  # the last year there is
    assert [(one.objection, one.instead.day) for one in bad_days(last, NOW)] == [("a Saturday", 30)]


def test_n1_a_reason_overrides_and_is_told_and_an_empty_one_does_not() -> None:
    friday = MONDAY + 4 * DAY
    assert told(friday, calendar={"override": ""}) != []
    assert told(friday, calendar={"override": "  "}) != []
    overridden = mandate(stages=stages(early(friday)), calendar={"override": "The old index closes."})
    found = plan(NOBODY, overridden, person())
    assert reasons(found) == []
    assert [str(one) for one in found.warnings if "Friday" in str(one)] == [
        "stage 2, at: begins to refuse something on Friday, 2026-09-11 (UTC), which is a Friday: The old index closes."
    ]


def test_n1_what_is_past_or_goes_on_or_ends_is_no_beginning() -> None:
    saturday, friday = MONDAY - 2 * DAY, MONDAY + 4 * DAY
    body = stages(
        {"state": "early", "at": MONDAY, "deny": ["management", "token.mint"]},
        {"state": "enforced", "at": friday, "deny": ["management"]},
        {"state": "retired", "at": friday + DAY},
    )
    assert list(bad_days(mandate(stages=body), NOW)) == []
    past = mandate(stages=stages(early(saturday)))
    assert [one.number for one in bad_days(past, saturday - TICK)] == [1]
    assert list(bad_days(past, saturday)) == []


def test_n1_more_acts_or_more_people_are_a_beginning_and_fewer_are_none() -> None:
    friday, some = MONDAY + 4 * DAY, {"user": ["ada"]}
    for first, second, is_bad in (
        ({"deny": ["management"]}, {"deny": ["management", "token.mint"]}, True),
        ({"deny": ["management"], "who": some}, {"deny": ["management"]}, True),
        ({"deny": ["management"], "who": some}, {"deny": ["management"], "who": {"user": ["bob"]}}, True),
        ({"deny": ["management"]}, {"deny": ["management"], "who": some}, False),
        ({"deny": ["management"], "who": some}, {"deny": ["management"], "who": some}, False),
        ({"deny": ["management"]}, {"warn": ["all"]}, False),
    ):
        body = stages(
            {"state": "early", "at": MONDAY, **first}, {"state": "enforced", "at": friday, **second}
        )
        assert bool(list(bad_days(mandate(stages=body), NOW))) is is_bad, (first, second)


def test_n1_refusing_again_after_a_pause_or_a_brownout_is_a_beginning() -> None:
    friday = MONDAY + 4 * DAY
    for state in ("paused", "reminding"):
        first = "brownout" if state == "reminding" else "early"
        body = stages(
            {"state": first, "at": MONDAY, "deny": ["management"]},
            {"state": state, "at": MONDAY + DAY},
            {"state": "enforced", "at": friday, "deny": ["management"]},
        )
        assert [one.number for one in bad_days(mandate(stages=body), NOW)] == [3]


def test_n1_what_holds_already_can_be_said_again() -> None:
    friday = mandate(stages=stages(early(MONDAY + 4 * DAY)))
    held = with_version(NOBODY, Policy(friday, 1), LONG_AGO)
    assert reasons(plan(held, friday, person())) == []
    other = mandate(stages=stages(early(MONDAY + 4 * DAY)), title="Another")
    assert "Friday" in reasons(plan(held, other, person()))[0]


@given(st.integers(0, 20_000), st.sets(st.integers(0, 40), max_size=20))
def test_n1_the_better_day_is_the_first_that_nothing_speaks_against(start: int, off: set[int]) -> None:
    first = datetime(1990, 1, 1, 12, tzinfo=UTC) + start * DAY
    calendar = Calendar(tuple(sorted((first + number * DAY).date() for number in off)))
    found = calendar.next_allowed(first)
    assert calendar.objection(found) == ""
    assert (found - first) % DAY == timedelta()
    between = [first + number * DAY for number in range((found - first).days)]
    assert all(calendar.objection(one) for one in between)


def test_a_stage_is_told_with_what_it_begins_to_refuse() -> None:
    body = stages(
        early(MONDAY), {"state": "enforced", "at": MONDAY + DAY, "deny": ["management", "token.mint"]}
    )
    found = beginnings(mandate(stages=body))
    assert [one.acts for one in found] == [
        frozenset(),
        actions_of("management"),
        {"token.mint"} - actions_of("management"),
    ]


def test_launching_with_fewer_guards_is_warned_of() -> None:
    fewer = mandate(launch={"requires": ["operators", "notice"]})
    warnings = [str(one) for one in plan(NOBODY, fewer, person()).warnings]
    assert "launch.requires: a launch wouldn't ask for break-glass, methods, recovery, simulation" in warnings
    assert not [one for one in plan(NOBODY, mandate(launch={}), person()).warnings if "launch" in str(one)]


def test_calendar_and_launch_alone_touch_nobody() -> None:
    held = with_version(NOBODY, Policy(mandate(), 1), LONG_AGO)
    more = document(calendar={"holidays": ["2026-12-25"]}, launch={"keep_factors_days": 5})
    del more["name"]
    found = plan(held, mandate(**more), person(), version=2)
    assert (found.is_loosening, found.touched, found.loosened) == (False, 0, 0)
    assert {str(one.path[0]) for one in found.differences} == {"calendar", "launch"}
