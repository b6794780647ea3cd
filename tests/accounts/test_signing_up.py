from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from tests.accounts.conftest import (
    PASSWORD,
    START,
    Browser,
    Clock,
    Configure,
    at_once,
    code,
    make_person,
    refused,
    send,
    signed_in,
)
from tests.accounts.second_factors.soft_key import SoftKey
from tests.accounts.test_newcomers import codes_on, secret_on

from keyhouse.accounts import links, newcomers, services
from keyhouse.accounts.cookies import NEWCOMER, cookie_name
from keyhouse.accounts.errors import AddressTaken, SignUpClosed, UsernameTaken
from keyhouse.accounts.models import Email, OneTimeLink, Session, User
from keyhouse.accounts.newcomers import Door
from keyhouse.accounts.second_factors.totp import rules as totp
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Personal, Record
from keyhouse.core import actions, clock
from keyhouse.core.actor import host
from keyhouse.mail.contents import unseal
from keyhouse.mail.letters import render_text
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db
SIGN_UP = "/account/sign-up/"
EVE = "eve@example.org"


@pytest.fixture(autouse=True)
def is_open(configure: Configure) -> None:
    configure(sign_up="open")


def ask(browser: Browser, address: str = EVE, **more: str) -> Any:
    browser.get(SIGN_UP)
    return browser.post(SIGN_UP, {"email": address, "homepage": "", **more})


def text_of(mail: Mail) -> str:
    return render_text(unseal(mail.content_sealed, mail.address))


def mailed_path(address: str = EVE) -> str:
    """Return the path in the mail that was sent last to this address."""
    mail = Mail.objects.filter(address=address, kind="sign-up").order_by("-pk")[0]
    found = re.search(r"(/sign-up/[\w-]+/)", text_of(mail))
    assert found
    return found[1]


def enter(browser: Browser, path: str, **fields: str) -> Any:
    browser.get(path + "account/")
    return browser.post(path + "account/", {"username": "eve", "password": PASSWORD, **fields})


def go_to_codes(browser: Browser, path: str, **fields: str) -> bytes:
    page = enter(browser, path, **fields)
    assert page["Location"] == path + "authenticator/", browser.text
    browser.get(path + "authenticator/")
    secret = secret_on(browser)
    browser.post(path + "authenticator/", {"code": code(secret=secret)})
    browser.get(path + "recovery-codes/")
    return secret


# ---- the way through


def test_an_account_is_made_by_the_mailed_link(browser: Browser) -> None:
    assert 'href="/account/sign-up/"' in (browser.get("/account/sign-in/") and browser.text)
    assert ask(browser)["Location"] == "/account/sign-up/sent/"
    assert browser.get("/account/sign-up/sent/").status_code == 200
    path = mailed_path()
    assert browser.get(path)["Location"] == path + "account/"
    browser.get(path + "account/")
    assert f'value="{EVE}"' in browser.text
    go_to_codes(browser, path)
    page = browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert page["Location"] == "/help/clients/"
    eve = User.objects.get()
    assert (eve.username, eve.is_operator, eve.state) == ("eve", False, "active")
    email = Email.objects.get()
    assert (email.address, email.verified_by, email.is_primary) == (EVE, "link", True)
    assert Record.objects.get(action="sign-up.finish").account_id == eve.pk
    assert browser.get("/account/").status_code == 200
    assert browser.get(path)["Location"].startswith("/account/sign-in/")


def test_an_account_is_made_with_a_passkey_and_no_password(browser: Browser) -> None:
    ask(browser)
    path, key = mailed_path(), SoftKey()
    assert enter(browser, path, password="", without_password="1").status_code == 303
    browser.get(path + "authenticator/")
    asked = send(browser, path + "security-key/options/", {}).json()
    made = send(browser, path + "security-key/", {"response": key.create(asked)})
    assert made.json()["location"] == path + "recovery-codes/"
    browser.get(path + "recovery-codes/")
    browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert not User.objects.get().has_usable_password()
    other = Browser()
    other.get("/account/sign-in/")
    question = send(other, "/account/sign-in/passkey/options/", {}).json()
    assert send(other, "/account/sign-in/passkey/", {"response": key.get(question)}).status_code == 200


def test_a_sign_up_has_no_end_without_a_second_factor(browser: Browser) -> None:
    ask(browser)
    path = mailed_path()
    enter(browser, path)
    browser.get(path + "authenticator/")
    page = browser.post(path + "recovery-codes/", {"recovery_code": "a" * 16})
    assert refused(page) == "step-missing"
    assert refused(browser.get(path + "recovery-codes/")) == "step-missing"
    assert not User.objects.exists()


