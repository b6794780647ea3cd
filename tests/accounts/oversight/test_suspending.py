"""A suspended account is closed to everything, and nothing but an operator opens it again."""

from __future__ import annotations

from functools import partial

import pytest
from tests.accounts.addresses.mailbox import letter_to, letters_to, path_in
from tests.accounts.conftest import (
    PASSWORD,
    Browser,
    at_once,
    give_project,
    make_person,
    refused,
    signed_in,
)

from keyhouse.accounts import emails, freezing, links
from keyhouse.accounts.models import OneTimeLink, RecoveryCase, Session, Suspension, User
from keyhouse.accounts.oversight.errors import NotSuspended, OperatorNeeded, OwnAccount, WhyMissing
from keyhouse.accounts.oversight.suspending import (
    end_sessions_of,
    off_board,
    reinstate_user,
    suspend_user,
)
from keyhouse.accounts.recovering import make_enrolment_link
from keyhouse.accounts.recovery.asking import ask_for_mail
from keyhouse.accounts.sessions import actor_of
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor, Strength, host
from keyhouse.core.errors import AccountSuspended, Refusal, RoleRequired
from keyhouse.credentials.tokens.models import Change, Token
from keyhouse.credentials.tokens.services import mint_token
from keyhouse.mail.letters import Letter, Text
from keyhouse.mail.models import Mail

pytestmark = pytest.mark.django_db
WHY = "laptop stolen"


def actor(user: User) -> Actor:
    session, _ = signed_in(user)
    return actor_of(session)


def state_of(user: User) -> str:
    return User.objects.get(pk=user.pk).state


def suspend(user: User, by: Actor | None = None) -> bool:
    return suspend_user(user, WHY, by=by or host(), now=clock.now())


def test_nothing_works_in_a_suspended_account_and_all_of_it_afterwards(ada: User) -> None:
    root = make_person("root", is_operator=True)
    give_project(ada)
    terms = {"project_ids": None, "expires_in_days": 30, "actions": ["upload"], "reason": "all of them"}
    token, _ = mint_token(ada, description="ci", by=host(), **terms)  # type: ignore[arg-type]  # as a form has them
    _, browser = signed_in(ada)
    change = Change.objects.get().value if Change.objects.exists() else 0
    assert suspend(ada, actor(root))
    assert state_of(ada) == "suspended"
    assert not Session.objects.filter(user=ada).exists()
    assert browser.get("/account/").status_code == 302
    assert Change.objects.get().value > change  # private readers ask anew
    strong = Strength(frozenset({"password", "webauthn"}), clock.now())
    for kind, action in (
        ("session", "token.mint"),
        ("token", "release.upload"),
        ("token", "index.read-private"),
        ("publisher", "release.upload"),
    ):
        with pytest.raises(AccountSuspended):
            actions.require_gate(Actor(kind, ada.pk, "ada", strength=strong), action)  # type: ignore[arg-type]  # all are kinds
    assert refused(Browser().sign_in()) == "account-suspended"
    assert (
        refused(Browser().sign_in("ada", "wrong")) != "account-suspended"
    )  # told to who knows the password alone
    Token.objects.get(pk=token.pk, revoked_at=None)
    assert WHY in str(letter_to("ada@example.org", "account-suspended"))
    reinstate_user(ada, "found", by=actor(root), now=clock.now())
    assert state_of(ada) == "active"
    assert Browser().be_known(ada).sign_in().status_code in {302, 303}
    actions.require_gate(Actor("token", ada.pk, "ada", strength=strong), "release.upload")
    assert letters_to("ada@example.org", "account-reinstated")


def test_no_way_back_opens_it(ada: User) -> None:
    make_person("root", is_operator=True)
    host_link = make_enrolment_link(ada, by=host())
    suspend(ada)
    assert not OneTimeLink.objects.filter(username="ada", used_at=None, purpose=links.ENROLMENT).exists()
    assert Browser().get(host_link).status_code == 404
    Mail.objects.all().delete()
    ask_for_mail("ada", Visitor(), clock.now())
    assert not Mail.objects.exists()
    with pytest.raises(AccountSuspended):
        make_enrolment_link(ada, by=host())
    browser = Browser()
    browser.get("/account/password/forgotten/")
    browser.post("/account/password/forgotten/", {"username": "ada", "identifier": "ada"})
    assert not Mail.objects.exists()
    assert not RecoveryCase.objects.filter(state="open").exists() or state_of(ada) == "suspended"
    assert state_of(ada) == "suspended"


