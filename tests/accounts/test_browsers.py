from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core import signing
from tests.accounts.conftest import (
    Browser,
    Clock,
    code,
    make_person,
    refused,
    signed_in,
)
from tests.accounts.second_factors.soft_key import SoftKey
from tests.accounts.second_factors.test_security_keys import FACTOR as KEY_FACTOR
from tests.accounts.second_factors.test_security_keys import PASSKEY, answer, at_second_factor, enrolled
from tests.accounts.test_newcomers import go_through, setup

from keyhouse.accounts import browsers
from keyhouse.accounts.cookies import BROWSER, cookie_name
from keyhouse.accounts.forgetting import forget_old
from keyhouse.accounts.models import KnownBrowser, Session, User
from keyhouse.accounts.recovering import make_enrolment_link
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import digest_of
from keyhouse.accounts.visitor import SALT, Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host

pytestmark = pytest.mark.django_db

LIST = "/account/sessions/"
FORGET = "/account/browsers/forget/"
How = KnownBrowser.How


def kept(browser: Browser) -> dict[str, str]:
    morsel = browser.client.cookies.get(cookie_name(BROWSER))
    read: dict[str, str] = signing.loads(morsel.value, salt=SALT) if morsel and morsel.value else {}
    return read


def sign_in_whole(browser: Browser) -> Any:
    browser.sign_in()
    return browser.enter(code())


def leave(browser: Browser) -> None:
    browser.get("/account/")
    browser.post("/account/sign-out/")


def hows() -> list[str]:
    return list(KnownBrowser.objects.order_by("pk").values_list("how", flat=True))


def test_a_completed_sign_in_makes_a_browser_known(ada: User, browser: Browser) -> None:
    browser.client.defaults["HTTP_USER_AGENT"] = "Mozilla/5.0 (X11; Linux) Firefox/128.0"
    browser.sign_in()
    assert (kept(browser), hows()) == ({}, []), "a right password makes nothing known"
    browser.enter(code())
    row = KnownBrowser.objects.get()
    assert (row.user, row.how, row.known_at, row.network) == (ada, How.FIRST, clock.now(), "127.0.0.1")
    known = kept(browser)[str(ada.pk)]
    assert row.digest == digest_of(known)
    assert known not in str(list(KnownBrowser.objects.values())), "the database holds nothing to show"


def test_the_same_browser_stays_one(ada: User, browser: Browser, time: Clock) -> None:
    sign_in_whole(browser)
    before, known = KnownBrowser.objects.get(), kept(browser)
    leave(browser)
    time.go(minutes=1)
    sign_in_whole(browser)
    row = KnownBrowser.objects.get()
    assert (row.pk, row.first_seen_at, row.last_seen_at) == (before.pk, before.first_seen_at, clock.now())
    assert kept(browser) == known


def test_set_up_and_enrolment_links_make_their_browser_known(browser: Browser) -> None:
    go_through(browser, setup())
    assert hows() == [How.LINK]
    ada = User.objects.get()
    assert ada.first_browser_at == clock.now()
    path = make_enrolment_link(ada, by=host())
    other = Browser()
    go_through(other, path)
    assert hows() == [How.LINK], "those from before are forgotten with the factors"
    assert browsers.is_known(ada.pk, Visitor(browsers=kept(other)), clock.now())
    assert not browsers.is_known(ada.pk, Visitor(browsers=kept(browser)), clock.now())


def test_keys_make_a_browser_known(ada: User) -> None:
    key, _ = enrolled(ada)
    assert hows() == [], "a session that was given is no sign-in"
    assert answer(Browser(), PASSKEY, key).status_code == 200
    assert answer(at_second_factor(Browser()), KEY_FACTOR, key).status_code == 200
    assert hows() == [How.KEY, How.KEY]


def test_what_a_password_made_known_counts_until_there_is_a_factor(browser: Browser) -> None:
    ada = make_person(factors=0)
    browser.sign_in()
    assert hows() == [How.PASSWORD]
    visitor = Visitor(browsers=kept(browser))
    assert browsers.is_known(ada.pk, visitor, clock.now())
    assert User.objects.get().first_browser_at is None
    enrol_authenticator(ada, b"12345678901234567890", by=host())
    assert not browsers.is_known(ada.pk, visitor, clock.now())
    leave(browser)
    sign_in_whole(browser)
    assert hows() == [How.FIRST]
    assert kept(browser)[str(ada.pk)] not in visitor.browsers.values(), "and it has a new id"


