"""N6: some weeks after enrolling people are asked once whether it still works, by a proof, with ways to repair."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.accounts.conftest import (
    START,
    Browser,
    Clock,
    at_once,
    code,
    give_project,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts.check_up import queries, rules, services
from keyhouse.accounts.check_up.errors import CheckUpOver, CheckUpPutOff
from keyhouse.accounts.check_up.rules import Method
from keyhouse.accounts.models import Authenticator, CheckUp, User
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import actor_of
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mail.models import Mail

PAGE = "/account/check-up/"
ASKS = "Does your second factor still work?"
DAY = timedelta(days=1)


def method(key: str = "app:1", added: int = 0, used: int | None = None, *, is_usable: bool = True) -> Method:
    used_at = None if used is None else START + used * DAY
    return Method(key, "authenticator app", "phone", START + added * DAY, used_at, is_usable)


def test_n6_an_answer_is_a_proof_and_a_report_ends_by_repair() -> None:
    asked = START + 28 * DAY
    lost = {"app:1": asked + DAY}
    cases = [
        ([method()], {}, 30, ""),
        ([method(used=27)], {}, 30, ""),  # before it was asked
        ([method(used=28)], {}, 30, "worked"),
        ([method(used=29, is_usable=False)], {}, 30, ""),
        ([method()], {}, 88, "unanswered"),
        ([method()], lost, 30, ""),
        ([method(), method("app:2", added=30)], lost, 31, ""),  # the lost one is still there
        ([method("app:2", added=30)], lost, 31, "repaired"),
        ([method(used=31)], lost, 31, "repaired"),  # it was found again
        ([method(used=28)], lost, 31, ""),  # it answered before it was lost
        ([], lost, 31, ""),  # all gone, nothing in its place
        ([], {}, 88, "unanswered"),
    ]
    for methods, reported, day, expected in cases:
        assert rules.outcome(methods, asked, reported, START + day * DAY) == expected, (
            methods,
            reported,
            day,
        )


@pytest.fixture
def asked(ada: User, time: Clock) -> User:
    """Have somebody who enrolled four weeks ago, never used it since, and was asked just now."""
    give_project(ada)
    time.go(days=28)
    assert services.ask_due(clock.now()) == 1
    return ada


def state() -> tuple[str, int]:
    row = CheckUp.objects.get()
    return row.outcome, row.later_count


@pytest.mark.django_db
def test_n6_nobody_is_asked_before_four_weeks_twice_or_who_used_theirs_that_week(
    ada: User, time: Clock
) -> None:
    bob = make_person("bob")
    make_person("cleo", factors=0)
    closed = make_person("dora")
    User.objects.filter(pk=closed.pk).update(state=User.State.SUSPENDED)
    time.go(days=25)
    Authenticator.objects.filter(user=bob).update(last_used_at=clock.now())
    time.go(days=2.9)
    assert services.ask_due(clock.now()) == 0
    time.go(days=0.1)
    assert services.ask_due(clock.now()) == 2
    assert services.ask_due(clock.now()) == 0
    assert dict(CheckUp.objects.values_list("user__username", "outcome")) == {"ada": "", "bob": "used"}
    time.go(days=1)
    enrol_authenticator(ada, b"\x07" * 20, by=host(), name="tablet")
    time.go(days=29)
    assert services.ask_due(clock.now()) == 0  # a second one is no new beginning
    Authenticator.objects.filter(user=ada, name="app 0").delete()
    assert services.ask_due(clock.now()) == 1  # of what was looked at, nothing is left
    assert Mail.objects.filter(kind__contains="check").count() == 0


@pytest.mark.django_db
def test_n6_an_index_that_is_upgraded_asks_nobody_about_long_ago(ada: User, time: Clock) -> None:
    time.go(days=28 + 60)
    assert services.ask_due(clock.now()) == 0
    assert not CheckUp.objects.filter(user=ada).exists()


@pytest.mark.django_db
def test_n6_a_test_by_the_factor_itself_answers_it_and_counts_as_use(asked: User, time: Clock) -> None:
    _, browser = signed_in(asked, at=clock.now() - DAY / 72)
    browser.get("/account/")
    assert ASKS in browser.text
    browser.get(PAGE)
    assert "not tested" in browser.text
    assert "/account/step-up/app/?next=/account/check-up/" in browser.text
    step_up = "/account/step-up/app/?next=/account/check-up/"
    browser.get(step_up)
    assert browser.post(step_up, {"code": "000000", "next": PAGE}).status_code == 400
    assert services.close_due(clock.now()) == 0
    assert browser.post(step_up, {"code": code(), "next": PAGE}).headers["Location"] == PAGE
    assert Authenticator.objects.get(user=asked).last_used_at == clock.now()
    browser.get(PAGE)
    assert "It works." in browser.text
    browser.get("/account/")
    assert ASKS not in browser.text
    assert services.close_due(clock.now()) == 1
    assert state() == ("worked", 0)
    browser.get(PAGE)
    assert "Nothing is asked of you now." in browser.text
    assert refused(browser.post("/account/check-up/later/")) == CheckUpOver.code
    time.go(days=200)
    assert services.ask_due(clock.now()) == 0


@pytest.mark.django_db
def test_n6_it_is_put_off_twice_and_ends_by_itself(asked: User, time: Clock) -> None:
    for count in (1, 2):
        _, browser = signed_in(asked)
        browser.get("/account/")
        assert "Remind me in a week" in browser.text
        assert browser.post("/account/check-up/later/").status_code == 303
        assert state() == ("", count)
        browser.get("/account/")
        assert ASKS not in browser.text
        assert refused(browser.post("/account/check-up/later/")) == CheckUpPutOff.code
        time.go(days=7)
        assert list(queries.asked_now(clock.now())) == [asked.pk]
    browser = signed_in(asked)[1]
    browser.get("/account/")
    assert ASKS in browser.text
    assert "Remind me" not in browser.text
    assert refused(browser.post("/account/check-up/later/")) == CheckUpPutOff.code
    assert Record.objects.filter(action="second-factor.check-up").count() == 2
    time.go(days=46)
    assert services.close_due(clock.now()) == 1
    assert state() == ("unanswered", 2)
    assert services.ask_due(clock.now()) == 0


@pytest.mark.django_db
def test_n6_what_is_lost_is_repaired_under_the_ordinary_gates(asked: User, time: Clock) -> None:
    app = Authenticator.objects.get(user=asked)
    _, browser = signed_in(asked, at=clock.now() - DAY / 72)
    browser.get(PAGE)
    assert browser.post("/account/check-up/lost/", {"method": f"app:{app.pk}"}).status_code == 303
    assert browser.post("/account/check-up/lost/", {"method": f"app:{app.pk}"}).status_code == 303
    [record] = Record.objects.filter(action="second-factor.check-up")
    assert record.details == {"lost": "app 0", "kind": "authenticator app"}
    browser.get(PAGE)
    assert "Something of yours no longer works." in browser.text
    assert "Recover the account" in browser.text  # neither another factor nor a code
    browser.get("/account/")
    assert "Repair it" in browser.text
    # its own word opens nothing: removing asks for a fresh proof, and the last one of who has authority stays
    removal = f"/account/second-factors/{app.pk}/remove/"
    assert browser.post(removal).headers["Location"].startswith("/account/step-up/")
    assert refused(signed_in(asked)[1].post(removal)) == "second-factor-last"
    assert Authenticator.objects.get(pk=app.pk).disabled_at is None
    enrol_authenticator(asked, b"\x07" * 20, by=host(), name="tablet")
    assert services.close_due(clock.now()) == 0
    assert signed_in(asked)[1].post(removal).status_code == 303
    assert services.close_due(clock.now()) == 1
    assert state() == ("repaired", 0)
    assert queries.counts() == {
        "asked": 1, "broken": 1, "open": 0, "used": 0, "worked": 0, "repaired": 1, "unanswered": 0, "put_off": 0,
    }  # fmt: skip


@pytest.mark.django_db
def test_nobody_answers_for_others_and_nothing_malformed_is_kept(asked: User, time: Clock) -> None:
    eve = make_person("eve")
    app = Authenticator.objects.get(user=asked)
    _, browser = signed_in(eve)
    for path, fields in (("later/", {}), ("lost/", {"method": f"app:{app.pk}"})):
        assert refused(browser.post(f"{PAGE}{path}", fields)) == CheckUpOver.code
    _, own = signed_in(asked)
    other = Authenticator.objects.get(user=eve)
    for key in (f"app:{other.pk}", "app:0", "app:", "password:1", "key:" + "9" * 30, "app:1\n", ""):
        assert refused(own.post(f"{PAGE}lost/", {"method": key})) == "second-factor-missing", key
    assert CheckUp.objects.get().reported == {}
    assert Browser().get(PAGE).status_code in {302, 303}
    assert not Record.objects.filter(action="second-factor.check-up").exists()


@pytest.mark.database
@pytest.mark.django_db(transaction=True)
def test_n6_putting_off_and_asking_many_times_at_once_count_once(ada: User, time: Clock) -> None:
    time.go(days=28)
    now = clock.now()
    at_once([lambda: services.ask_due(now)] * 4)
    assert CheckUp.objects.count() == 1
    by = actor_of(signed_in(ada)[0])
    found = at_once([lambda: services.put_off(by=by, now=now)] * 4)
    assert sum(isinstance(one, CheckUp) for one in found) == 1
    assert state() == ("", 1)
    assert Record.objects.filter(action="second-factor.check-up").count() == 1