def test_a_case_that_was_open_is_stopped(ada: User) -> None:
    make_person("root", is_operator=True)
    ask_for_mail("ada", Visitor(), clock.now())
    browser = Browser()
    path = path_in(letter_to("ada@example.org", "recovery.asked"), "recovery")
    browser.get(path)
    browser.post(path, {"password": PASSWORD})
    assert RecoveryCase.objects.get().state == "open"
    suspend(ada)
    assert RecoveryCase.objects.get().state == "stopped"
    browser.post(path, {"password": PASSWORD})
    assert RecoveryCase.objects.get().state == "stopped"
    assert state_of(ada) == "suspended"


def test_what_is_frozen_meanwhile_is_frozen_afterwards(ada: User) -> None:
    from django.db import transaction  # noqa: PLC0415 - beside its one use

    with transaction.atomic():
        emails.tell(ada, Letter("something", "Something", (Text("It happened."),)), now=clock.now())
    path = path_in(letter_to("ada@example.org", "something"), "not-me")
    suspend(ada)
    freezing.freeze_by_link(path.strip("/").split("/")[-1], Visitor(), clock.now())
    assert state_of(ada) == "suspended"
    reinstate_user(ada, WHY, by=host(), now=clock.now())
    assert state_of(ada) == "frozen"


def test_who_has_left_leaves_no_token_and_no_office_behind(ada: User) -> None:
    root = make_person("root", is_operator=True)
    User.objects.filter(pk=ada.pk).update(is_moderator=True, is_operator=True)
    give_project(ada)
    terms = {"project_ids": None, "expires_in_days": 30, "actions": ["upload"], "reason": "all of them"}
    mint_token(ada, description="ci", by=host(), **terms)  # type: ignore[arg-type]  # as a form has them
    suspend(ada)
    assert off_board(ada, "left", by=actor(root), now=clock.now())  # a suspension becomes final
    assert not off_board(ada, "left", by=actor(root), now=clock.now())
    assert not suspend(ada)
    ada.refresh_from_db()
    assert (ada.is_operator, ada.is_moderator, ada.state) == (False, False, "suspended")
    assert not Token.objects.filter(user=ada, revoked_at=None).exists()
    assert ada.project_roles.count() == 1
    suspension = Suspension.objects.get()
    assert (suspension.is_final, suspension.state_before) == (True, "active")
    assert Record.objects.get(action="person.off-board").details["ended"] == 1


def test_it_is_done_once_however_often(ada: User) -> None:
    assert suspend(ada)
    assert not suspend(ada)
    assert Record.objects.filter(action="person.suspend").count() == 1
    assert len(letters_to("ada@example.org", "account-suspended")) == 1
    reinstate_user(ada, WHY, by=host(), now=clock.now())
    with pytest.raises(NotSuspended):
        reinstate_user(ada, WHY, by=host(), now=clock.now())
    assert Record.objects.filter(action="person.reinstate").count() == 1


def test_refusals_leave_nothing_behind(ada: User) -> None:
    root = make_person("root", is_operator=True)
    by, before = actor(root), Record.objects.count()
    Mail.objects.all().delete()
    now = clock.now()
    with pytest.raises(WhyMissing):
        suspend_user(ada, " \n", by=by, now=now)
    with pytest.raises(OwnAccount):
        suspend_user(root, WHY, by=by, now=now)
    with pytest.raises(OperatorNeeded):
        suspend_user(root, WHY, by=host(), now=now)
    with pytest.raises(RoleRequired):
        suspend_user(root, WHY, by=actor(ada), now=now)
    with pytest.raises(RoleRequired):
        end_sessions_of(root, WHY, by=actor(ada), now=now)
    assert not Suspension.objects.exists()
    assert (Record.objects.count(), Mail.objects.count()) == (before, 0)


def test_ending_sessions_ends_all_and_no_more(ada: User) -> None:
    root = make_person("root", is_operator=True)
    _, browser = signed_in(ada)
    by = actor(root)
    assert end_sessions_of(ada, WHY, by=by, now=clock.now()) == 1
    assert browser.get("/account/").status_code == 302
    assert state_of(ada) == "active"
    assert Session.objects.filter(user=root).exists()
    assert Record.objects.get(action="person.end-sessions").details["sessions"] == 1


def test_a_session_between_its_factors_ends_too(ada: User) -> None:
    browser = Browser().be_known(ada)
    browser.sign_in()
    suspend(ada)
    assert browser.get("/account/second-factor/").status_code == 303
    assert not Session.objects.filter(user=ada).exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_operators_who_close_each_other_one_stays() -> None:
    one, two = make_person("one", is_operator=True), make_person("two", is_operator=True)
    acts = [partial(suspend, two, actor(one)), partial(suspend, one, actor(two))]
    outcomes = at_once(acts)
    assert sorted(isinstance(outcome, Refusal) for outcome in outcomes) == [False, True]
    assert User.objects.filter(is_operator=True, state="active").count() == 1
    assert Record.objects.filter(action="person.suspend", outcome="done").count() == 1
