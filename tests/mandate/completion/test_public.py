"""What everybody may know of completion: a day late, never of a few people, never of what isn't public."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from tests.mandate.conftest import SetClock
from tests.mandate.stored import ENFORCED, document, make_project, make_user, retire_default, store
from tests.mandate.visiting import Visit

from keyhouse.accounts.models import Authenticator
from keyhouse.core.actor import host
from keyhouse.mandate.completion.services import check_now
from keyhouse.mandate.metrics.models import AdoptionDay

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("wired", "set_clock")]

DAY = timedelta(days=1)
LATE = ENFORCED + 200 * DAY


@pytest.fixture(autouse=True)
def campaign(set_clock: SetClock) -> None:
    set_clock(LATE)
    retire_default()
    store(document(stages=[*document()["stages"], {"state": "completed", "at": LATE, "deny": ["all"]}]))


def people(count: int, enrolled: int) -> None:
    for number in range(count):
        user = make_user(f"person-{number}")
        make_project(f"project-{number}", user)
        if number < enrolled:
            Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=LATE)


def told() -> Any:
    return Visit().get("/mandate.json").json()["standings"][0]


def test_progress_is_told_a_day_late_and_with_its_denominator(set_clock: SetClock) -> None:
    people(24, 12)
    check_now("campaign", by=host())
    assert told()["progress"] is None
    set_clock(LATE + DAY)
    found = told()["progress"]
    assert (found["covered"], found["compliant"], found["lacking"]) == (24, 12, 12)
    assert not told()["is_proven_complete"]
    visit = Visit()
    visit.get("/mandate/")
    assert "12 of 24 covered people" in visit.text
    assert "that it is complete is not proven" in visit.text
    assert "person-" not in visit.page


@pytest.mark.parametrize(("count", "enrolled"), [(9, 0), (9, 9), (30, 29), (30, 1)])
def test_nothing_is_told_of_a_few(count: int, enrolled: int, set_clock: SetClock) -> None:
    people(count, enrolled)
    check_now("campaign", by=host())
    set_clock(LATE + DAY)
    assert told()["progress"]["compliant"] is None
    assert told()["progress"]["lacking"] is None


def test_proof_is_told(set_clock: SetClock) -> None:
    people(12, 12)
    check_now("campaign", by=host())
    set_clock(LATE + DAY)
    assert told()["is_proven_complete"]
    assert told()["progress"]["compliant"] == 12


def test_every_change_is_told_and_nothing_that_is_not_in_effect() -> None:
    store(document(name="second"), version=1, effective_at=None)
    store(document(name="third"), version=1, effective_at=LATE + DAY)
    assert [one["version"] for one in Visit().get("/mandate.json").json()["changes"]] == ["campaign@1"]


def counted(on: date, **counts: Any) -> None:
    AdoptionDay.objects.create(mandate="campaign", day_on=on, counts=counts, counted_at=LATE, is_over=True)


def test_every_share_carries_its_denominator_and_is_a_day_late(set_clock: SetClock) -> None:
    counted(
        LATE.date(),
        people={"active": {"all": 175, "compliant": 140}, "accounts": {"all": 850, "compliant": 145}},
    )
    assert told()["shares"] == []
    set_clock(LATE + DAY)
    found = {one["key"]: (one["part"], one["whole"]) for one in told()["shares"]}
    assert found == {"active": (140, 175), "accounts": (145, 850)}
    visit = Visit()
    visit.get("/mandate/")
    assert "140 of 175 people with authority, active within 90 days hold what is asked" in visit.text


def test_no_share_is_told_of_a_few(set_clock: SetClock) -> None:
    counted(
        LATE.date(), people={"active": {"all": 20, "compliant": 11}, "accounts": {"all": 12, "compliant": 3}}
    )
    set_clock(LATE + DAY)
    assert told()["shares"] == []


def test_what_is_tried_in_the_dark_is_told_to_nobody() -> None:
    shadow = {"state": "shadow", "at": LATE - DAY, "deny": ["all"]}
    stages = [shadow, {"state": "announced", "at": LATE + DAY}]
    store(document(name="dusk", stages=stages), effective_at=LATE - DAY)
    store(document(name="duskier", stages=stages), effective_at=LATE + DAY / 2)
    assert "dusk" not in Visit().get("/mandate.json").content.decode()
    assert "dusk" not in Visit().get("/mandate/").content.decode()