def test_a_forgotten_browser_is_unknown_and_loses_its_bucket(
    ada: User, browser: Browser, time: Clock
) -> None:
    sign_in_whole(browser)
    visitor = Visitor(browsers=kept(browser))
    assert visitor.subject(ada.pk).startswith("browser:")
    row = KnownBrowser.objects.get()
    browser.get(LIST)
    assert browser.post(FORGET, {"browser": str(row.pk)}).status_code == 303
    assert not browsers.is_known(ada.pk, visitor, clock.now())
    assert visitor.subject(ada.pk) == f"account:{ada.pk}"
    record = Record.objects.get(action="browser.forget")
    assert (record.about_id, record.account_id) == (str(row.pk), ada.pk)
    page = browser.post(FORGET, {"browser": str(row.pk)})
    assert (page.status_code, refused(page)) == (404, "browser-missing")
    leave(browser)
    for number in range(10):
        Browser(REMOTE_ADDR=f"192.0.2.{number}").sign_in(password="wrong")
    assert browser.sign_in().status_code == 429, "it is one of the strangers now"


def test_all_browsers_are_forgotten_at_once_and_sessions_go_on(ada: User, browser: Browser) -> None:
    sign_in_whole(browser)
    KnownBrowser.objects.create(
        user=ada,
        digest="x",
        how=How.MAIL,
        known_at=clock.now(),
        first_seen_at=clock.now(),
        last_seen_at=clock.now(),
    )
    theirs = make_person("bob")
    browsers.add(theirs.pk, Visitor(), How.MAIL, known_at=clock.now(), now=clock.now())
    browser.get(LIST)
    browser.post(FORGET, {"which": "all"})
    assert KnownBrowser.objects.get().user == theirs
    assert Record.objects.get(action="browser.forget").details == {"forgotten": 2}
    assert browser.get(LIST).status_code == 200
    assert "None. Your next sign-in takes a confirmation" in browser.text


def test_whoever_forgets_browsers_trusts_no_first_one(browser: Browser) -> None:
    ada = make_person(factors=0)
    browser.sign_in()
    browser.get(LIST)
    browser.post(FORGET, {"which": "all"})
    ada.refresh_from_db()
    assert ada.first_browser_at == clock.now()


@pytest.mark.parametrize("typed", ["", "0", "x", "-1", "\u0661", "9" * 18, "9" * 400, "\x00", "1 or 1=1"])
def test_what_is_no_browser_of_ones_own_cannot_be_forgotten(ada: User, typed: str) -> None:
    bob = make_person("bob")
    row = browsers.add(bob.pk, Visitor(), How.MAIL, known_at=clock.now(), now=clock.now())
    _, mine = signed_in(ada)
    mine.get(LIST)
    for value in (typed, str(row.pk)):
        page = mine.post(FORGET, {"browser": value})
        assert (page.status_code, refused(page)) == (404, "browser-missing")
    assert KnownBrowser.objects.count() == 1
    assert not Record.objects.filter(action="browser.forget", outcome="done").exists()


def test_a_browser_is_forgotten_by_itself_after_a_year(ada: User, browser: Browser, time: Clock) -> None:
    sign_in_whole(browser)
    visitor = Visitor(browsers=kept(browser))
    time.go(days=365)
    assert not browsers.is_known(ada.pk, visitor, clock.now())
    assert forget_old(clock.now())["browsers"] == 1
    assert not KnownBrowser.objects.exists()


def test_an_account_knows_a_bounded_number_of_browsers(ada: User) -> None:
    start = clock.now()
    for number in range(browsers.MOST + 3):
        at = start + timedelta(minutes=number)
        assert browsers.remember(ada.pk, Visitor(network=str(number)), How.MAIL, now=at)
    left = [int(row.network) for row in browsers.browsers_of(ada.pk, start)]
    assert left == list(range(browsers.MOST + 2, 2, -1))


@pytest.mark.parametrize("value", ["", "x", "\x00", "a:b:c", "x" * 5000])
def test_a_forged_cookie_is_no_cookie(ada: User, browser: Browser, value: str) -> None:
    browser.client.cookies[cookie_name(BROWSER)] = value
    assert browser.sign_in().status_code == 303
    assert browser.enter(code()).status_code == 303
    assert hows() == [How.FIRST]


def test_an_id_of_a_former_version_without_a_row_counts_for_nothing(ada: User, browser: Browser) -> None:
    browser.client.cookies[cookie_name(BROWSER)] = signing.dumps({str(ada.pk): "old"}, salt=SALT)
    assert not browsers.is_known(ada.pk, Visitor(browsers={str(ada.pk): "old"}), clock.now())
    sign_in_whole(browser)
    assert kept(browser)[str(ada.pk)] != "old"


