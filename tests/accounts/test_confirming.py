from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.accounts.conftest import (
    PASSWORD,
    SECRET,
    Browser,
    Clock,
    Configure,
    at_once,
    code,
    give_project,
    make_person,
    refused,
    signed_in,
)
from tests.accounts.recovery.test_by_key import lay_key
from tests.accounts.second_factors.test_security_keys import FACTOR, PASSKEY, answer, enrolled
from tests.beside import Beside, answers_of

from keyhouse.accounts import browsers, confirming, holds, services, signing_in
from keyhouse.accounts.cookies import BROWSER, cookie_name
from keyhouse.accounts.errors import ConfirmationElsewhere, SignInExpired
from keyhouse.accounts.freezing import freeze_own
from keyhouse.accounts.models import (
    Authenticator,
    Email,
    Hold,
    KnownBrowser,
    OneTimeLink,
    RecoveryCase,
    Session,
    User,
)
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator
from keyhouse.accounts.sessions import actor_of, prune_sessions
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.delivery import deliver_due
from keyhouse.mail.models import WAITING, Bounce, Mail

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]

HOME = "/account/"
PAGE = "/account/new-browser/"
CODE = "/account/new-browser/code/"
WAIT = "/account/new-browser/wait/"
SESSIONS = "/account/sessions/"
How = KnownBrowser.How


@pytest.fixture
def folder(tmp_path: Path, configure: Configure) -> Path:
    """Let mails go into a folder that somebody reads."""
    configure(mail_dir=tmp_path / "mail")
    return tmp_path / "mail"


@pytest.fixture
def here(ada: User) -> User:
    """Return somebody who signs in with another browser than this usually."""
    browsers.remember(ada.pk, Visitor(), How.LINK, now=clock.now())
    give_recovery_codes(ada, CODES, by=host())
    return ada


CODES = new_codes()


def deliver(folder: Path) -> list[EmailMessage]:
    """Deliver what is due, and return all mails so far."""
    deliver_due(clock.now())
    return [
        message_from_bytes(path.read_bytes(), policy=policy.default) for path in sorted(folder.glob("*.eml"))
    ]


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part
    return str(part.get_content()).replace("\r\n", "\n")


def link_in(message: EmailMessage) -> str:
    found = re.search(r"^http://\S+?(/confirm-sign-in/\S+/)$", text_of(message), re.MULTILINE)
    assert found, text_of(message)
    return found[1]


def arrive(**extra: Any) -> Browser:
    """Prove password and app in a browser that the account doesn't know."""
    browser = Browser(**extra)
    browser.sign_in()
    page = browser.enter(code())
    assert (page.status_code, page["Location"]) == (303, PAGE)
    return browser


def shown_code(browser: Browser, path: str = PAGE) -> str:
    browser.get(path)
    found = re.search(r'class="code secret"[^>]*>([^<]+)<', browser.text)
    assert found, browser.text
    return found[1]


def is_out(browser: Browser) -> bool:
    return bool(browser.client.get(HOME, headers={"accept": "text/html"}).status_code == 302)


def confirmed(browser: Browser, path: str) -> Any:
    browser.get(path)
    return browser.post(path)


# ---- the way through


def test_a_mailed_link_lets_the_browser_in_that_began(here: User, folder: Path) -> None:
    browser = arrive(HTTP_USER_AGENT="Mozilla/5.0 (X11; Linux) Firefox/128.0")
    assert is_out(browser)
    (mail,) = deliver(folder)
    assert mail["To"] == "ada@example.org"
    assert shown_code(browser) in text_of(mail)
    for told in ("Firefox on Linux", "127.0.0.1", "2024-05-06T07:08:09Z", "check phrase", "This was not me"):
        assert told in text_of(mail), told
    path, before = link_in(mail), browser.cookie
    page = confirmed(browser, path)
    assert (page.status_code, page["Location"]) == (303, HOME)
    assert browser.cookie != before
    assert not is_out(browser)
    session = Session.objects.get()
    assert (session.methods, session.is_complete, session.confirm_until) == (["password", "totp"], True, None)
    row = KnownBrowser.objects.latest("pk")
    assert (row.user, row.how) == (here, How.MAIL)
    record = Record.objects.latest("id")
    assert (record.action, record.details, record.methods) == (
        "session.confirm",
        {"by": "mail"},
        ["password", "totp"],
    )
    assert not Hold.objects.exists()


