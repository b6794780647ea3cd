"""Coming back by a recovery code and the app, without password and mailbox: what opens it, and what thieves get of it."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import IntegrityError
from tests.accounts.conftest import (
    Browser,
    Clock,
    at_once,
    code,
    give_project,
    mailed,
    make_person,
    refused,
    signed_in,
)
from tests.accounts.recovery.conftest import ask, give_token, last_link, live_tokens, operators, told
from tests.accounts.test_recovering import go_through

from keyhouse.accounts import freezing
from keyhouse.accounts.cookies import RETURN, cookie_name
from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.models import Authenticator, Hold, OneTimeLink, RecoveryCase, RecoveryCode, User
from keyhouse.accounts.recovery import by_factors, cases, rules, words
from keyhouse.accounts.recovery.errors import ProofsRefused, WordRefused
from keyhouse.accounts.second_factors.recovery_codes.rules import new_codes, shown_code
from keyhouse.accounts.second_factors.recovery_codes.services import give_recovery_codes
from keyhouse.accounts.second_factors.totp.services import enrol_authenticator, remove_authenticator
from keyhouse.accounts.sessions import actor_of
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db
PAGE = "/account/recover/without-mail/"
GO_ON = f"{PAGE}go-on/"
ANEW = "marble-thicket-44-lagoon"


@pytest.fixture
def codes(ada: User) -> list[str]:
    given = new_codes()
    give_recovery_codes(ada, given, by=host())
    Mail.objects.all().delete()
    return [shown_code(one) for one in given]


def send(browser: Browser, recovery_code: str, app: str | None = None, name: str = "ada") -> str:
    """Send the form; returns where it leads, or the code of its refusal."""
    browser.get(PAGE)
    proofs = {"recovery_code": recovery_code, "code": code() if app is None else app}
    page = browser.post(PAGE, {"username": name, **proofs})
    return str(page.get("Location") or page["X-Refusal"])


def spent() -> int:
    return RecoveryCode.objects.exclude(used_at=None).count()


def begun(browser: Browser, codes: list[str]) -> RecoveryCase:
    assert send(browser, codes[0]) == PAGE, browser.text
    return RecoveryCase.objects.get(state="open")


def press(browser: Browser) -> Any:
    """Press the button of the page that waits, also where it isn't shown."""
    browser.get("/account/recover/")
    return browser.post(GO_ON)


def finish(browser: Browser) -> None:
    """Set everything anew by the page of the browser that began."""
    path = str(press(browser)["Location"])
    go_through(browser, path)


def test_r4_two_factors_set_the_account_anew_after_three_days_in_the_browser_that_began(
    ada: User, codes: list[str], browser: Browser, time: Clock
) -> None:
    give_project(ada)
    give_token(ada, "late")
    make_person("bob", is_operator=True)
    case = begun(browser, codes)
    assert (case.basis, case.path, spent()) == ("two factors", "factors", 1)
    assert case.ready_at == clock.now() + rules.LONG
    assert set(told("recovery.opened")) == {"ada@example.org"}
    assert set(told("recovery.opened-to-others")) == {"bob@example.org"}
    assert "recovery code" in mailed("recovery.opened")[-1]
    assert not told("recovery.link")
    assert not OneTimeLink.objects.filter(purpose="enrolment").exists()
    assert "Come back to this browser" in browser.get(PAGE).content.decode()
    assert refused(press(browser)) == "recovery-waits"
    time.go(hours=72)
    assert "The wait is over" in browser.get(PAGE).content.decode()
    finish(browser)
    case.refresh_from_db()
    assert case.state == "finished"
    assert Hold.objects.filter(user=ada, reason="recovery", ended_at=None).exists()
    assert not live_tokens(ada)
    assert refused(press(browser)) == "recovery-over"


@pytest.mark.parametrize("name", ["ada", "ADA", "nobody", "gone", "held", "ä", "ada@example.org"])
def test_whatever_is_wrong_gets_one_answer_and_leaves_nothing(
    codes: list[str], browser: Browser, name: str
) -> None:
    make_person("gone", state="deleted")
    make_person("held", state="suspended")
    wrong = shown_code(new_codes()[0])
    answers = {
        send(browser, typed, app, name) for typed in (wrong, "!", "x" * 40) for app in (code(), "000000")
    }
    if name.lower() == "ada":
        answers.add(send(browser, codes[0], "000000", name))
    else:
        answers.add(send(browser, codes[0], None, name))
    assert answers == {ProofsRefused.code}
    assert not RecoveryCase.objects.exists()
    assert not Mail.objects.exists()
    assert spent() == 0
    assert not browser.client.cookies.get(cookie_name(RETURN))
    assert set(Record.objects.filter(action="recovery.open").values_list("code", flat=True)) == {
        ProofsRefused.code
    }


