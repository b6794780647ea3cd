from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import pytest

from keyhouse.core import actions
from keyhouse.core.actor import Strength
from keyhouse.mandate.rules import Facts, Person, decide

STRONG = [{"password", "totp"}, {"password", "webauthn"}, {"passkey"}, {"password", "totp", "recovery_code"}]
WEAK: list[set[str]] = [set(), {"password"}, {"recovery_code"}, {"password", "recovery_code"}]
GATED = sorted(name for name, action in actions.CATALOGUE.items() if action.gated)


def facts(
    kind: str = "session",
    methods: set[str] | None = None,
    state: str = "active",
    action: str = "project.manage",
    *,
    is_verified: bool = True,
    has_factor: bool = True,
) -> Facts:
    proved = Strength(frozenset(STRONG[0] if methods is None else methods), datetime(2026, 1, 1, tzinfo=UTC))
    return Facts(kind, proved, Person(state, is_verified, has_factor), action)


def code_of(given: Facts) -> str:
    decision = decide(given)
    assert (decision.verdict == "allow") is (decision.code == "") is (decision.fix is None)
    return decision.code


@pytest.mark.parametrize("kind", ["session", "token"])
@pytest.mark.parametrize("methods", STRONG)
def test_a_second_factor_opens(kind: str, methods: set[str]) -> None:
    assert code_of(facts(kind, methods)) == ""


@pytest.mark.parametrize("action", GATED)
@pytest.mark.parametrize("methods", WEAK)
def test_anything_less_opens_nothing(action: str, methods: set[str]) -> None:
    assert code_of(facts("session", methods, action=action)) == "second-factor-required"
    assert code_of(facts("token", methods, action=action)) == "credential-weak"


def test_the_fix_depends_on_what_the_person_has() -> None:
    enrolled = decide(facts(methods={"password"})).fix
    bare = decide(facts(methods={"password"}, has_factor=False)).fix
    assert enrolled is not None
    assert bare is not None
    assert (enrolled.path, bare.path) == ("/account/step-up/", "/account/second-factors/")


# state and kind → code, for somebody strong with a verified address
STATES = {
    ("active", "session"): "",
    ("active", "token"): "",
    ("held", "session"): "account-held",
    ("held", "token"): "account-held",
    ("frozen", "session"): "account-frozen",
    ("frozen", "token"): "account-frozen",
    ("password-disabled", "session"): "account-held",
    ("password-disabled", "token"): "",
    ("deleted", "session"): "account-frozen",
    ("deleted", "token"): "account-frozen",
    ("never-heard-of", "session"): "account-frozen",
}


@pytest.mark.parametrize(("state", "kind"), STATES)
def test_the_state_of_the_account_decides_first(state: str, kind: str) -> None:
    assert code_of(facts(kind, state=state)) == STATES[state, kind]


def test_tokens_rest_after_a_leak_when_the_password_alone_guards_the_account() -> None:
    assert code_of(facts("token", state="password-disabled", has_factor=False)) == "account-held"


def test_a_hold_stops_publishing_and_not_installing() -> None:
    assert code_of(facts("token", state="held", action="release.upload")) == "account-held"
    assert code_of(facts("token", state="held", action="index.read-private")) == ""
    assert code_of(facts("token", state="frozen", action="index.read-private")) == "account-frozen"


def test_no_combination_of_weakness_is_let_through() -> None:
    everything = product(
        ["session", "token"], [*STRONG, *WEAK], [state for state, _ in STATES], [True, False]
    )
    for kind, methods, state, is_verified in everything:
        code = code_of(facts(kind, methods, state, is_verified=is_verified))
        is_strong = methods in STRONG
        is_usable = STATES.get((state, kind), "account-frozen") == ""
        assert (code == "") is (is_strong and is_usable and is_verified)


def test_the_objections_come_in_their_order() -> None:
    assert code_of(facts(methods=set(), state="frozen", is_verified=False)) == "account-frozen"
    assert code_of(facts(methods=set(), state="held", is_verified=False)) == "account-held"
    assert code_of(facts(methods=set(), is_verified=False)) == "email-unverified"


@pytest.mark.parametrize("action", GATED)
def test_the_host_proposes_and_jobs_do_their_own_work_only(action: str) -> None:
    assert code_of(facts("host", set(), action=action, is_verified=False)) == ""
    expected = "" if action == "host.command" else "role-required"
    assert code_of(facts("job", set(), action=action, is_verified=False)) == expected


@pytest.mark.parametrize(("kind", "code"), [("nobody", "sign-in-required"), ("publisher", "role-required")])
def test_nobody_and_kinds_that_are_not_known_are_refused(kind: str, code: str) -> None:
    assert code_of(facts(kind)) == code


def test_a_decision_can_be_written_as_json() -> None:
    told = decide(facts(methods={"password"})).as_dict()
    assert (told["verdict"], told["code"]) == ("deny", "second-factor-required")
    assert told["fix"]["path"] == "/account/step-up/"