def test_the_next_sign_in_with_that_browser_asks_nothing(here: User, folder: Path, time: Clock) -> None:
    browser = arrive()
    confirmed(browser, link_in(deliver(folder)[0]))
    browser.get(HOME)
    browser.post("/account/sign-out/")
    time.go(minutes=1)
    browser.sign_in()
    assert browser.enter(code())["Location"] == HOME
    subjects = [mail["Subject"] for mail in deliver(folder)]
    assert subjects == ["Confirm your sign-in", "A new browser signed in to your account"]


def test_a_new_browser_is_told_to_every_verified_address(ada: User, folder: Path, browser: Browser) -> None:
    services.add_email(ada, "second@example.org", by=host(), is_primary=False, verified_by="link")
    services.add_email(ada, "unproven@example.org", by=host(), is_primary=False)
    browser.sign_in()
    assert browser.enter(code())["Location"] == HOME, "the first one is taken on trust"
    mails = deliver(folder)
    assert sorted(mail["To"] for mail in mails) == ["ada@example.org", "second@example.org"]
    assert all("127.0.0.1" in text_of(mail) and "This was not me" in text_of(mail) for mail in mails)


def test_until_then_the_session_may_do_nothing_else(here: User, folder: Path) -> None:
    browser = arrive()
    assert Record.objects.filter(action="session.start").latest("id").details == {
        "by": "totp",
        "waits_for": "confirmation",
    }
    for path in (HOME, SESSIONS, "/account/second-factors/add/", "/account/step-up/", "/account/tokens/new/"):
        page = browser.get(path)
        assert page.status_code == 302, path
        assert page["Location"].startswith("/account/sign-in/"), path
    assert browser.get("/account/second-factor/")["Location"] == PAGE
    session = Session.objects.get()
    with pytest.raises(SignInExpired):
        signing_in.finish_by_code(session, code(1), Visitor(), clock.now())
    assert not KnownBrowser.objects.filter(how=How.FIRST).exists()
    here.refresh_from_db()
    assert here.last_seen_at is None


def test_the_way_on_is_kept_by_the_page(here: User, folder: Path) -> None:
    browser = Browser()
    browser.sign_in(next="/account/tokens/")
    page = browser.post("/account/second-factor/", {"code": code(), "next": "/account/tokens/"})
    assert page["Location"] == f"{PAGE}?next=%2Faccount%2Ftokens%2F"
    browser.get(page["Location"])
    assert "?next=%2Faccount%2Ftokens%2F" in browser.text
    confirmed(browser, link_in(deliver(folder)[0]))
    assert browser.get(f"{PAGE}?next=/account/tokens/")["Location"] == "/account/tokens/"
    assert browser.get(f"{PAGE}?next=//evil.example/")["Location"] == HOME


def test_what_a_proven_factor_ends_is_ended_once_it_is_confirmed(
    here: User, folder: Path, time: Clock
) -> None:
    give_project(here)
    thief = Browser()
    thief.get("/account/recover/")
    thief.post("/account/recover/", {"identifier": "ada"})
    path = re.search(r"^http://\S+?(/recovery/\S+/)$", text_of(deliver(folder)[-1]), re.MULTILINE)
    assert path
    thief.get(path[1])
    thief.post(path[1], {"password": PASSWORD})
    until = clock.now() + timedelta(hours=24)
    holds.place_hold(here, Hold.Reason.RECOVERY_CODE, now=clock.now(), until=until)
    case = RecoveryCase.objects.get()
    assert case.basis == "mail and password"
    enrolled_before = clock.now() - timedelta(days=1)
    Authenticator.objects.update(created_at=enrolled_before)
    time.go(minutes=1)
    browser = arrive()
    case.refresh_from_db()
    assert case.state == "open"
    confirmed(
        browser, link_in(next(mail for mail in deliver(folder) if mail["Subject"] == "Confirm your sign-in"))
    )
    case.refresh_from_db()
    assert case.state == "stopped"
    assert not Hold.objects.filter(ended_at=None).exists()
    assert Session.objects.get().data.keys() <= {"browser"}


