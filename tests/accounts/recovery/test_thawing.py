from __future__ import annotations

from functools import partial

import pytest
from tests.accounts.conftest import Browser, Clock, at_once, code, mailed, make_person, refused, signed_in
from tests.accounts.recovery.conftest import (
    addresses,
    ask,
    begin,
    give_token,
    last_link,
    live_tokens,
    share,
    told,
    vouch,
)
from tests.accounts.test_recovering import ANEW, go_through

from keyhouse.accounts import freezing, holds, services
from keyhouse.accounts.cookies import NEWCOMER, cookie_name
from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.models import (
    Authenticator,
    Email,
    Hold,
    RecoveryCase,
    RecoveryCodeSet,
    Session,
    User,
)
from keyhouse.accounts.recovery import thawing
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import actor_of
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail
from keyhouse.projects.models import Project

pytestmark = pytest.mark.django_db
THIEFS = b"09876543210987654321"


def freeze(user: User, time: Clock) -> None:
    time.go(minutes=1)
    freezing.freeze_own(user, by=actor_of(signed_in(user)[0]), now=clock.now())
    user.refresh_from_db()
    time.go(minutes=1)


def state_of(user: User) -> str:
    return User.objects.get(pk=user.pk).state


def enter_password(browser: Browser, path: str) -> None:
    assert browser.get(path)["Location"] == path + "password/"
    browser.get(path + "password/")
    page = browser.post(path + "password/", {"password": ANEW})
    assert page["Location"] == path + "factor/", browser.text
    browser.get(path + "factor/")