def test_a19_an_account_that_signed_up_is_met_by_the_gate_at_once(browser: Browser, time: Clock) -> None:
    """A new account is no way around a mandate: what gains authority needs its second factor from the first day."""
    ask(browser)
    path = mailed_path()
    secret = go_to_codes(browser, path)
    browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    eve = User.objects.get()
    by_password = Browser()
    by_password.sign_in("eve")
    weak = Session.objects.filter(user=eve, is_complete=False).get()
    assert weak.methods == ["password"]  # waits for the factor; as nobody it may do nothing
    assert by_password.get("/account/tokens/new/")["Location"].startswith("/account/sign-in/")
    assert totp.decode_secret(totp.encode_secret(secret)) == secret
    assert browser.get("/account/tokens/new/").status_code == 200


# ---- nothing is told


def test_known_and_unknown_addresses_get_the_same_answer_for_the_same_work(browser: Browser) -> None:
    ada = make_person()
    answers, counts, kinds = [], [], []
    for address in ("ada@example.org", EVE, "ADA@Example.org", "Eve@example.org"):
        one = Browser()
        one.get(SIGN_UP)
        with CaptureQueriesContext(connection) as asked:
            page = one.post(SIGN_UP, {"email": address, "homepage": ""})
        answers.append((page.status_code, page["Location"], page.content, sorted(page.headers)))
        counts.append(sum(query["sql"].startswith("INSERT") for query in asked.captured_queries))
        kinds.append(Mail.objects.order_by("-pk")[0].kind)
    assert len(set(map(str, answers))) == 1
    assert kinds == ["sign-up-known", "sign-up", "sign-up-known", "sign-up"]
    assert len(set(counts)) == 1
    told = text_of(Mail.objects.filter(kind="sign-up-known")[0])
    assert "ada" in told
    assert "/sign-up/" not in told
    assert {one.expires_at > START for one in OneTimeLink.objects.filter(address="")} == {False}
    assert Record.objects.filter(action="sign-up.ask", account_id=ada.pk).count() == 2


def test_an_address_that_somebody_else_has_not_verified_is_free(browser: Browser) -> None:
    ada = make_person()
    services.add_email(ada, EVE, by=host(), is_primary=False)
    ask(browser)
    path = mailed_path()
    go_to_codes(browser, path)
    browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert Email.objects.get(address=EVE, verified_at__isnull=False).user.username == "eve"


def test_the_log_names_no_address_of_strangers(browser: Browser) -> None:
    ask(browser)
    made = Record.objects.get(action="sign-up.ask")
    kept = str(vars(made)) + str(vars(Personal.objects.get(record=made)))
    assert EVE not in kept


@pytest.mark.parametrize("address", ["", "eve", "eve@", "e@x\x00.org", "x" * 300 + "@example.org"])
def test_what_is_no_address_is_refused_for_everybody(browser: Browser, address: str) -> None:
    page = ask(browser, address)
    assert page.status_code == 400
    assert not Mail.objects.exists()
    assert not OneTimeLink.objects.exists()


# ---- limits


def test_an_address_gets_three_mails_and_then_silence(browser: Browser, time: Clock) -> None:
    make_person()
    for address in ("ada@example.org", EVE):
        for _ in range(5):
            assert ask(Browser(), address)["Location"] == "/account/sign-up/sent/"
        assert Mail.objects.filter(address=address).count() == 3
    time.go(hours=6, seconds=1)
    ask(browser)
    assert Mail.objects.filter(address=EVE).count() == 4


def test_a_network_that_asks_too_often_is_told_to_wait(browser: Browser) -> None:
    for number in range(30):
        ask(browser, f"eve{number}@example.org")
    page = ask(browser, "one-more@example.org")
    assert (page.status_code, refused(page)) == (429, "too-many")
    assert int(page["Retry-After"]) > 0
    assert not Mail.objects.filter(address="one-more@example.org").exists()


def test_a_program_that_fills_in_every_field_gets_the_same_page_and_no_mail(browser: Browser) -> None:
    page = ask(browser, homepage="https://spam.example")
    assert page["Location"] == "/account/sign-up/sent/"
    assert not Mail.objects.exists()
    assert not OneTimeLink.objects.exists()
    for _ in range(19):
        ask(browser, homepage="x")
    assert ask(browser, homepage="x").status_code == 429


# ---- who is let in