def test_a_recovery_code_needs_it_too(here: User, folder: Path) -> None:
    browser = Browser()
    browser.sign_in()
    browser.get("/account/second-factor/recovery-code/")
    page = browser.post("/account/second-factor/recovery-code/", {"recovery_code": CODES[0]})
    assert page["Location"] == PAGE
    assert is_out(browser)
    page = confirmed(browser, link_in(deliver(folder)[-1]))
    assert page["Location"] == "/account/second-factors/"
    assert Session.objects.get().methods == ["password", "recovery_code"]


def test_so_does_a_password_alone(folder: Path) -> None:
    ada = make_person(factors=0)
    first = Browser()
    assert first.sign_in()["Location"] == "/account/second-factors/"
    browser = Browser()
    assert browser.sign_in()["Location"] == PAGE
    assert is_out(browser)
    assert confirmed(browser, link_in(deliver(folder)[-1]))["Location"] == "/account/second-factors/"
    assert set(KnownBrowser.objects.values_list("how", flat=True)) == {How.PASSWORD, How.MAIL}
    assert ada


def test_keys_and_passkeys_need_none(here: User, folder: Path) -> None:
    key, _ = enrolled(here)
    assert answer(Browser(), PASSKEY, key).status_code == 200
    browser = Browser()
    browser.sign_in()
    assert answer(browser, FACTOR, key).status_code == 200
    assert not is_out(browser)
    assert not OneTimeLink.objects.filter(purpose="confirm-sign-in").exists()
    waiting = arrive()
    assert "With your security key no confirmation is needed" in (waiting.get(PAGE) and waiting.text)


def test_the_first_browser_of_an_account_is_taken_on_trust_once(ada: User, folder: Path, time: Clock) -> None:
    first = Browser()
    first.sign_in()
    assert first.enter(code())["Location"] == HOME
    time.go(minutes=1)
    arrive()


@pytest.mark.django_db(transaction=True)
def test_of_two_first_browsers_at_once_one_is_trusted(configure: Configure) -> None:
    configure(rate_limits="off")
    ada = make_person(factors=2)
    codes = [code(), code(secret=bytes([*SECRET[:-1], SECRET[-1] + 1]))]
    found = [Browser() for _ in codes]
    for one in found:
        one.sign_in()
    rows = list(Session.objects.select_related("user").order_by("pk"))
    acts = [
        partial(signing_in.finish_by_code, row, typed, Visitor(), clock.now())
        for row, typed in zip(rows, codes, strict=True)
    ]
    ended = at_once(acts)
    assert sorted(one.needs_confirmation for one in ended if isinstance(one, signing_in.SignedIn)) == [
        False,
        True,
    ]
    assert KnownBrowser.objects.get().user == ada


# ---- links


def test_fetching_the_link_does_nothing(here: User, folder: Path) -> None:
    """A mail scanner opens every link, and so does a reader that looks ahead."""
    browser = arrive()
    path = link_in(deliver(folder)[0])
    for method in ("get", "head", "options"):
        getattr(Browser().client, method)(path)
        getattr(browser.client, method)(path)
    assert is_out(browser)
    assert OneTimeLink.objects.get(purpose="confirm-sign-in").used_at is None
    assert not Record.objects.filter(action="session.confirm").exists()


@pytest.mark.parametrize("kind", ["nobody", "waiting", "herself", "somebody else"])
def test_in_any_other_browser_the_link_does_nothing_and_says_so(here: User, folder: Path, kind: str) -> None:
    browser = arrive()
    path = link_in(deliver(folder)[0])
    other = Browser()
    if kind == "waiting":
        other.sign_in()
    elif kind == "herself":
        _, other = signed_in(here)
    elif kind == "somebody else":
        _, other = signed_in(make_person("bob"))
    page = other.get(path)
    assert (page.status_code, refused(page)) == (409, "confirmation-elsewhere")
    assert "nothing was done here" in other.text
    other.get("/" if kind in {"herself", "somebody else"} else "/account/sign-in/")
    assert refused(other.post(path)) == "confirmation-elsewhere"
    with pytest.raises(ConfirmationElsewhere):
        confirming.confirm(path.split("/")[2], None, Visitor(), clock.now())
    assert is_out(browser)
    assert not Record.objects.filter(action="session.confirm").exists()
    assert confirmed(browser, path).status_code == 303, "and it still works where it belongs"


def test_a_link_of_another_sign_in_of_the_same_person_does_nothing(
    here: User, folder: Path, time: Clock
) -> None:
    first = arrive()
    path = link_in(deliver(folder)[0])
    time.go(minutes=1)
    second = arrive()
    assert refused(second.get(path)) == "confirmation-elsewhere"
    assert shown_code(first) != shown_code(second)


