"""What is told of pauses and of what was rolled back; dates are never earlier than those that were told."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from tests.mandate.building import ALPHA, facts
from tests.mandate.notices.telling import (
    ANNOUNCED,
    DAY,
    ENFORCED,
    campaign,
)

from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.facts import Facts, Notice
from keyhouse.mandate.notices import rules
from keyhouse.mandate.notices.rules import Circumstances, Item, Standstill, Told
from keyhouse.mandate.rules import Policy

PAUSED, RESUMED = ANNOUNCED + 20 * DAY, ANNOUNCED + 30 * DAY
REST = RESUMED - PAUSED


def policy(later: timedelta = timedelta(), *, has_stages: bool = True) -> Policy:
    stages = [{"state": "announced", "at": ANNOUNCED, "warn": ["all"]}]
    if has_stages:
        stages.append({"state": "enforced", "at": ENFORCED + later, "deny": ["all"]})
    return Policy(read_mandate(campaign(stages=stages)))


def somebody() -> Facts:
    return facts(authority=ALPHA, notices=[Notice("campaign", "announcement", ANNOUNCED)])


class Person:
    """Somebody who is told things."""

    def __init__(self) -> None:
        self.told: list[Told] = []
        self.items: list[Item] = []

    def look(self, what: Policy, now: datetime, *pauses: Standstill) -> list[str]:
        items = rules.due(somebody(), Circumstances((what,), {what.name: pauses}), self.told, (), now)
        self.told += [Told(*one.key, one.scheduled_at, now) for one in items]
        self.items += items
        return [one.kind for one in items]


def test_n3_a_pause_and_its_end_are_told_at_once_and_once_and_the_date_is_later_by_it() -> None:
    one, begun, over = Person(), Standstill(PAUSED, None), Standstill(PAUSED, RESUMED)
    assert one.look(policy(), ANNOUNCED) == ["announcement"]
    assert one.look(policy(has_stages=False), PAUSED + DAY, begun) == ["paused"]
    for day in range(2, 10):
        assert one.look(policy(has_stages=False), PAUSED + day * DAY, begun) == []
    assert one.look(policy(REST), RESUMED, over) == ["resumed"]
    assert one.look(policy(REST), RESUMED + 5 * DAY, over) == []
    before, after = one.items[0], one.items[-1]
    assert after.deadline_at is not None
    assert before.deadline_at is not None
    assert after.deadline_at == before.deadline_at + REST == ENFORCED + REST


def test_n3_who_was_not_told_of_a_pause_is_told_the_new_date_as_a_change() -> None:
    one, over = Person(), Standstill(PAUSED, RESUMED)
    one.look(policy(), ANNOUNCED)
    assert one.look(policy(REST), RESUMED, over) == ["changed"]
    assert one.look(policy(REST), RESUMED + 5 * DAY, over) == []


def test_n3_no_reminder_goes_out_while_the_calendar_rests_and_all_of_them_afterwards() -> None:
    one, pause = Person(), Standstill(ENFORCED - 29 * DAY, None)
    one.look(policy(), ANNOUNCED)
    found = [
        kind
        for day in range(31)
        for kind in one.look(policy(has_stages=False), ENFORCED - (29 - day) * DAY, pause)
    ]
    assert found == ["paused"]
    over = Standstill(ENFORCED - 29 * DAY, ENFORCED + DAY)
    moved = policy(30 * DAY)
    found = [kind for day in range(1, 40) for kind in one.look(moved, ENFORCED + day * DAY, over)]
    assert found == ["resumed", "reminder", "reminder", "reminder", "reminder", "enforced"]


@pytest.mark.parametrize("later", [DAY, 50 * DAY])
def test_n3_a_later_date_is_told_and_no_told_date_is_ever_earlier(later: timedelta) -> None:
    one = Person()
    for day in range(160):
        one.look(policy() if day < 40 else policy(later), ANNOUNCED + day * DAY)
    dates = [item.deadline_at for item in one.items if item.deadline_at is not None]
    assert dates == sorted(dates)
    assert [item.kind for item in one.items].count("changed") == 1


def test_n3_a_date_that_nobody_knows_is_none() -> None:
    assert rules.known_date(None) is None
    assert rules.known_date(datetime(3000, 1, 1, tzinfo=ANNOUNCED.tzinfo)) is None
    assert rules.known_date(ENFORCED) == ENFORCED
