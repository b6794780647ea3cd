"""“This was not me”: one page and one button that stop an account, without a sign-in."""

from __future__ import annotations

from functools import partial

import pytest
from tests.accounts.addresses.mailbox import letter_to, letters_to, path_in
from tests.accounts.conftest import (
    PASSWORD,
    Browser,
    Clock,
    at_once,
    give_project,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts import emails, freezing, links
from keyhouse.accounts.models import Email, OneTimeLink, Session, User
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor, Strength
from keyhouse.core.errors import Refusal
from keyhouse.mail.letters import Letter, Text, render_text
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db
ADDRESS = "ada@example.org"


def told(user: User) -> str:
    """Tell somebody something and return the path of the way to stop it."""
    from django.db import transaction  # noqa: PLC0415 - beside its one use

    with transaction.atomic():
        emails.tell(user, Letter("something", "Something", (Text("It happened."),)), now=clock.now())
    return path_in(letter_to(ADDRESS, "something"), "not-me")


def state_of(user: User) -> str:
    return User.objects.get(pk=user.pk).state


def test_the_link_freezes_in_two_steps_without_a_sign_in(ada: User) -> None:
    operator = make_person("root", is_operator=True)
    give_project(ada)
    path = told(ada)
    signed_in(ada)
    links.make_link_for(ada, links.VERIFY_ADDRESS, now=clock.now(), address="x@example.org")
    links.make_link(links.ENROLMENT, now=clock.now(), username="ada")
    reader = Browser()
    assert "ada" in reader.get(path).content.decode()
    assert state_of(ada) == "active"
    answer = reader.post(path)
    assert answer.status_code == 200
    assert "/account/recover/" in reader.text
    assert state_of(ada) == "frozen"
    assert not Session.objects.filter(user=ada).exists()
    left = OneTimeLink.objects.filter(username="ada", used_at=None)
    assert [link.purpose for link in left] == [links.ENROLMENT]  # the host made it
    record = Record.objects.get(action="account.freeze-by-link")
    assert (record.account_id, record.actor_kind, record.outcome) == (ada.pk, "nobody", "done")
    mine = letter_to(ADDRESS, "account-frozen")
    assert "/account/recover/" in render_text(mine)
    assert "http" not in render_text(mine)  # a link to sign in by is what a thief would send
    theirs = letter_to("root@example.org", "account-frozen-operators")
    assert "ada" in theirs.subject
    assert "/not-me/" not in render_text(theirs)  # it is not about their own account
    _, console = signed_in(operator)
    assert "ada" in console.get("/operator/accounts/").content.decode()


def test_nothing_works_in_a_frozen_account(ada: User) -> None:
    give_project(ada)
    path = told(ada)
    _, browser = signed_in(ada)
    browser.get("/account/")
    assert Browser().post(path).status_code == 200
    assert browser.get("/account/").status_code == 302
    strong = Strength(frozenset({"password", "totp"}), clock.now())
    for kind, action in (
        ("session", "token.mint"),
        ("session", "project.manage"),
        ("token", "release.upload"),
    ):
        with pytest.raises(Refusal) as denied:
            actions.require_gate(Actor(kind, ada.pk, "ada", strength=strong), action)  # type: ignore[arg-type]  # both are kinds
        assert denied.value.code == "account-frozen", action
    again = Browser()
    again.sign_in("ada", PASSWORD)
    assert not Session.objects.filter(user=ada, is_complete=True).exists()


def test_twice_is_harmless_and_so_is_the_link_in_another_mail(ada: User) -> None:
    first, second = told(ada), told(ada)
    reader = Browser()
    assert reader.post(first).status_code == 200
    mails = Mail.objects.count()
    for path in (first, second):
        assert reader.get(path).status_code == 200
        reader.get("/account/sign-in/")
        assert reader.post(path).status_code == 200
    assert Mail.objects.count() == mails
    assert Record.objects.filter(action="account.freeze-by-link").count() == 1


def test_a_link_froze_once_and_freezes_no_more_after_the_account_came_back(ada: User) -> None:
    first, second = told(ada), told(ada)
    Browser().post(first)
    User.objects.filter(pk=ada.pk).update(state="active")
    for path in (first, second):
        reader = Browser()
        reader.get("/account/sign-in/")
        assert refused(reader.post(path)) == "link-used"
    assert state_of(ada) == "active"


def test_the_link_is_too_old_after_seven_days(ada: User, time: Clock) -> None:
    path = told(ada)
    time.go(days=7)
    reader = Browser()
    assert refused(reader.get(path)) == "link-expired"
    reader.get("/account/sign-in/")
    assert refused(reader.post(path)) == "link-expired"
    assert state_of(ada) == "active"


def test_nobody_freezes_by_guessing(ada: User) -> None:
    path = told(ada)
    secret = path.split("/")[2]
    reader = Browser()
    for guess in ("x", secret[:-1], secret.swapcase(), secret + "A", "A" * 5000, "ada", str(ada.pk), "%00"):
        reader.get("/account/sign-in/")
        answer = reader.post(f"/not-me/{guess}/")
        assert refused(answer) == "link-unknown", guess
        assert answer.status_code == 404
    assert state_of(ada) == "active"
    assert not Mail.objects.filter(kind="account-frozen").exists()


def test_a_link_for_something_else_does_not_freeze(ada: User) -> None:
    path = links.make_link_for(ada, links.REVERT_ADDRESSES, now=clock.now())
    reader = Browser()
    assert refused(reader.get(path.replace("revert-addresses", "not-me"))) == "link-unknown"


def test_a_scanner_that_follows_the_link_freezes_nobody(ada: User) -> None:
    path = told(ada)
    scanner = Browser()
    assert scanner.get(path).status_code == 200
    assert scanner.client.head(path).status_code == 200
    assert scanner.client.post(path).status_code == 403
    assert state_of(ada) == "active"


def test_the_address_that_was_told_hears_of_it_also_where_it_was_taken_off(ada: User) -> None:
    path = told(ada)
    Email.objects.filter(user=ada).update(address="thief@example.org")
    Browser().post(path)
    assert letters_to(ADDRESS, "account-frozen")
    assert letters_to("thief@example.org", "account-frozen")


def test_who_is_signed_in_freezes_by_two_steps(ada: User) -> None:
    _, browser = signed_in(ada)
    for page in ("/account/sessions/", "/account/history/"):
        assert "/account/freeze/" in browser.get(page).content.decode()
    browser.get("/account/freeze/")
    assert state_of(ada) == "active"
    assert browser.post("/account/freeze/").status_code == 200
    assert state_of(ada) == "frozen"
    assert Record.objects.get(action="account.freeze").actor_id == ada.pk
    assert browser.get("/account/").status_code == 302


def test_only_operators_see_who_is_frozen(ada: User) -> None:
    _, browser = signed_in(ada)
    assert browser.get("/operator/accounts/").status_code == 403
    assert Browser().get("/operator/accounts/").status_code == 302


def test_a_freeze_that_is_cut_off_leaves_nothing_behind(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = told(ada).split("/")[2]
    session, _ = signed_in(ada)

    def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    monkeypatch.setattr(freezing, "tell_operators", die)
    with pytest.raises(RuntimeError):
        freezing.freeze_by_link(secret, Visitor(), clock.now())
    assert state_of(ada) == "active"
    assert Session.objects.filter(pk=session.pk).exists()
    assert not Mail.objects.filter(kind="account-frozen").exists()


@pytest.mark.django_db(transaction=True)
def test_of_many_that_freeze_at_once_one_tells() -> None:
    ada = make_person()
    secrets = [told(ada).split("/")[2] for _ in range(3)]
    done = at_once([partial(freezing.freeze_by_link, one, Visitor(), clock.now()) for one in secrets * 2])
    assert all(isinstance(one, User) for one in done), done
    assert Record.objects.filter(action="account.freeze-by-link").count() == 1
    assert len(letters_to(ADDRESS, "account-frozen")) == 1