def test_it_works_once_and_a_second_click_is_no_mistake(here: User, folder: Path) -> None:
    browser = arrive()
    path = link_in(deliver(folder)[0])
    confirmed(browser, path)
    assert browser.get(path)["Location"] == HOME
    page = Browser().get(path)
    assert (page.status_code, refused(page)) == (410, "link-used")


def test_fifteen_minutes_count_from_when_the_mail_left(here: User, folder: Path, time: Clock) -> None:
    browser = arrive()
    browser.get(PAGE)
    assert "not sent yet" in browser.text
    time.go(minutes=14)
    path = link_in(deliver(folder)[0])
    browser.get(PAGE)
    assert "not sent yet" not in browser.text
    assert "its link works until" in browser.text
    assert "07:37" in browser.text
    time.go(minutes=14, seconds=59)
    assert browser.get(path).status_code == 200
    time.go(seconds=1)
    assert refused(browser.get(path)) == "link-expired"
    browser.get(PAGE)
    assert "too old by now" in browser.text
    assert refused(browser.post(path)) == "link-expired"
    assert is_out(browser)


def test_it_can_be_sent_again_three_times_in_six_hours(here: User, folder: Path, time: Clock) -> None:
    browser = arrive()
    for _ in range(2):
        browser.get(PAGE)
        assert browser.post(PAGE)["Location"] == PAGE
    browser.get(PAGE)
    page = browser.post(PAGE)
    assert (page.status_code, refused(page)) == (429, "too-many")
    assert int(page["Retry-After"]) > 6 * 3600 - 60
    assert re.search(
        r"Try again after <time [^>]+>[^<]+ UTC</time> .*\(in [56] hours\)", page.content.decode()
    )
    mails = deliver(folder)
    assert len(mails) == 3
    assert len({link_in(mail) for mail in mails}) == 3
    assert {shown_code(browser)} == {
        re.findall(r"^ {4}(\S+)$", text_of(mail), re.MULTILINE)[0] for mail in mails
    }
    time.go(minutes=1)
    other = arrive()
    other.get(PAGE)
    assert "No mail was sent yet" in other.text
    assert len(deliver(folder)) == 3
    assert confirmed(browser, link_in(mails[0])).status_code == 303, "an earlier one works as well"
    assert refused(browser.get(link_in(mails[1]))) == "confirmation-elsewhere"


CHANGES: dict[str, Callable[[User], object]] = {
    "password": lambda user: User.objects.filter(pk=user.pk).update(
        password_changed_at=clock.now() + timedelta(seconds=1)
    ),
    "address": lambda user: services.add_email(
        user, "new@example.org", by=host(), is_primary=False, verified_by="link"
    ),
    "address gone": lambda user: Email.objects.filter(user=user).delete(),
    "factor": lambda user: enrol_authenticator(user, SECRET[::-1], by=host(), name="new"),
    "codes": lambda user: give_recovery_codes(user, new_codes(), by=host()),
    "state": lambda user: User.objects.filter(pk=user.pk).update(state=User.State.PASSWORD_DISABLED),
    "frozen": lambda user: User.objects.filter(pk=user.pk).update(state=User.State.FROZEN),
}


@pytest.mark.parametrize("change", CHANGES)
def test_it_is_dead_after_a_change_of_what_protects_the_account(
    here: User, folder: Path, change: str
) -> None:
    browser = arrive()
    path = link_in(deliver(folder)[0])
    browser.get(path)
    CHANGES[change](here)
    page = browser.post(path)
    assert page.status_code in {400, 401, 403, 409}, refused(page)
    assert not Session.objects.filter(is_complete=True).exists()
    assert is_out(browser)
    assert OneTimeLink.objects.get(purpose="confirm-sign-in").used_at is None


@pytest.mark.parametrize("secret", ["x", "\u00e9", "%00", "a" * 5000, "..%2f..", "%ud800", "%ff"])
def test_what_is_no_link_is_refused_and_breaks_nothing(here: User, folder: Path, secret: str) -> None:
    browser = arrive()
    path = f"/confirm-sign-in/{secret}/"
    assert browser.get(path).status_code in {400, 404}
    browser.get(PAGE)
    assert browser.post(path).status_code in {400, 404}