@pytest.mark.parametrize(
    ("mode", "words"), [("invitation", "made by invitation"), ("closed", "no new accounts")]
)
def test_a_closed_door_says_how_one_gets_in(
    browser: Browser, configure: Configure, mode: str, words: str
) -> None:
    ask(browser)
    path = mailed_path()
    configure(sign_up=mode)
    page = browser.get(SIGN_UP)
    assert page.status_code == 200
    assert words in browser.text
    assert "<form" not in browser.text.partition("<main")[2].partition("</main>")[0]
    assert 'href="/account/sign-up/"' not in (browser.get("/account/sign-in/") and browser.text)
    before = Mail.objects.count()
    page = browser.post(SIGN_UP, {"email": "late@example.org", "homepage": ""})
    assert (page.status_code, refused(page)) == (403, "sign-up-closed")
    assert Mail.objects.count() == before
    assert refused(browser.get(path)) == "sign-up-closed"


def test_a_sign_up_that_was_begun_is_stopped_by_closing_and_goes_on_afterwards(
    browser: Browser, configure: Configure
) -> None:
    ask(browser)
    path = mailed_path()
    go_to_codes(browser, path)
    typed = codes_on(browser)[0]
    configure(sign_up="closed")
    page = browser.post(path + "recovery-codes/", {"recovery_code": typed})
    assert refused(page) == "sign-up-closed"
    assert not User.objects.exists()
    configure(sign_up="open")
    browser.get(path + "recovery-codes/")
    assert browser.post(path + "recovery-codes/", {"recovery_code": typed}).status_code == 303


def test_invitations_work_unless_nobody_is_let_in(browser: Browser, configure: Configure) -> None:
    configure(sign_up="invitation")
    path = services.invite_user("eve", EVE, by=host())
    assert browser.get(path).status_code in {302, 303}
    configure(sign_up="closed")
    assert refused(browser.get(path)) == "sign-up-closed"
    with pytest.raises(SignUpClosed):
        services.invite_user("bob", "bob@example.org", by=host())
    assert browser.get(services.make_setup_link(by=host())).status_code in {302, 303}


def test_whoever_is_signed_in_has_an_account(ada: User) -> None:
    _, browser = signed_in(ada)
    assert browser.get(SIGN_UP)["Location"] == "/account/"


# ---- links


def test_a_link_is_too_old_after_a_day(browser: Browser, time: Clock) -> None:
    ask(browser)
    path = mailed_path()
    time.go(hours=24)
    assert refused(browser.get(path)) == "link-expired"


def test_somebody_who_asks_with_my_address_does_not_end_what_i_began(browser: Browser) -> None:
    ask(browser)
    path = mailed_path()
    enter(browser, path)
    ask(Browser())
    assert browser.get(path)["Location"] == path + "authenticator/"


def test_a_name_that_is_taken_is_told(browser: Browser) -> None:
    make_person()
    ask(browser)
    page = enter(browser, mailed_path(), username="ADA")
    assert (page.status_code, refused(page)) == (400, "username-taken")


def test_the_address_of_the_link_is_the_one_that_counts(browser: Browser) -> None:
    ask(browser)
    path = mailed_path()
    go_to_codes(browser, path, email="other@example.org")
    browser.post(path + "recovery-codes/", {"recovery_code": codes_on(browser)[0]})
    assert Email.objects.get().address == EVE


def test_a_link_for_signing_up_opens_no_other_door(browser: Browser) -> None:
    ask(browser)
    secret = mailed_path().split("/")[2]
    for purpose in ("setup", "invitation", "enrolment", "keep-account", "password-reset"):
        assert refused(browser.get(f"/{purpose}/{secret}/")) == "link-unknown"


# ---- at the same moment


def ready(address: str, username: str) -> tuple[Door, str]:
    """Go up to the last step; returns the door and a code to type back."""
    browser = Browser()
    ask(browser, address)
    path = mailed_path(address)
    go_to_codes(browser, path, username=username)
    door = Door(links.SIGN_UP, path.split("/")[2], browser.client.cookies[cookie_name(NEWCOMER)].value)
    return door, codes_on(browser)[0]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("people", "refusal"),
    [
        (((EVE, "eve"), ("other@example.org", "Eve")), UsernameTaken),
        (((EVE, "eve"), (EVE, "eve2")), AddressTaken),
    ],
)
def test_of_two_sign_ups_at_once_for_one_name_or_address_one_wins(
    people: tuple[tuple[str, str], ...], refusal: type[Exception]
) -> None:
    doors = [ready(*one) for one in people]
    ends = [partial(newcomers.finish, door, typed, Visitor(), clock.now()) for door, typed in doors]
    results = at_once(ends)
    assert sum(isinstance(one, refusal) for one in results) == 1
    assert User.objects.count() == 1
    assert Email.objects.count() == 1


def test_the_action_is_open_to_everybody() -> None:
    for name in ("sign-up.ask", "sign-up.finish"):
        assert not actions.CATALOGUE[name].gated
        assert not actions.CATALOGUE[name].needs_session
    assert timedelta(hours=24) == links.LIFE[links.SIGN_UP]
