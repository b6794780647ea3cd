"""N2: one digest a person over all projects and mandates, a throttle, and each notice once whatever happens."""

from __future__ import annotations

import pytest
from tests.mandate.notices.telling import (
    ANNOUNCED,
    DAY,
    ENFORCED,
    HOUR,
    announce,
    arrive,
    campaign,
    enrol,
    go_through,
    letters,
    look,
    owner,
    store,
    texts,
    told,
)

from keyhouse.mail.models import Mail
from keyhouse.mandate.notices.models import Delivery

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]


def test_n2_one_mail_tells_of_all_projects_and_all_mandates() -> None:
    ada = owner("ada", "alpha", "beta", "gamma")
    announce(campaign(), campaign("second", title="Another one"))
    assert look(ANNOUNCED) == 1
    [text] = texts(ada)
    assert "the projects alpha, beta and gamma" in text
    assert "(mandate campaign, version 1)" in text
    assert "(mandate second, version 1)" in text
    assert told(ada) == [("campaign", "announcement"), ("second", "announcement")]
    assert "2 notices" not in letters(ada)[0].subject or "What this index" in letters(ada)[0].subject


def test_n2_a_second_round_tells_nobody_again() -> None:
    owner("ada")
    announce()
    assert look(ANNOUNCED) == 1
    assert look(ANNOUNCED) == 0
    assert look(ANNOUNCED + HOUR) == 0
    arrive(ANNOUNCED + HOUR)
    assert look(ANNOUNCED + 2 * HOUR) == 0
    assert Mail.objects.count() == 1


def test_n2_a_whole_campaign_is_six_mails() -> None:
    ada = owner("ada")
    announce()
    go_through(ANNOUNCED, ENFORCED + 30 * DAY)
    kinds = [kind for _, kind in told(ada)]
    assert kinds == ["announcement", "reminder", "reminder", "reminder", "reminder", "enforced"]
    mailed = Mail.objects.order_by("queued_at").values_list("queued_at", flat=True)
    assert [(ENFORCED - at).days for at in mailed][1:5] == [28, 14, 7, 1]


def test_n2_two_mandates_two_days_apart_are_told_three_days_apart() -> None:
    ada = owner("ada")
    announce()
    look(ANNOUNCED)
    later = [
        {"state": "announced", "at": ANNOUNCED + 2 * DAY},
        {"state": "enforced", "at": ENFORCED + 10 * DAY, "deny": ["all"]},
    ]
    store(campaign("second", stages=later))
    assert look(ANNOUNCED + 2 * DAY) == 0
    assert look(ANNOUNCED + 3 * DAY) == 1
    assert told(ada) == [("campaign", "announcement"), ("second", "announcement")]


def test_n2_a_new_version_with_the_same_dates_is_told_to_nobody() -> None:
    owner("ada")
    announce()
    look(ANNOUNCED)
    store(campaign(reason="Said better."), version=2)
    assert look(ANNOUNCED + 10 * DAY) == 0


def test_n2_changed_dates_are_told_once_and_wait_for_no_throttle() -> None:
    ada = owner("ada")
    announce()
    look(ANNOUNCED)
    arrive(ANNOUNCED)
    stages = [
        {"state": "announced", "at": ANNOUNCED, "warn": ["all"]},
        {"state": "enforced", "at": ENFORCED + 20 * DAY, "deny": ["all"]},
    ]
    store(campaign(stages=stages), version=2)
    assert look(ANNOUNCED + DAY) == 1
    assert look(ANNOUNCED + DAY) == 0
    assert look(ANNOUNCED + 5 * DAY) == 0
    assert told(ada)[-1] == ("campaign", "changed")
    assert f"Your date is now {ENFORCED + 20 * DAY:%Y-%m-%d %H:%M} UTC" in texts(ada)[-1]


def test_n2_a_clock_that_goes_back_and_forth_tells_nobody_twice() -> None:
    ada = owner("ada")
    announce()
    for now in (ANNOUNCED, ANNOUNCED - DAY, ANNOUNCED, ENFORCED - 27 * DAY, ANNOUNCED, ENFORCED - 27 * DAY):
        look(now)
        arrive(now)
    assert [kind for _, kind in told(ada)] == ["announcement", "reminder"]
    assert Mail.objects.count() == 2


def test_n2_whoever_enrols_gets_no_more_reminders() -> None:
    ada = owner("ada")
    announce()
    look(ANNOUNCED)
    enrol(ada)
    go_through(ANNOUNCED + DAY, ENFORCED + DAY)
    assert told(ada) == [("campaign", "announcement")]


def test_n2_nobody_is_told_of_a_mandate_that_does_not_mail_or_is_not_about_them() -> None:
    owner("ada")
    body = campaign("quiet")
    del body["notice"]["remind_days"]
    announce(body, campaign("named", who={"user": ["bob"]}))
    go_through(ANNOUNCED, ANNOUNCED + DAY)
    assert Delivery.objects.count() == Mail.objects.count() == 0


def test_n2_the_names_of_many_projects_are_bounded() -> None:
    ada = owner("ada", *(f"p{number:03}" for number in range(300)))
    announce()
    look(ANNOUNCED)
    [text] = texts(ada)
    assert "the projects p000, p001, p002, p003, p004 and 295 more" in text
    assert len(text) < 4000