def test_links_of_other_purposes_confirm_nothing(here: User, folder: Path) -> None:
    browser = arrive()
    deliver(folder)
    others = [path for mail in deliver(folder) for path in re.findall(r"/not-me/(\S+)/", text_of(mail))]
    assert others
    assert refused(browser.get(f"/confirm-sign-in/{others[0]}/")) == "link-unknown"


def test_forms_of_other_sites_confirm_nothing(here: User, folder: Path) -> None:
    browser = arrive()
    path = link_in(deliver(folder)[0])
    for door in (path, PAGE, CODE, WAIT):
        assert browser.client.post(door).status_code == 403
    assert is_out(browser)


def test_nothing_that_opens_anything_is_kept_readable(here: User, folder: Path) -> None:
    browser = arrive()
    secret = link_in(deliver(folder)[0]).split("/")[2]
    kept = str([list(model.objects.values()) for model in (OneTimeLink, Session, KnownBrowser, Mail, Record)])
    assert secret not in kept
    page = browser.get(f"/confirm-sign-in/{secret}/")
    assert page["Cache-Control"] == "no-store"
    assert "a…@example.org" in (browser.get(PAGE) and browser.text)
    assert "ada@example.org" not in browser.text


def test_a_waiting_sign_in_outlives_the_idle_time_and_ends_by_itself(
    here: User, folder: Path, time: Clock
) -> None:
    browser = arrive()
    time.go(minutes=119)
    prune_sessions(clock.now())
    assert browser.get(PAGE).status_code == 200
    time.go(minutes=1)
    assert browser.get(PAGE)["Location"] == "/account/sign-in/"
    assert prune_sessions(clock.now()) == 1


@pytest.mark.parametrize("path", [PAGE, CODE, WAIT])
def test_nobody_who_waits_for_nothing_finds_anything_here(ada: User, path: str) -> None:
    for browser, way in ((Browser(), "/account/sign-in/"), (signed_in(ada)[1], HOME)):
        if path != WAIT:
            assert browser.get(path)["Location"] == way
        browser.get("/account/sign-in/" if way != HOME else HOME)
        assert browser.post(path, {"code": "1", "recovery_code": "\x00"})["Location"] == way


# ---- parallel


@pytest.mark.django_db(transaction=True)
def test_of_many_who_confirm_at_once_one_does(folder: Path) -> None:
    ada = make_person()
    browsers.remember(ada.pk, Visitor(), How.LINK, now=clock.now())
    arrive()
    secret = link_in(deliver(folder)[0]).split("/")[2]
    row = Session.objects.select_related("user").get()
    results = at_once([lambda: confirming.confirm(secret, row, Visitor(), clock.now())] * 4)
    assert sum(not isinstance(one, Refusal) for one in results) == 1
    assert {one.code for one in results if isinstance(one, Refusal)} <= {"sign-in-expired", "link-used"}
    assert Record.objects.filter(action="session.confirm", outcome="done").count() == 1
    assert KnownBrowser.objects.filter(how=How.MAIL).count() == 1


PROCESS = """
import sys, django
django.setup()
from keyhouse.accounts import confirming
from keyhouse.accounts.models import Session
from keyhouse.accounts.visitor import Visitor
from keyhouse.core import clock
row = Session.objects.select_related("user").get(pk=int(sys.argv[1]))
sys.stdin.readline()
try:
    confirming.confirm(sys.argv[2], row, Visitor(), clock.parse_instant(sys.argv[3]))
    print("confirmed")
except Exception as error:
    print(getattr(error, "code", repr(error)))
"""


@pytest.mark.django_db(transaction=True)
def test_of_two_processes_that_confirm_one_sign_in_one_does(folder: Path) -> None:
    ada = make_person()
    browsers.remember(ada.pk, Visitor(), How.LINK, now=clock.now())
    arrive()
    secret = link_in(deliver(folder)[0]).split("/")[2]
    arguments = [str(Session.objects.get().pk), secret, clock.format_instant(clock.now())]
    answers = sorted(answers_of([Beside(PROCESS, *arguments) for _ in range(2)]))
    assert answers[0] == "confirmed"
    assert answers[1] in {"sign-in-expired", "link-used"}
    assert KnownBrowser.objects.filter(how=How.MAIL).count() == 1


# ---- without mail