def test_a_thief_with_one_proof_learns_nothing_and_strangers_use_nobodys_attempts_up(
    ada: User, codes: list[str], browser: Browser
) -> None:
    wrong = shown_code(new_codes()[0])
    for _ in range(8):  # no code of the app is judged before the recovery code is right
        assert send(browser, wrong, code()) == ProofsRefused.code
    assert Authenticator.objects.get(user=ada).failures == 0
    for _ in range(5):
        assert send(browser, codes[0], "000000") == ProofsRefused.code
    assert Authenticator.objects.get(user=ada).failures == 5
    browser.get(PAGE)
    page = browser.post(PAGE, {"username": "ada", "recovery_code": codes[0], "code": code()})
    assert page.status_code == 429
    assert spent() == 0


def test_neither_proof_opens_twice(ada: User, codes: list[str], browser: Browser, time: Clock) -> None:
    app = code()
    assert send(browser, codes[0], app) == PAGE
    other = Browser()
    time.go(seconds=1)
    assert send(other, codes[1], app) == ProofsRefused.code  # the code of the app was used
    time.go(seconds=61)
    assert send(other, codes[0]) == ProofsRefused.code
    assert (spent(), RecoveryCase.objects.count()) == (1, 1)


def test_no_other_browser_and_no_other_account_goes_on(
    ada: User, codes: list[str], browser: Browser, time: Clock
) -> None:
    case = begun(browser, codes)
    time.go(hours=73)
    thief = Browser()
    assert refused(press(thief)) == "recovery-missing"
    thief.client.cookies[cookie_name(RETURN)] = case.browser  # what the row holds opens nothing
    assert refused(press(thief)) == "recovery-missing"
    path = str(press(browser)["Location"])
    assert refused(thief.get(path)) == "link-in-use"  # the link itself is bound, too
    assert str(press(browser)["Location"]) != path
    assert refused(browser.get(path)) == "link-unknown"  # a second press ends the first link


def test_its_owner_stops_it_by_a_notice_by_a_factor_and_by_freezing(
    ada: User, codes: list[str], browser: Browser, time: Clock
) -> None:
    begun(browser, codes)
    path = last_link("recovery.opened", "not-me")
    owner = Browser()
    owner.get(path)
    owner.post(path)
    case = RecoveryCase.objects.get()
    assert (case.state, case.closed_by) == ("stopped", "not-me")
    time.go(hours=73)
    assert refused(press(browser)) == "recovery-over"
    assert (
        send(browser, codes[1]) == ProofsRefused.code
    )  # a frozen account isn't opened by what others may have
    assert spent() == 1


def test_a_mailbox_changes_nothing_in_it_and_operators_make_it_no_quicker(
    ada: User, codes: list[str], browser: Browser, time: Clock
) -> None:
    give_project(ada)
    case = begun(browser, codes)
    thief = Browser()
    path = ask(thief)
    thief.get(path)
    thief.post(path, {"password": "", "recovery_code": ""})
    case.refresh_from_db()
    assert (case.path, case.basis, case.address) == ("factors", "two factors", "")
    ready_at = case.ready_at
    for one in operators("olga", "oscar"):
        words.approve(case.pk, "I called her at her number.", by=actor_of(signed_in(one)[0]), now=clock.now())
    case.refresh_from_db()
    assert (case.basis, case.ready_at) == ("two factors", ready_at)
    with pytest.raises(WordRefused):
        words.hand_over(
            case.pk, by=actor_of(signed_in(User.objects.get(username="olga"))[0]), now=clock.now()
        )
    assert not told("recovery.link")


def test_what_was_open_before_is_stopped_but_not_what_the_host_made(
    ada: User, codes: list[str], browser: Browser, time: Clock
) -> None:
    thief = Browser()
    path = ask(thief)
    thief.get(path)
    thief.post(path, {"password": "", "recovery_code": ""})
    mailed_case = RecoveryCase.objects.get()
    begun(browser, codes)
    mailed_case.refresh_from_db()
    assert (mailed_case.state, mailed_case.closed_by) == ("stopped", "factor")
    cases.open_at_host(ada, by=host(), now=clock.now())
    time.go(seconds=61)
    assert send(browser, codes[1]) == "recovery-word-refused"
    assert spent() == 1


