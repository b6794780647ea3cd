from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import Any

import pytest
from tests.accounts.conftest import PASSWORD, Browser, Clock, Configure, at_once, code, make_person, refused

from keyhouse.accounts import limits
from keyhouse.accounts.cookies import BROWSER, cookie_name
from keyhouse.accounts.errors import TooManyAttempts
from keyhouse.accounts.limit_table import TABLE, Limit
from keyhouse.accounts.models import Attempt, Authenticator, Session, User
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.windows import read_windows

pytestmark = pytest.mark.django_db


OF_NETWORKS = {limits.EXCHANGE}  # counted for a network, and for nobody in it


def limits_in_table() -> list[Any]:
    return [pytest.param(limit, id=limit.name) for limit in TABLE]


def count(subject: str = "account:1", network: str = "192.0.2.1") -> limits.Counted:
    return limits.count_attempt(
        now=clock.now(),
        limit=limits.SECOND_FACTOR,
        subject=subject,
        network=network,
    )


def wait_of(subject: str = "account:1", network: str = "192.0.2.1") -> int:
    with pytest.raises(TooManyAttempts) as caught:
        count(subject, network)
    assert caught.value.retry_after
    return caught.value.retry_after


def test_five_codes_in_five_minutes_then_the_wait_is_told_and_enough(time: Clock) -> None:
    for _ in range(5):
        count()
        time.go(seconds=30)
    wait = wait_of()
    time.go(seconds=wait - 2)
    wait_of()
    time.go(seconds=2)
    count()


def test_twenty_an_hour_and_fifty_a_day(time: Clock) -> None:
    done = 0
    while done < 50:
        try:
            count(network="")
            done += 1
        except TooManyAttempts as refusal:
            time.go(seconds=refusal.retry_after or 0)
    hours = (clock.now() - Attempt.objects.earliest("at").at) / timedelta(hours=1)
    assert 2 <= hours < 3
    assert wait_of(network="") > 20 * 3600


def test_what_succeeded_does_not_count() -> None:
    for _ in range(40):
        count().give_back()
    assert not Attempt.objects.exists()


def test_what_somebody_mistyped_is_forgiven_to_their_network_and_not_to_them() -> None:
    for number in range(3):
        for _ in range(3):
            count(f"account:{number}")
    count("account:1").forgive()
    assert Attempt.objects.filter(limit="second-factor", subject="account:1").count() == 3
    at_network = Attempt.objects.filter(limit="second-factor-network")
    assert set(at_network.values_list("subject", "whom")) == {
        ("192.0.2.1", "account:0"),
        ("192.0.2.1", "account:2"),
    }
    assert at_network.count() == 6


def test_forgiving_reaches_no_other_network_and_no_other_limit() -> None:
    count(network="192.0.2.2")
    limits.count_attempt(now=clock.now(), limit=limits.SIGN_IN, subject="account:1", network="192.0.2.1")
    count().forgive()
    kept = set(Attempt.objects.values_list("limit", "subject"))
    assert kept == {
        ("second-factor", "account:1"),
        ("second-factor-network", "192.0.2.2"),
        ("sign-in", "account:1"),
        ("sign-in-network", "192.0.2.1"),
    }


def test_refused_attempts_are_not_counted() -> None:
    for _ in range(5):
        count()
    for _ in range(20):
        wait_of()
    assert Attempt.objects.filter(limit="second-factor").count() == 5
    assert Attempt.objects.count() == 10


def test_a_network_is_stopped_whoever_it_guesses_at() -> None:
    for number in range(10):
        count(f"account:{number}")
    wait_of("account:99")
    count("account:99", "192.0.2.2")


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2", False),
        ("2001:db8::1", "2001:db8::ffff:1:2:3", True),
        ("2001:db8::1", "2001:db8:0:1::1", False),
    ],
)
def test_a_network_is_an_address_or_what_one_customer_has(one: str, other: str, is_same: bool) -> None:
    assert (limits.network_of(one) == limits.network_of(other)) is is_same


def test_networks_that_many_share_have_room(configure: Configure) -> None:
    configure(shared_networks=(ipaddress.ip_network("10.0.0.0/8"),))
    for number in range(500):
        count(f"account:{number}", "10.1.2.3")
    for _ in range(4):
        count("account:7", "10.1.2.4")
    wait_of("account:7", "10.1.2.5")