def by_recovery_code(browser: Browser, typed: str) -> Any:
    browser.get(CODE)
    return browser.post(CODE, {"recovery_code": typed})


def unmailed(how: str, user: User, configure: Configure, folder: Path) -> None:
    """Bring about one of the states in which no mail arrives."""
    if how == "off":
        configure(mail_dir=None)
    elif how == "unverified":
        Email.objects.filter(user=user).update(verified_at=None)
    elif how == "none":
        Email.objects.filter(user=user).delete()
    elif how == "bounced":
        Bounce.objects.create(address="ada@example.org", kind="permanent", at=clock.now(), source="smtp")
    else:
        now = clock.now()
        Mail.objects.create(
            lane="security",
            kind="x",
            address="ada@example.org",
            token="x",
            queued_at=now - timedelta(minutes=20),
            due_at=now + timedelta(hours=1),
            state=WAITING,
        )
    assert folder


UNMAILED = ["off", "unverified", "none", "bounced", "stuck"]


@pytest.mark.parametrize("how", UNMAILED)
def test_without_mail_a_second_kind_of_factor_takes_its_place_and_the_account_is_held(
    here: User, folder: Path, configure: Configure, how: str
) -> None:
    give_project(here)
    unmailed(how, here, configure, folder)
    browser = arrive()
    browser.get(PAGE)
    assert "Use a recovery code as well" in browser.text
    assert ("no mail server yet" in browser.text) == (how == "off")
    page = by_recovery_code(browser, CODES[0])
    assert (page.status_code, page["Location"]) == (303, HOME)
    session = Session.objects.get()
    assert (session.is_complete, session.methods) == (True, ["password", "recovery_code", "totp"])
    hold = Hold.objects.get(reason=Hold.Reason.UNKNOWN_BROWSER)
    assert hold.until == clock.now() + (holds.length_for(here.pk) or timedelta(0))
    assert refused(browser.client.get("/manage/projects/")) == "account-held"
    assert KnownBrowser.objects.latest("pk").how == How.TWO_FACTORS


def test_mails_that_wait_for_somebody_else_open_no_other_way(here: User, folder: Path) -> None:
    """Anybody may bring along an address whose server takes no mail."""
    unmailed("stuck", here, pytest.fail, folder)
    Mail.objects.update(address="thief@example.net")
    browser = arrive()
    assert browser.get(CODE)["Location"] == PAGE
    browser.get(PAGE)
    browser.post(WAIT)
    assert KnownBrowser.objects.get(how=How.WAIT).known_at == clock.now() + browsers.LONG_WAIT


def test_whoever_has_authority_over_nothing_is_not_held(here: User) -> None:
    browser = arrive()
    by_recovery_code(browser, CODES[0])
    assert not is_out(browser)
    assert not Hold.objects.filter(reason=Hold.Reason.UNKNOWN_BROWSER).exists()


def test_a_recovery_code_first_and_the_app_then_are_two_as_well(here: User) -> None:
    browser = Browser()
    browser.sign_in()
    browser.get("/account/second-factor/recovery-code/")
    browser.post("/account/second-factor/recovery-code/", {"recovery_code": CODES[0]})
    browser.get(PAGE)
    assert "Use your authenticator app as well" in browser.text
    browser.get(CODE)
    assert browser.post(CODE, {"code": code()})["Location"] == HOME
    assert Session.objects.get().methods == ["password", "recovery_code", "totp"]


@pytest.mark.parametrize("typed", ["", "x", "\x00", "x" * 100_000, "\U0001f600", "\uff10" * 6])
def test_a_wrong_second_one_lets_nobody_in(here: User, typed: str) -> None:
    browser = arrive()
    page = by_recovery_code(browser, typed)
    assert page.status_code == 400
    assert is_out(browser)
    assert KnownBrowser.objects.count() == 1


def test_guesses_at_it_are_limited(here: User) -> None:
    browser = arrive()
    answers = [by_recovery_code(browser, f"wrong{number}").status_code for number in range(6)]
    assert answers == [400] * 5 + [429]


def test_the_same_kind_twice_is_no_second_one(here: User) -> None:
    browser = arrive()
    session = Session.objects.select_related("user").get()
    with pytest.raises(Refusal, match="confirmed by mail"):
        signing_in.confirm_by_code(session, code(1), Visitor(), clock.now())
    browser.get(CODE)
    assert browser.post(CODE, {"code": code(1)}).status_code == 400
    assert is_out(browser)