def test_killed_in_between_it_leaves_nothing(
    ada: User, codes: list[str], browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object, **__: object) -> None:
        raise IntegrityError("killed")

    monkeypatch.setattr(cases, "settle", die)
    with pytest.raises(IntegrityError):
        by_factors.begin(by_factors.Proofs("ada", codes[0], code()), Visitor(), clock.now())
    assert (spent(), RecoveryCase.objects.count(), Mail.objects.count()) == (0, 0, 0)
    monkeypatch.undo()
    begun(browser, codes)


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_with_the_same_proofs_one_opens(ada: User, codes: list[str]) -> None:
    now, app = clock.now(), code()

    def act() -> str:
        try:
            return by_factors.begin(by_factors.Proofs("ada", codes[0], app), Visitor(), now)
        except Refusal as refusal:
            return refusal.code

    answers = at_once([act, act])
    assert answers.count(ProofsRefused.code) == 1
    assert (spent(), RecoveryCase.objects.count()) == (1, 1)


# ---- a code beside the mailbox


def test_a_frozen_account_opens_by_mailbox_and_code_after_three_days_and_the_objection_stops_it(
    ada: User, codes: list[str], browser: Browser, time: Clock
) -> None:
    give_project(ada)
    time.go(days=8)
    session, _ = signed_in(ada)
    freezing.freeze_own(ada, by=actor_of(session), now=clock.now())
    path = ask(browser)
    browser.get(f"{path}?lost=1")
    browser.post(path, {"password": "", "recovery_code": shown_code(new_codes()[0])})
    assert spent() == 0
    assert not RecoveryCase.objects.exists()
    browser.post(path, {"password": "", "recovery_code": codes[0]})
    case = RecoveryCase.objects.get()
    assert (case.basis, case.knows_code, spent()) == ("mail and code", True, 1)
    assert case.ready_at == clock.now() + rules.LONG
    link = last_link("recovery.link", "enrolment")
    assert refused(browser.get(link)) == "recovery-waits"
    objection, owner = last_link("recovery.settled", "not-me"), Browser()
    owner.get(objection)
    owner.post(objection)
    case.refresh_from_db()
    assert case.state == "stopped"
    time.go(hours=73)
    assert refused(browser.get(link)) == "link-unknown"


def test_codes_that_came_in_the_week_before_a_freeze_prove_nothing(
    ada: User, browser: Browser, time: Clock
) -> None:
    time.go(days=8)
    codes = new_codes()
    give_recovery_codes(ada, codes, by=host())
    session, _ = signed_in(ada)
    freezing.freeze_own(ada, by=actor_of(session), now=clock.now())
    before = RecoveryCase.objects.count()
    page = ask_with_code(browser, shown_code(codes[0]))
    assert page["X-Refusal"] == "recovery-code-wrong"
    assert (spent(), RecoveryCase.objects.count()) == (0, before)


def ask_with_code(browser: Browser, recovery_code: str) -> Any:
    path = ask(browser)
    browser.get(f"{path}?lost=1")
    return browser.post(path, {"password": "", "recovery_code": recovery_code})


def test_the_code_is_a_proof_for_open_accounts_too_and_sets_a_password_of_ones_own(
    ada: User, codes: list[str], browser: Browser, time: Clock
) -> None:
    give_project(ada)
    ask_with_code(browser, codes[0])
    assert RecoveryCase.objects.get().basis == "mail and code"
    assert not compare_password(ANEW, User.objects.get(pk=ada.pk).password).is_right


def test_a_case_that_the_host_takes_over_meanwhile_hands_its_link_to_nobody_else(
    ada: User, codes: list[str], browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    case = begun(browser, codes)
    cases.open_at_host(ada, by=host(), now=clock.now())
    [link] = OneTimeLink.objects.filter(purpose="enrolment", used_at=None)
    monkeypatch.setattr(by_factors, "find_case", lambda _: case)  # as it was read a moment before
    assert refused(press(browser)) == "recovery-missing"
    assert OneTimeLink.objects.filter(pk=link.pk, used_at=None).exists()


@pytest.mark.parametrize("by_owner", [True, False])
def test_whoever_takes_off_the_app_that_was_stolen_stops_the_case_that_rests_on_it(
    ada: User, codes: list[str], browser: Browser, *, by_owner: bool
) -> None:
    enrol_authenticator(ada, b"another-secret-of-ada", by=host(), name="other")
    session, _ = signed_in(ada)
    begun(browser, codes)
    stolen = Authenticator.objects.filter(user=ada).earliest("pk")
    remove_authenticator(ada.pk, stolen.pk, by=actor_of(session) if by_owner else host())
    assert RecoveryCase.objects.get().state == ("stopped" if by_owner else "open")
