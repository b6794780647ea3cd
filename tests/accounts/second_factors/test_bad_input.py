"""Codes as nobody types them, and forms in an order in which nobody sends them: refused, and never a defect."""

from __future__ import annotations

from typing import Any

import pytest
from tests.accounts.conftest import Browser, Clock, code, make_person, refused, signed_in

from keyhouse.accounts.limits import LINK
from keyhouse.accounts.models import Attempt, Authenticator, RecoveryCode, RecoveryCodeSet, Session, User
from keyhouse.accounts.second_factors.recovery_codes import rules
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.core import clock
from keyhouse.core.actor import host

pytestmark = pytest.mark.django_db

FACTOR = "/account/second-factor/"
RECOVERY = "/account/second-factor/recovery-code/"
STEP_UP = "/account/step-up/"
ADD = "/account/second-factors/add/"
NEW_CODES = "/account/recovery-codes/new/"
ODD = {
    "nothing": "",
    "spaces": "   \t ",
    "nul": "123\x00456",
    "nul alone": "\x00",
    "a million": "1" * 1_000_000,
    "a million spaces and a code": " " * 1_000_000 + "123456",
    "a million letters": "a" * 1_000_000,
    "arabic digits": "\u0661\u0662\u0663\u0664\u0665\u0666",
    "superscripts": "\u00b9\u00b2\u00b3\u2074\u2075\u2076",
    "minus": "-12345",
    "exponent": "1e5",
    "underscores": "1_2_3_4_5_6",
    "direction": "\u202e123456",
    "zero width": "123\u200b456",
    "combining": "1\u03012\u03013\u03014\u03015\u03016\u0301",
    "a ligature that grows": "\ufdfa" * 60,
    "markup": "<script>alert(1)</script>",
    "sql": "' OR 1=1 --",
    "percent": "%00%31%32",
    "line": "123\r\n456",
}


def odd() -> pytest.MarkDecorator:
    return pytest.mark.parametrize("typed", [pytest.param(text, id=name) for name, text in ODD.items()])


def stays_out(page: Any) -> None:
    """What can't be read is said in the form again, with or without a code, and never taken for a defect."""
    assert page.status_code == 400
    assert refused(page) in {"", "code-wrong", "recovery-code-wrong"}
    assert "X-Refusal" in page.headers or b"<form" in page.content


@odd()
@pytest.mark.parametrize(("path", "field"), [(FACTOR, "code"), (RECOVERY, "recovery_code")])
def test_odd_codes_at_sign_in(ada: User, browser: Browser, path: str, field: str, typed: str) -> None:
    give_recovery_codes(ada, rules.new_codes(), by=host())
    browser.sign_in()
    browser.get(path)
    stays_out(browser.post(path, {field: typed}))
    assert not Session.objects.filter(is_complete=True).exists()
    assert Authenticator.objects.get().last_step == 0
    assert RecoveryCode.objects.filter(used_at=None).count() == 10


@odd()
def test_odd_codes_at_step_up(ada: User, time: Clock, typed: str) -> None:
    session, browser = signed_in(ada, at=clock.now())
    time.go(minutes=16)
    browser.get(STEP_UP)
    stays_out(browser.post(STEP_UP, {"code": typed}))
    proved = session.proved_at
    session.refresh_from_db()
    assert session.proved_at == proved


@odd()
def test_odd_codes_while_enrolling(ada: User, typed: str) -> None:
    _, browser = signed_in(ada)
    browser.get(ADD)
    stays_out(browser.post(ADD, {"code": typed, "name": typed[:64]}))
    assert Authenticator.objects.get().name == "app 0"


@odd()
def test_odd_codes_typed_back(ada: User, typed: str) -> None:
    _, browser = signed_in(ada)
    browser.get("/account/recovery-codes/")
    browser.post("/account/recovery-codes/")
    browser.get(NEW_CODES)
    stays_out(browser.post(NEW_CODES, {"recovery_code": typed}))
    assert not RecoveryCodeSet.objects.exists()