def test_where_mails_arrive_nothing_else_takes_their_place(here: User, folder: Path) -> None:
    browser = arrive()
    browser.get(PAGE)
    assert "recovery code as well" not in browser.text
    assert browser.get(CODE)["Location"] == PAGE
    browser.get(PAGE)
    assert browser.post(CODE, {"recovery_code": CODES[0]})["Location"] == PAGE
    assert is_out(browser)
    assert here.known_browsers.count() == 1


def test_whoever_lost_the_mailbox_waits_for_three_days_of_which_every_address_is_told(
    here: User, folder: Path, time: Clock
) -> None:
    give_project(here)
    services.add_email(here, "second@example.org", by=host(), is_primary=False, verified_by="link")
    browser = arrive()
    assert "Begin the wait of 72 hours" in (browser.get(PAGE) and browser.text)
    assert browser.post(WAIT)["Location"] == PAGE
    told = Mail.objects.filter(kind="browser-waits").values_list("address", flat=True)
    assert set(told) == {"ada@example.org", "second@example.org"}
    for _ in range(2):
        time.go(hours=35, minutes=59)
        browser.sign_in()
        assert browser.enter(code())["Location"] == PAGE
        assert is_out(browser)
    time.go(minutes=3)
    arrive()  # what waits is one browser, and no other
    time.go(minutes=1)
    browser.sign_in()
    assert browser.enter(code())["Location"] == HOME
    assert Hold.objects.get().reason == Hold.Reason.UNKNOWN_BROWSER
    assert refused(browser.client.get("/manage/projects/")) == "account-held"


def test_whoever_reads_the_mail_stops_the_wait_of_a_thief(here: User, folder: Path, time: Clock) -> None:
    thief = arrive()
    thief.get(PAGE)
    thief.post(WAIT)
    _, mine = signed_in(here)
    row = KnownBrowser.objects.get(how=How.WAIT)
    mine.get(SESSIONS)
    mine.post("/account/browsers/forget/", {"browser": str(row.pk)})
    time.go(hours=73)
    thief.sign_in()
    assert thief.enter(code())["Location"] == PAGE
    assert is_out(thief)


def test_an_announced_wait_takes_its_place(here: User, time: Clock) -> None:
    give_project(here)
    browser = arrive()
    browser.get(PAGE)
    assert browser.post(WAIT)["Location"] == PAGE
    browser.get(PAGE)
    assert "This browser may sign in from 2024-05-07 07:08 UTC" in " ".join(
        re.sub("<[^>]+>", "", browser.text).split()
    )
    assert is_out(browser)
    assert Mail.objects.filter(kind="browser-waits", address="ada@example.org").count() == 1
    browser.get(PAGE)
    browser.post(WAIT)
    assert Mail.objects.filter(kind="browser-waits").count() == 1, "twice is once"
    time.go(hours=23, minutes=59)
    browser.sign_in()
    assert browser.enter(code())["Location"] == PAGE
    time.go(minutes=1)
    browser.sign_in()
    assert browser.enter(code())["Location"] == HOME
    hold = Hold.objects.get()
    assert (hold.reason, hold.placed_at) == (Hold.Reason.UNKNOWN_BROWSER, clock.now())
    assert refused(browser.client.get("/manage/projects/")) == "account-held"
    time.go(hours=80)
    browser.sign_in()
    assert browser.enter(code())["Location"] == HOME
    assert Hold.objects.count() == 1, "it is known from then on"
    assert not is_out(browser)


def test_a_key_in_a_browser_whose_wait_is_over_holds_nothing(here: User, time: Clock) -> None:
    """It would have let somebody in without any wait."""
    give_project(here)
    key = lay_key(here)
    browser = arrive()
    browser.get(PAGE)
    browser.post(WAIT)
    time.go(hours=24)
    browser.sign_in()
    assert answer(browser, FACTOR, key).status_code == 200
    assert not Hold.objects.exists()
    assert not is_out(browser)


def test_a_wait_is_seen_and_refused_by_its_owner(here: User, time: Clock) -> None:
    browser = arrive()
    browser.get(PAGE)
    browser.post(WAIT)
    _, mine = signed_in(here)
    mine.get(SESSIONS)
    assert "Refuse it" in mine.text
    row = KnownBrowser.objects.get(how=How.WAIT)
    assert "asks to be let in" in (mine.get(HOME) and mine.text)
    mine.get(SESSIONS)
    mine.post("/account/browsers/forget/", {"browser": str(row.pk)})
    time.go(hours=25)
    browser.sign_in()
    assert browser.enter(code())["Location"] == PAGE