def test_old_attempts_are_forgotten(time: Clock) -> None:
    count()
    time.go(days=1, minutes=1)
    assert limits.prune_attempts(clock.now()) == 2
    count("account:2")
    assert Attempt.objects.count() == 2


def test_limits_are_settings(configure: Configure) -> None:
    configure(second_factor_limit=read_windows("2/1m"), second_factor_network_limit=read_windows("3/1h"))
    count()
    count()
    assert wait_of() <= 61
    count("account:2")
    assert wait_of("account:3") > 3000


def test_limits_can_be_off_for_tests(configure: Configure) -> None:
    configure(rate_limits="off")
    for _ in range(100):
        count()
    assert not Attempt.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_parallel_attempts_do_not_slip_through() -> None:
    results = at_once([count] * 12)
    counted = [one for one in results if isinstance(one, limits.Counted)]
    assert len(counted) <= 5
    assert Attempt.objects.filter(limit="second-factor").count() == len(counted)


@pytest.mark.parametrize("limit", limits_in_table())
def test_every_limit_stops_at_its_number_and_names_the_wait(limit: Limit, time: Clock) -> None:
    shortest = limit.windows()[0]
    for _ in range(shortest.count):
        limits.count_attempt(now=clock.now(), limit=limit, subject="account:1")
    with pytest.raises(TooManyAttempts) as caught:
        limits.count_attempt(now=clock.now(), limit=limit, subject="account:1")
    assert caught.value.retry_after == shortest.length.total_seconds() + 1
    limits.count_attempt(now=clock.now(), limit=limit, subject="account:2")
    time.go(seconds=caught.value.retry_after)
    limits.count_attempt(now=clock.now(), limit=limit, subject="account:1")


@pytest.mark.parametrize("limit", [one for one in limits_in_table() if one.values[0] not in OF_NETWORKS])
def test_every_limit_has_a_wider_one_for_networks(limit: Limit) -> None:
    assert limit.network
    assert limit.network.windows()[0].count >= limit.windows()[0].count
    for _ in range(limit.network.windows()[0].count):
        limits.count_attempt(now=clock.now(), limit=limit, network="192.0.2.1")
    with pytest.raises(TooManyAttempts):
        limits.count_attempt(now=clock.now(), limit=limit, subject="account:1", network="192.0.2.1")
    limits.count_attempt(now=clock.now(), limit=limit, subject="account:1", network="192.0.2.2")
    limits.count_attempt(now=clock.now(), limit=limit, subject="browser:1:x", network="192.0.2.1")


# ---- at the pages ----


def test_the_eleventh_wrong_password_waits_and_so_does_the_right_one(ada: User, time: Clock) -> None:
    for number in range(10):
        page = Browser(REMOTE_ADDR=f"192.0.2.{number}").sign_in(password="wrong")
        assert refused(page) == "sign-in-refused"
    page = Browser(REMOTE_ADDR="198.51.100.1").sign_in()
    assert (page.status_code, refused(page)) == (429, "too-many")
    assert int(page["Retry-After"]) > 290
    assert not Session.objects.exists()
    time.go(seconds=int(page["Retry-After"]))
    assert Browser(REMOTE_ADDR="198.51.100.1").sign_in().status_code == 303


def test_unknown_names_are_limited_in_the_same_way(db: None) -> None:
    for number in range(10):
        Browser(REMOTE_ADDR=f"192.0.2.{number}").sign_in("nobody-here")
    assert Browser(REMOTE_ADDR="198.51.100.1").sign_in("nobody-here").status_code == 429


def test_a_limit_on_a_name_does_not_tell_its_address(ada: User) -> None:
    for number in range(10):
        Browser(REMOTE_ADDR=f"192.0.2.{number}").sign_in(password="wrong")
    page = Browser(REMOTE_ADDR="198.51.100.1").sign_in("ada@example.org", password="wrong")
    assert refused(page) == "sign-in-refused"


def test_signing_in_often_is_no_offence(ada: User, time: Clock) -> None:
    for _ in range(12):
        browser = Browser()
        browser.sign_in()
        assert browser.enter(code()).status_code == 303
        time.go(seconds=30)
    assert not Attempt.objects.exists()


def test_five_wrong_codes_then_the_right_one_waits_too(ada: User, time: Clock) -> None:
    browser = Browser()
    browser.sign_in()
    for _ in range(5):
        assert refused(browser.enter("000000" if code() != "000000" else "000001")) == "code-wrong"
    page = browser.enter(code())
    assert (page.status_code, refused(page)) == (429, "too-many")
    assert Authenticator.objects.get().failures == 5
    assert Authenticator.objects.get().last_step == 0
    assert not Session.objects.filter(is_complete=True).exists()
    assert Record.objects.filter(code="code-wrong").count() == 5
    assert not Record.objects.filter(code="too-many").exists()