def test_an_id_of_somebody_else_names_nobody(ada: User) -> None:
    bob = make_person("bob")
    visitor = Visitor()
    browsers.remember(bob.pk, visitor, How.MAIL, now=clock.now())
    assert not browsers.is_known(ada.pk, Visitor(browsers={str(ada.pk): visitor.fresh_id}), clock.now())


# ---- the page


def test_the_page_tells_device_network_strength_and_both_ends(ada: User, time: Clock) -> None:
    session, browser = signed_in(ada)
    Session.objects.update(user_agent="Mozilla/5.0 (Windows NT 10.0) Gecko/20100101 Firefox/128.0")
    time.go(minutes=20)
    Session.objects.update(last_seen_at=clock.now())
    browser.get(LIST)
    for shown in (
        "Firefox on Windows",
        "192.0.2.9",
        "password, authenticator app",
        "20 minutes ago",
        "this one",
        "2024-05-06 07:08 UTC",  # begun
        "2024-05-07 07:08 UTC",  # ends in any case
        "2024-05-06 08:28 UTC",  # ends unused
        "You are signed in nowhere else",
    ):
        assert shown in browser.text, shown
    assert session.digest not in browser.text


def test_a_key_is_told_with_what_it_said(ada: User) -> None:
    _, browser = enrolled(ada)
    browser.get(LIST)
    assert "security key" in browser.text
    assert "bound to its device, verified you" in browser.text


def test_no_user_agent_breaks_out_of_the_page(ada: User) -> None:
    _, browser = signed_in(ada)
    Session.objects.update(user_agent='"><script>alert(1)</script>')
    browser.get(LIST)
    assert b"<script>alert" not in browser.page.content


def test_all_sessions_end_also_the_one_that_asks(ada: User) -> None:
    theirs, _ = signed_in(make_person("bob"))
    _, elsewhere = signed_in(ada)
    _, browser = signed_in(ada)
    browser.get(LIST)
    page = browser.post(LIST, {"which": "all"})
    assert (page.status_code, page["Location"]) == (303, "/account/sign-in/")
    assert browser.cookie == ""
    assert elsewhere.get(LIST).status_code == 302
    assert Session.objects.get() == theirs
    assert Record.objects.get(action="session.revoke").details == {"ended": 2}


def test_ending_the_present_session_is_signing_out(ada: User) -> None:
    session, browser = signed_in(ada)
    browser.get(LIST)
    assert browser.post(LIST, {"session": session.public_id})["Location"] == "/account/sign-in/"
    assert not Session.objects.exists()


@pytest.mark.parametrize("path", [LIST, FORGET])
def test_forms_of_other_sites_end_nothing(ada: User, path: str) -> None:
    _, browser = signed_in(ada)
    assert browser.client.post(path, {"which": "all"}).status_code == 403
    assert Session.objects.exists()


# ---- a new id at every proof


def test_a_new_id_at_every_proof(ada: User, time: Clock) -> None:
    """Whatever somebody planted or saw before a proof is worth nothing after it, by whichever door the proof came."""
    key, browser = enrolled(ada)
    seen = [browser.cookie]

    def is_new() -> None:
        assert browser.cookie not in seen
        stale = Browser()
        stale.carry(seen[-1])
        assert stale.get("/account/")["Location"].startswith("/account/sign-in/")
        seen.append(browser.cookie)

    time.go(minutes=16)
    assert answer(browser, "/account/step-up/security-key/", key).status_code == 200
    is_new()
    time.go(minutes=16)
    browser.get("/account/step-up/app/")
    assert browser.post("/account/step-up/app/", {"code": code()}).status_code == 303
    is_new()
    assert answer(browser, "/account/step-up/security-key/", key).status_code == 200
    is_new()
    assert answer(browser, "/account/security-keys/add/", SoftKey()).status_code == 200
    is_new()
    leave(browser)
    browser.client.cookies.pop(cookie_name())
    browser.carry("planted")
    seen.append("planted")
    assert answer(browser, PASSKEY, key).status_code == 200
    is_new()
    leave(browser)
    browser.sign_in()
    is_new()
    assert answer(browser, KEY_FACTOR, key).status_code == 200
    is_new()
    leave(browser)
    browser.sign_in()
    is_new()
    time.go(minutes=1)
    assert browser.enter(code()).status_code == 303
    is_new()