@pytest.mark.parametrize("change", [name for name in CHANGES if name not in {"state", "frozen"}])
def test_a_wait_is_void_after_a_change_of_what_protects_the_account(
    here: User, time: Clock, change: str
) -> None:
    browser = arrive()
    browser.get(PAGE)
    browser.post(WAIT)
    CHANGES[change](here)
    time.go(hours=25)
    browser.sign_in()
    assert browser.enter(code())["Location"] == PAGE


def test_freezing_forgets_every_browser_and_every_wait(here: User, time: Clock) -> None:
    browser = arrive()
    browser.get(PAGE)
    browser.post(WAIT)
    freeze_own(here, by=actor_of(signed_in(here)[0]), now=clock.now())
    assert not KnownBrowser.objects.exists()
    User.objects.update(state=User.State.ACTIVE)
    time.go(hours=25)
    browser.sign_in()
    assert browser.enter(code())["Location"] == PAGE


def test_a_wait_that_nobody_uses_is_over_after_a_week(here: User, time: Clock) -> None:
    browser = arrive()
    browser.get(PAGE)
    browser.post(WAIT)
    time.go(days=8)
    browser.sign_in()
    assert browser.enter(code())["Location"] == PAGE


def test_few_browsers_wait_at_a_time(here: User, time: Clock) -> None:
    for number in range(4):
        browser = arrive()
        browser.get(PAGE)
        page = browser.post(WAIT)
        assert (page.status_code == 303) is (number < 3)
        time.go(minutes=1)
    assert (page.status_code, refused(page)) == (409, "waits-many")
    assert KnownBrowser.objects.filter(how=How.WAIT).count() == 3


# ---- attack cases


def test_a3_a_session_from_before_enrolment_is_no_way_around(ada: User, folder: Path) -> None:
    """Neither one that is complete nor one that waits outlives the enrolment of a factor elsewhere."""
    give_project(ada)
    _, old = signed_in(ada, "password")
    browsers.remember(ada.pk, Visitor(), How.LINK, now=clock.now())
    waiting = arrive()
    path = link_in(deliver(folder)[0])
    enrolled(ada)
    assert is_out(old)
    assert refused(waiting.get(path)) == "confirmation-elsewhere"
    assert is_out(waiting)


def test_a4_a_known_browser_still_needs_the_factor(ada: User) -> None:
    browser = Browser().be_known(ada)
    assert browser.sign_in()["Location"] == "/account/second-factor/"
    assert is_out(browser)
    session = Session.objects.get()
    assert (session.is_complete, session.methods) == (False, ["password"])
    forged = Browser()
    forged.client.cookies[cookie_name(BROWSER)] = browser.client.cookies[cookie_name(BROWSER)].value
    assert is_out(forged), "the cookie alone opens nothing"


def test_a10_whoever_relays_password_and_code_is_left_at_the_door(here: User, folder: Path) -> None:
    give_project(here)
    relay = arrive(REMOTE_ADDR="198.51.100.66")
    (mail,) = deliver(folder)
    assert "198.51.100.66" in text_of(mail)
    path = link_in(mail)
    _, victims = signed_in(here)
    assert refused(victims.get(path)) == "confirmation-elsewhere", "a victim who clicks lets nobody in"
    victims.get("/")
    assert refused(victims.post(path)) == "confirmation-elsewhere"
    for door in ("/manage/projects/", "/account/tokens/new/", HOME):
        assert refused(relay.client.get(door)) in {"sign-in-required", ""}
    assert is_out(relay)
    assert not Session.objects.filter(network="198.51.100.66", is_complete=True).exists()
    assert not KnownBrowser.objects.filter(network="198.51.100.66").exists()


def test_a_waiting_session_is_no_actor(here: User, folder: Path) -> None:
    arrive()
    session = Session.objects.get()
    assert PASSWORD
    with pytest.raises(Refusal):
        services.forget_browsers(here, by=Visitor().actor, now=clock.now())
    assert actor_of(session).credential == session.public_id
    assert browsers.browsers_of(here.pk, clock.now()).count() == 1