def test_a_frozen_account_comes_back_by_mail_a_new_password_and_its_factor(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    share(alpha, make_person("bob"))
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    assert (state_of(ada), compare_password(ANEW, User.objects.get(pk=ada.pk).password).is_right) == (
        "frozen",
        False,
    )
    assert browser.post(path + "factor/", {"code": code()})["Location"] == "/account/sign-in/"
    user = User.objects.get(pk=ada.pk)
    assert (user.state, user.held_until) == ("active", clock.now() + holds.SHORT)
    assert Hold.objects.get(user=ada).reason == "recovery"
    assert compare_password(ANEW, user.password).is_right
    assert not Session.objects.filter(user=ada).exists()  # nobody is signed in by it
    assert set(told("account.thawed")) == addresses(["ada", "bob"])
    assert Record.objects.filter(action="account.thaw", outcome="done", account_id=ada.pk).count() == 1
    assert refused(Browser().get(path)) == "link-used"
    time.go(minutes=1)
    owner = Browser().be_known(ada)
    owner.sign_in(password=ANEW)
    owner.enter(code())
    assert refused(owner.get("/manage/project/alpha/")) == "account-held"
    time.go(hours=24)
    assert signed_in(User.objects.get(pk=ada.pk))[1].get("/manage/project/alpha/").status_code == 200


def test_r6_tokens_of_the_week_before_the_freeze_do_not_wake_with_the_account(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    give_token(ada, "old")
    time.go(days=10)
    give_token(ada, "late")
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    browser.post(path + "factor/", {"code": "000000"})
    assert live_tokens(ada) == {"old", "late"}
    browser.post(path + "factor/", {"code": code()})
    assert live_tokens(ada) == {"old"}


def test_a_recovery_code_or_a_wrong_code_opens_nothing(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    codes = new_codes()
    give_recovery_codes(ada, codes, by=host())
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    mails = Mail.objects.count()
    for typed in (shown_code(codes[0]), "000000", code(-40)):
        assert refused(browser.post(path + "factor/", {"code": typed})) in {"code-wrong", "clock-off"}
    assert state_of(ada) == "frozen"
    assert Mail.objects.count() == mails
    assert Record.objects.filter(action="account.thaw", outcome="refused").count() == 3
    for _ in range(3):
        browser.post(path + "factor/", {"code": "000000"})
    assert browser.page.status_code == 429


def test_no_step_is_skipped_and_no_other_browser_goes_on(ada: User, browser: Browser, time: Clock) -> None:
    freeze(ada, time)
    path = ask(browser)
    assert browser.get(path + "factor/")["Location"] == path + "password/"
    browser.get(path + "password/")
    assert refused(browser.post(path + "factor/", {"code": code()})) == ""
    assert state_of(ada) == "frozen"
    enter_password(browser, path)
    thief = Browser()
    assert refused(thief.get(path + "factor/")) == "link-in-use"
    thief.get("/account/sign-in/")
    assert refused(thief.post(path + "factor/", {"code": code()})) == "link-in-use"
    assert state_of(ada) == "frozen"


def test_an_account_that_is_open_is_not_thawed(ada: User, browser: Browser) -> None:
    path = ask(browser)
    for step in ("password/", "factor/"):
        assert refused(browser.get(path + step)) == "thaw-refused"


def test_an_address_that_was_verified_since_the_freeze_gets_no_link(
    ada: User, browser: Browser, time: Clock
) -> None:
    freeze(ada, time)
    services.add_email(ada, "thief@example.org", by=host(), is_primary=False, verified_by="link")
    Email.objects.filter(address="ada@example.org").update(verified_at=None)
    browser.get("/account/recover/")
    for typed in ("ada", "thief@example.org"):
        browser.post("/account/recover/", {"identifier": typed})
        browser.page = None
    assert not told("recovery.asked")


def test_what_a_thief_added_lately_opens_no_frozen_account_and_goes_when_its_owner_does(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    """Somebody in the account adds an address, an app, and codes of their own before the owner freezes it."""
    del alpha
    time.go(days=30)
    enrol_authenticator(ada, THIEFS, by=host(), name="spare")
    give_recovery_codes(ada, new_codes(), by=host())
    services.add_email(ada, "thief@example.org", by=host(), is_primary=False, verified_by="link")
    time.go(days=6)
    freeze(ada, time)
    path = ask(browser, "thief@example.org")
    assert set(told("recovery.asked")) == addresses(["ada"])
    enter_password(browser, path)
    assert (
        "added shortly before"
        in (browser.post(path + "factor/", {"code": code(secret=THIEFS)}), browser.text)[1]
    )
    assert (state_of(ada), Authenticator.objects.filter(user=ada).count()) == ("frozen", 2)
    assert Record.objects.filter(action="account.thaw", outcome="refused").count() == 1
    assert browser.post(path + "factor/", {"code": code()})["Location"] == "/account/sign-in/"
    assert state_of(ada) == "active"
    assert Authenticator.objects.get(user=ada).name == "app 0"
    assert not RecoveryCodeSet.objects.filter(user=ada).exists()
    assert "are ended" in mailed("account.thawed")[0]


def test_a_factor_that_was_there_for_long_stays(ada: User, browser: Browser, time: Clock) -> None:
    time.go(days=30)
    enrol_authenticator(ada, THIEFS, by=host(), name="spare")
    give_recovery_codes(ada, new_codes(), by=host())
    time.go(days=8)
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    browser.post(path + "factor/", {"code": code(secret=THIEFS)})
    assert (state_of(ada), Authenticator.objects.filter(user=ada).count()) == ("active", 2)
    assert RecoveryCodeSet.objects.filter(user=ada).exists()


def test_a_weak_password_is_refused_and_nothing_is_kept(ada: User, browser: Browser, time: Clock) -> None:
    freeze(ada, time)
    path = ask(browser)
    browser.get(path + "password/")
    assert refused(browser.post(path + "password/", {"password": "password"})) != ""
    assert browser.get(path + "factor/")["Location"] == path + "password/"


def test_freezing_stops_a_case_and_the_link_of_a_later_notice_stops_the_next(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    bob = make_person("bob")
    share(alpha, bob)
    case = begin(browser)
    vouch(bob, case)
    path = last_link("recovery.link", "enrolment")
    time.go(minutes=1)
    owner = Browser()
    stop = last_link("recovery.opened", "not-me")
    owner.get(stop)
    owner.post(stop)
    assert (state_of(ada), RecoveryCase.objects.get().state) == ("frozen", "stopped")
    assert refused(browser.get(path)) == "link-unknown"
    time.go(minutes=1)
    thief = Browser()
    path = ask(thief)
    thief.get(path + "?lost=1")
    thief.post(path, {"password": ""})
    second = RecoveryCase.objects.order_by("-pk")[0]
    assert second.state == "open"
    stop = last_link("recovery.opened", "not-me")
    owner.get(stop)
    owner.client.post(stop, {"csrfmiddlewaretoken": ""})
    owner.get("/account/recover/")
    owner.post(stop)
    second.refresh_from_db()
    assert second.state == "stopped"


def test_a_frozen_account_without_factors_comes_back_by_a_case(
    ada: User, alpha: Project, browser: Browser, time: Clock
) -> None:
    bob = make_person("bob")
    share(alpha, bob)
    freeze(ada, time)
    path = ask(browser)
    browser.get(path + "?lost=1")
    browser.post(path, {"password": ""})
    vouch(bob, RecoveryCase.objects.get())
    time.go(hours=24)
    go_through(browser, last_link("recovery.link", "enrolment"))
    assert state_of(ada) == "active"
    assert Hold.objects.filter(user=ada, ended_at=None).count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_one_opens_the_account(ada: User, browser: Browser, time: Clock) -> None:
    freeze(ada, time)
    path = ask(browser)
    enter_password(browser, path)
    held = browser.client.cookies[cookie_name(NEWCOMER)].value
    secret = path.split("/")[2]
    act = partial(thawing.thaw_by_code, secret, held, code(), Visitor("192.0.2.1"), clock.now())
    done = at_once([act, act, act])
    assert sum(isinstance(one, Refusal) for one in done) == 2
    assert state_of(ada) == "active"