def test_step_up_shares_the_limit_of_codes(ada: User, time: Clock) -> None:
    browser = Browser()
    browser.sign_in()
    browser.enter(code())
    time.go(minutes=16)
    for _ in range(5):
        browser.post("/account/step-up/", {"code": "x"})
        browser.get("/account/step-up/")
    assert browser.post("/account/step-up/", {"code": code()}).status_code == 429


def test_strangers_who_guess_do_not_lock_out_a_known_browser(ada: User, time: Clock) -> None:
    mine = Browser(REMOTE_ADDR="203.0.113.9")
    mine.sign_in()
    mine.enter(code())
    mine.get("/account/")
    mine.post("/account/sign-out/")
    for number in range(10):
        Browser(REMOTE_ADDR=f"192.0.2.{number}").sign_in(password="wrong")
    stranger = Browser(REMOTE_ADDR="198.51.100.1")
    assert stranger.sign_in().status_code == 429
    time.go(seconds=30)
    assert mine.sign_in().status_code == 303
    assert mine.enter(code()).status_code == 303


def test_whoever_guesses_in_the_same_network_does_not_lock_out_a_known_browser(
    ada: User, time: Clock
) -> None:
    mine = Browser(REMOTE_ADDR="192.0.2.1")
    mine.sign_in()
    mine.enter(code())
    mine.get("/account/")
    mine.post("/account/sign-out/")
    for number in range(10):
        Browser(REMOTE_ADDR="192.0.2.1").sign_in(f"nobody{number}", password="wrong")
    assert Browser(REMOTE_ADDR="192.0.2.1").sign_in().status_code == 429
    time.go(seconds=30)
    assert mine.sign_in().status_code == 303
    assert mine.enter(code()).status_code == 303


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("text/html", "text/html; charset=utf-8"),
        ("application/json", "application/problem+json"),
        ("*/*", "text/plain; charset=utf-8"),
    ],
)
def test_too_many_is_told_in_every_form_with_the_wait(ada: User, accept: str, kind: str) -> None:
    browser = Browser()
    for _ in range(10):
        browser.sign_in(password="wrong")
    browser.get("/account/sign-in/")
    fields = {"csrfmiddlewaretoken": browser.mark(), "username": "ada", "password": PASSWORD}
    page = browser.client.post("/account/sign-in/", fields, headers={"accept": accept})
    assert (page.status_code, refused(page), page["Content-Type"]) == (429, "too-many", kind)
    assert 0 < int(page["Retry-After"]) <= 301
    if "json" in kind:
        assert page.json()["code"] == "too-many"


def test_a_known_browser_has_a_limit_of_its_own(ada: User) -> None:
    mine = Browser()
    mine.sign_in()
    mine.enter(code())
    mine.get("/account/")
    mine.post("/account/sign-out/")
    for number in range(10):
        mine.client.defaults["REMOTE_ADDR"] = f"192.0.2.{number}"
        mine.sign_in(password="wrong")
    mine.client.defaults["REMOTE_ADDR"] = "198.51.100.1"
    assert mine.sign_in().status_code == 429


@pytest.mark.parametrize("forged", ["x", "e30:1:x", "x" * 2000])
def test_a_forged_browser_mark_is_none(ada: User, forged: str) -> None:
    for number in range(10):
        Browser(REMOTE_ADDR=f"192.0.2.{number}").sign_in(password="wrong")
    browser = Browser(REMOTE_ADDR="198.51.100.1")
    browser.client.cookies[cookie_name(BROWSER)] = forged
    assert browser.sign_in().status_code == 429


def test_a_mark_for_one_person_is_none_for_another(ada: User) -> None:
    make_person("bob", factors=0)
    browser = Browser()
    browser.sign_in("bob")
    browser.get("/account/")
    browser.post("/account/sign-out/")
    for number in range(10):
        Browser(REMOTE_ADDR=f"192.0.2.{number}").sign_in(password="wrong")
    browser.client.defaults["REMOTE_ADDR"] = "198.51.100.1"
    browser.get("/account/sign-in/")
    assert browser.post("/account/sign-in/", {"username": "ada", "password": PASSWORD}).status_code == 429
