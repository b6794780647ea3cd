from __future__ import annotations

from typing import Any

import pytest
from django.db import OperationalError

from keyhouse.accounts.models import Authenticator, User
from keyhouse.core import clock
from keyhouse.core.actions import Action, get_action
from keyhouse.core.actor import NOBODY, Actor, Strength, host, job
from keyhouse.core.errors import (
    AccountHeld,
    CredentialWeak,
    EmailUnverified,
    GateUnavailable,
    RoleRequired,
    SecondFactorRequired,
    SignInRequired,
)
from keyhouse.mandate import gates, queries
from keyhouse.mandate.gates import SecondFactorGate, refusal_of
from keyhouse.mandate.rules import Decision, Fix

GATE = SecondFactorGate()
STRONG = Strength(frozenset({"password", "totp"}))


def ask(actor: Actor, action: str = "project.manage") -> None:
    GATE.require(actor, get_action(action), None)


def person(**facts: Any) -> Actor:
    defaults: dict[str, Any] = {
        "kind": "session",
        "user_id": 1,
        "strength": STRONG,
        "email_is_verified": True,
    }
    return Actor(**(defaults | facts))


def test_a_strong_verified_person_passes_without_a_question_to_the_database() -> None:
    ask(person())  # this test may not use the database
    ask(host())
    ask(job("pages"), "host.command")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("facts", "refusal"),
    [
        ({"strength": Strength(frozenset({"password"}))}, SecondFactorRequired),
        ({"kind": "token", "strength": Strength(frozenset({"password"}))}, CredentialWeak),
        ({"email_is_verified": False}, EmailUnverified),
        ({"state": "held"}, AccountHeld),
        ({"state": "password-disabled"}, AccountHeld),
        ({"kind": "publisher"}, RoleRequired),
    ],
)
def test_refusals_name_their_situation_and_a_fix(facts: dict[str, Any], refusal: type[Exception]) -> None:
    with pytest.raises(refusal) as raised:
        ask(person(**facts))
    assert getattr(raised.value, "fix", "")


def test_nobody_is_asked_to_sign_in() -> None:
    with pytest.raises(SignInRequired):
        ask(NOBODY)


@pytest.mark.django_db
def test_tokens_of_an_account_with_a_leaked_password_need_a_factor_enrolled_now() -> None:
    user = User.objects.create(username="ada", joined_at=clock.now())
    actor = person(kind="token", user_id=user.pk, state="password-disabled")
    with pytest.raises(AccountHeld):
        ask(actor, "release.upload")
    Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=clock.now())
    ask(actor, "release.upload")


def test_facts_that_cannot_be_gathered_close_the_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(user_id: int | None) -> bool:
        raise OperationalError

    monkeypatch.setattr(queries, "has_second_factor", fail)
    with pytest.raises(GateUnavailable):
        ask(person(strength=Strength()))


def test_a_denial_by_an_unknown_code_closes_the_gate() -> None:
    assert isinstance(
        refusal_of(Decision("deny", "something-new", "No.", Fix("Wait.", "/"))), GateUnavailable
    )


def test_every_code_of_the_gate_is_told_by_the_refusal_of_that_code() -> None:
    for code in gates.REFUSALS:
        assert refusal_of(Decision("deny", code, "Said.", Fix("Do.", "/"))).line == f"{code}: Said."


def test_the_gate_does_not_know_actions_by_prefix() -> None:
    made_up = Action("release.upload-anything", "made up", gated=True)
    with pytest.raises(SignInRequired):
        GATE.require(NOBODY, made_up, None)
