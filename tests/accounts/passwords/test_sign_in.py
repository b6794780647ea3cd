"""A right password that others know: found at sign-in, disabled, and what that does to sessions and credentials."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from tests.accounts.conftest import (
    PASSWORD,
    START,
    Browser,
    Clock,
    at_once,
    mailed,
    make_person,
    refused,
    signed_in,
)
from tests.accounts.passwords.conftest import Leak
from tests.accounts.passwords.services import Service

from keyhouse.accounts import services, signing_in
from keyhouse.accounts.errors import PasswordDisabled
from keyhouse.accounts.models import Hold, Session, User
from keyhouse.accounts.passwords import sources
from keyhouse.accounts.passwords.compromised_file import FILE_NAME
from keyhouse.accounts.signing_in import Entered
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.clock import now
from keyhouse.core.errors import Refusal
from keyhouse.mandate import queries
from keyhouse.mandate.rules import decide

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("data")]
NEW = "ochre-lantern-57-meadow"


def enter(password: str = PASSWORD) -> signing_in.SignedIn:
    return signing_in.sign_in_by_password(Entered("ada", password, Visitor("192.0.2.9"), now()))


def fresh(user: User) -> User:
    return User.objects.get(pk=user.pk)


def test_a_leaked_password_is_disabled_when_it_is_right(ada: User, browser: Browser, leak: Leak) -> None:
    _, elsewhere = signed_in(ada)
    leak(PASSWORD)
    page = browser.sign_in()
    assert refused(page) == "password-disabled"
    assert "Forgot your password?" in browser.text
    assert fresh(ada).state == User.State.PASSWORD_DISABLED
    assert not Session.objects.filter(user=ada).exists()
    assert elsewhere.get("/account/").status_code in {302, 303, 401}
    [told] = Record.objects.filter(action="password.disable")
    assert (told.actor_kind, told.details["known_by"]) == ("job", ["file"])
    [notice] = mailed("password-disabled")
    assert "go on working" in notice
    assert "password-reset" not in notice


def test_nobody_learns_it_without_the_right_password(ada: User, browser: Browser, leak: Leak) -> None:
    leak(PASSWORD, PASSWORD + "x")
    assert refused(browser.sign_in(password=PASSWORD + "x")) == "sign-in-refused"
    assert fresh(ada).state == User.State.ACTIVE
    assert mailed() == []


def test_a_second_try_tells_nobody_again(ada: User, browser: Browser, leak: Leak) -> None:
    leak(PASSWORD)
    for _ in range(3):
        assert refused(browser.sign_in()) == "password-disabled"
    assert len(mailed("password-disabled")) == 1
    assert Record.objects.filter(action="password.disable").count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_two_sign_ins_at_once_both_are_refused_and_one_notice_goes_out(leak: Leak) -> None:
    ada = make_person()
    leak(PASSWORD)
    results = at_once([enter] * 4)
    assert all(isinstance(result, PasswordDisabled) for result in results), results
    assert len(mailed("password-disabled")) == 1
    assert not Session.objects.filter(user=ada).exists()


@pytest.mark.django_db(transaction=True)
def test_a_change_at_the_same_time_is_not_undone(leak: Leak) -> None:
    ada = make_person()
    session, _ = signed_in(ada)
    by = Actor("session", ada.pk, credential=session.public_id, strength=Strength(frozenset({"totp"}), now()))
    leak(PASSWORD)
    acts: list[Callable[[], object]] = [
        enter,
        lambda: services.change_password(ada, PASSWORD, NEW, by=by, now=now() + timedelta(seconds=1)),
    ]
    first, second = at_once(acts)
    assert isinstance(first, Refusal)
    found = fresh(ada)
    assert found.state == (User.State.ACTIVE if second is None else User.State.PASSWORD_DISABLED)


def test_without_a_second_factor_credentials_rest_and_with_one_they_go_on(leak: Leak) -> None:
    for person, factors, verdict in (("ada", 1, "allow"), ("bob", 0, "deny")):
        user = make_person(person, factors=factors)
        leak(PASSWORD)
        with pytest.raises(PasswordDisabled):
            signing_in.sign_in_by_password(Entered(person, PASSWORD, Visitor(), now()))
        proven = Strength(frozenset({"password", "totp"} if factors else {"password"}), now())
        facts, policies = queries.gather(Actor("token", user.pk, strength=proven), "token.use", None, now())
        assert decide(facts, policies, now()).verdict == verdict
    assert "rest until then" in mailed("password-disabled")[-1]


def test_an_address_that_was_never_verified_gets_the_notice_where_there_is_no_other(leak: Leak) -> None:
    user = services.create_user("ada", by=host(), password=PASSWORD)
    services.add_email(user, "ada@example.org", by=host())
    leak(PASSWORD)
    with pytest.raises(PasswordDisabled):
        enter()
    [notice] = mailed()
    assert "/not-me/" not in notice  # whoever has this mailbox is nobody yet


def test_a_hold_of_the_row_alone_outlives_the_other_state(leak: Leak) -> None:
    user = make_person(state=User.State.HELD)
    leak(PASSWORD)
    with pytest.raises(PasswordDisabled):
        enter()
    assert Hold.objects.filter(user=user, ended_at=None).exists()


def test_an_outage_keeps_nobody_out_and_is_made_up_for_at_the_next_sign_in(
    ada: User, browser: Browser, service: Service, time: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.known, service.status = [PASSWORD], 503
    assert browser.sign_in()["Location"] == "/account/second-factor/"
    assert fresh(ada).password_checked_at is None
    service.status = 200
    asked = sources.find_service()
    assert asked is not None
    monkeypatch.setattr(asked, "_rests_until", 0.0)
    assert refused(Browser().sign_in()) == "password-disabled"


def test_when_everything_was_asked_is_kept(ada: User, browser: Browser, service: Service) -> None:
    browser.sign_in()
    assert fresh(ada).password_checked_at == START
    assert len(service.asked) == 1


def test_a_damaged_file_keeps_nobody_out(ada: User, browser: Browser, data: Path) -> None:
    (data / FILE_NAME).write_bytes(b"not the file at all" * 100)
    assert browser.sign_in()["Location"] == "/account/second-factor/"
    assert fresh(ada).password_checked_at is None


def test_a_file_that_is_replaced_is_asked_at_everybodys_next_sign_in(
    ada: User, browser: Browser, leak: Leak
) -> None:
    leak()
    assert browser.sign_in()["Location"] == "/account/second-factor/"
    leak(PASSWORD)
    assert refused(Browser().sign_in()) == "password-disabled"


def test_a_leaked_password_is_not_taken_at_a_change(ada: User, leak: Leak) -> None:
    leak(NEW)
    session, browser = signed_in(ada)
    page = browser.post("/account/password/", {"current_password": PASSWORD, "password": NEW})
    assert (page.status_code, refused(page)) == (400, "password-compromised")
    assert fresh(ada).password == ada.password
    assert Session.objects.filter(pk=session.pk).exists()
    assert mailed() == []


def test_a_change_is_told_and_looked_up(ada: User, service: Service) -> None:
    _, browser = signed_in(ada)
    page = browser.post("/account/password/", {"current_password": PASSWORD, "password": NEW})
    assert page.status_code == 303
    assert fresh(ada).password_checked_at == START
    [notice] = mailed("password-changed")
    assert "/not-me/" in notice
    assert NEW not in notice


def test_whoever_comes_by_a_passkey_sets_a_new_password_without_the_disabled_one(
    ada: User, leak: Leak
) -> None:
    leak(PASSWORD)
    with pytest.raises(PasswordDisabled):
        enter()
    _, browser = signed_in(ada, "passkey")
    browser.get("/account/password/")
    assert "Present password" not in browser.text
    assert browser.post("/account/password/", {"password": NEW}).status_code == 303
    assert fresh(ada).state == User.State.ACTIVE
    assert enter(NEW).needs_second_factor


def test_a_leaked_password_makes_no_account(browser: Browser, leak: Leak) -> None:
    leak(PASSWORD)
    path = services.invite_user("bob", "bob@example.org", by=host())
    browser.get(path)
    page = browser.post(f"{path}account/", {"password": PASSWORD})
    assert refused(page) == "password-compromised", browser.text[:2000]
    assert not User.objects.exists()