@pytest.mark.parametrize("path", [FACTOR, RECOVERY, STEP_UP, ADD, NEW_CODES, "/account/sign-in/"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"code=%ff%fe%fd&recovery_code=%c3%28&username=%ff&password=%ff", id="not UTF-8"),
        pytest.param(b"code=1&code=2&recovery_code=a&recovery_code=b&username=x&username=y", id="twice"),
        pytest.param(b"code%5B%5D=1&recovery_code%5B%5D=2", id="lists"),
        pytest.param(b"&&&===&;", id="no form"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_bodies_that_are_no_form(ada: User, path: str, body: bytes) -> None:
    for person in (Browser(), signed_in(ada)[1]):
        person.get("/account/sign-in/")
        mark = f"csrfmiddlewaretoken={person.mark()}&".encode()
        page = person.client.post(path, mark + body, "application/x-www-form-urlencoded")
        assert page.status_code < 500
    assert Authenticator.objects.get().last_step == 0
    assert not RecoveryCodeSet.objects.exists()


@pytest.mark.parametrize("dress", ["{0} {1}", " {0}{1} ", "wide", "{0}\u00a0{1}", "{0}\t{1}"])
def test_codes_as_people_copy_them_are_taken_once(
    ada: User, browser: Browser, time: Clock, dress: str
) -> None:
    plain = code()
    typed = (
        "".join(chr(ord(digit) + 0xFEE0) for digit in plain)
        if dress == "wide"
        else dress.format(plain[:3], plain[3:])
    )
    browser.sign_in()
    assert browser.enter(typed).status_code == 303
    again = Browser()
    again.sign_in()
    assert refused(again.enter(plain)) == "code-replayed"


@pytest.mark.parametrize("dress", ["{}", " {} ", "wide", "upper", "spaced", "misread"])
def test_recovery_codes_as_people_copy_them_are_taken_once(ada: User, browser: Browser, dress: str) -> None:
    plain = "obl2345672345672"
    give_recovery_codes(ada, [plain, *rules.new_codes()[1:]], by=host())
    dressed = {
        "wide": "".join(chr(ord(letter) + 0xFEE0) for letter in plain),
        "upper": rules.shown_code(plain).upper(),
        "spaced": " ".join(plain),
        "misread": plain.replace("o", "0").replace("l", "1").replace("b", "8"),
    }
    browser.sign_in()
    browser.get(RECOVERY)
    assert (
        browser.post(RECOVERY, {"recovery_code": dressed.get(dress, dress.format(plain))}).status_code == 303
    )
    again = Browser()
    again.sign_in()
    again.get(RECOVERY)
    assert refused(again.post(RECOVERY, {"recovery_code": plain})) == "recovery-code-wrong"


# ---- out of order


def test_a_code_before_the_password_proves_nothing(ada: User, browser: Browser) -> None:
    codes = rules.new_codes()
    give_recovery_codes(ada, codes, by=host())
    for path, fields in ((FACTOR, {"code": code()}), (RECOVERY, {"recovery_code": codes[0]})):
        browser.get("/account/sign-in/")
        page = browser.post(path, fields)
        assert page["Location"].startswith("/account/sign-in/")
    assert not Session.objects.exists()
    assert Authenticator.objects.get().last_step == 0
    assert RecoveryCode.objects.filter(used_at=None).count() == 10


def test_a_code_of_one_kind_is_none_of_the_other(ada: User, browser: Browser) -> None:
    codes = rules.new_codes()
    give_recovery_codes(ada, codes, by=host())
    browser.sign_in()
    browser.get(FACTOR)
    for path, fields in (
        (FACTOR, {"code": codes[0]}),
        (FACTOR, {"recovery_code": codes[0]}),
        (RECOVERY, {"recovery_code": code()}),
        (RECOVERY, {"code": code()}),
    ):
        assert browser.post(path, fields).status_code == 400
    assert not Session.objects.filter(is_complete=True).exists()
    assert RecoveryCode.objects.filter(used_at=None).count() == 10


def test_the_second_form_sent_again_after_it_was_done_changes_nothing(
    ada: User, browser: Browser, time: Clock
) -> None:
    browser.sign_in()
    browser.enter(code())
    session = Session.objects.get()
    browser.get("/account/")
    time.go(seconds=60)
    for path, fields in ((FACTOR, {"code": code()}), (RECOVERY, {"recovery_code": "a" * 16})):
        browser.get("/account/")
        assert browser.post(path, fields).status_code == 303
    assert Session.objects.get().proved_at == session.proved_at


def test_the_code_of_a_new_app_before_its_secret_enrols_nothing(ada: User) -> None:
    _, browser = signed_in(ada)
    browser.get("/account/")
    page = browser.post(ADD, {"code": code()})
    assert page.status_code in {400, 409}
    assert Authenticator.objects.count() == 1


def test_a_code_of_somebody_elses_waiting_sign_in_finishes_only_ones_own(ada: User) -> None:
    make_person("bob", factors=0)
    mine = Browser()
    mine.sign_in()
    theirs = signed_in(User.objects.get(username="bob"), "password")[1]
    theirs.get("/account/")
    theirs.post(FACTOR, {"code": code()})
    assert Authenticator.objects.get().last_step == 0
    assert not Session.objects.filter(user=ada, is_complete=True).exists()


# ---- links


@pytest.mark.parametrize("purpose", ["setup", "invitation", "enrolment"])
def test_links_that_are_not_there_are_counted_on_the_network_and_stop_no_other(purpose: str) -> None:
    stranger = Browser(REMOTE_ADDR="198.51.100.1")
    most = LINK.network.windows()[0].count if LINK.network else 0
    for number in range(most):
        assert refused(stranger.get(f"/{purpose}/guess{number}/")) == "link-unknown"
    page = stranger.get(f"/{purpose}/guess/")
    assert (page.status_code, refused(page)) == (429, "too-many")
    assert int(page["Retry-After"]) > 0
    assert refused(Browser(REMOTE_ADDR="198.51.100.2").get(f"/{purpose}/guess/")) == "link-unknown"
    assert Attempt.objects.filter(limit="link-network", subject="198.51.100.1").count() == most
