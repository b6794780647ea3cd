"""The gate on real rows: what it gathers, how it refuses, and what it does when it can't find out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test.utils import CaptureQueriesContext
from hypothesis import given, settings
from tests.mandate.building import ANNOUNCED, ENFORCED, GATED, LONG_AGO, at
from tests.mandate.stored import document, make_project, make_user, retire_default, session_of, store
from tests.mandate.strategies import any_facts, instants, several_policies

from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.core import clock, configuration
from keyhouse.core.actions import Action, Thing, get_action
from keyhouse.core.actor import NOBODY, Actor, Strength, host, job
from keyhouse.core.errors import (
    AccountFrozen,
    AccountHeld,
    CredentialWeak,
    EmailUnverified,
    GateUnavailable,
    Refusal,
    RoleRequired,
    SecondFactorRequired,
    SignInRequired,
    StepUpRequired,
)
from keyhouse.mandate import gates, history, queries
from keyhouse.mandate.facts import Authority, Exempted, Facts, Notice
from keyhouse.mandate.gates import MandateGate, caution_of, judge, refusal_of, weigh
from keyhouse.mandate.models import CriticalProject, Exemption, MandateVersion
from keyhouse.mandate.models import Notice as NoticeRow
from keyhouse.mandate.rules import Decision, Fix, Policy, decide
from keyhouse.projects.models import Project

GATE = MandateGate()
ALPHA = Thing("project", 1, "alpha")


@pytest.fixture
def ada(db: None) -> User:
    user = make_user("ada")
    make_project("alpha", user)
    return user


def ask(actor: Actor, action: str = "project.manage", thing: Thing | None = None) -> Any:
    return GATE.require(actor, get_action(action), thing)


def refusal(actor: Actor, action: str = "project.manage", thing: Thing | None = None) -> Refusal:
    with pytest.raises(Refusal) as raised:
        ask(actor, action, thing)
    return raised.value


def token_of(user: User, *methods: str) -> Actor:
    return replace(session_of(user, *(methods or ("password", "totp"))), kind="token", credential="token-1")


# ---- the default mandate on real rows


def test_a_strong_person_passes_and_a_weak_one_is_told_what_to_do(ada: User) -> None:
    assert ask(session_of(ada)) is None
    for methods in (("password",), ("password", "recovery_code")):
        told = refusal(session_of(ada, *methods))
        assert isinstance(told, SecondFactorRequired)
        assert told.fix
        assert told.decision is not None
        assert (told.decision["mandate"], told.decision["verdict"]) == ("default", "deny")
    assert isinstance(refusal(token_of(ada, "password"), "release.upload", ALPHA), CredentialWeak)


def test_what_an_actor_says_of_itself_is_not_believed(ada: User) -> None:
    """State, address and operator's role are read from the rows, not taken from the session in hand."""
    Email.objects.update(verified_at=None)
    assert isinstance(refusal(replace(session_of(ada), email_is_verified=True)), EmailUnverified)
    User.objects.update(state="held")
    assert isinstance(refusal(replace(session_of(ada), state="active")), AccountHeld)
    User.objects.update(state="frozen")
    assert isinstance(refusal(session_of(ada)), AccountFrozen)


def test_it_is_the_primary_address_that_must_be_verified(ada: User) -> None:
    Email.objects.update(verified_at=None)
    now = clock.now()
    Email.objects.create(user=ada, address="other@example.org", verified_at=now, added_at=now)
    assert isinstance(refusal(session_of(ada)), EmailUnverified)
    assert isinstance(refusal(token_of(ada), "release.upload", ALPHA), EmailUnverified)


def test_an_account_that_is_gone_opens_nothing(db: None) -> None:
    gone = Actor("session", 999, "ghost", strength=Strength(frozenset({"password", "totp"}), clock.now()))
    assert isinstance(refusal(gone), AccountFrozen)


def test_nobody_jobs_publishers_and_the_host(db: None) -> None:
    assert isinstance(refusal(NOBODY), SignInRequired)
    assert isinstance(refusal(Actor("publisher"), "project.manage"), RoleRequired)
    assert isinstance(refusal(job("pages"), "project.manage"), RoleRequired)
    ask(job("pages"), "host.command")
    ask(host(), "user.create")


def test_who_has_no_authority_is_left_alone_and_operators_never_are(db: None) -> None:
    bob = make_user("bob")
    ask(session_of(bob, "password"))
    User.objects.update(is_operator=True)
    assert isinstance(refusal(session_of(bob, "password")), SecondFactorRequired)
    retire_default()
    floor = refusal(session_of(bob, "password"))
    assert floor.decision is not None
    assert floor.decision["mandate"] == "operators-floor"


def test_authority_is_looked_up_at_the_instant_it_is_used(ada: User) -> None:
    """A28: a role that comes or goes between two requests counts at the second."""
    bob = make_user("bob")
    ask(session_of(bob, "password"))
    make_project("beta", bob)
    assert isinstance(refusal(session_of(bob, "password")), SecondFactorRequired)
    Project.objects.filter(name="beta").delete()
    ask(session_of(bob, "password"))


def test_tokens_of_an_account_with_a_leaked_password_need_a_factor_enrolled_now(ada: User) -> None:
    User.objects.update(state="password-disabled")
    actor = token_of(ada)
    assert isinstance(refusal(actor, "release.upload", ALPHA), AccountHeld)
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=clock.now())
    ask(actor, "release.upload", ALPHA)


def test_an_old_proof_is_asked_for_anew(ada: User) -> None:
    old = session_of(ada, at=clock.now() - timedelta(minutes=16))
    assert isinstance(refusal(old, "release.yank", ALPHA), StepUpRequired)
    ask(old, "project.manage", ALPHA)


def test_readers_of_a_private_index_are_covered(ada: User, monkeypatch: pytest.MonkeyPatch) -> None:
    bob = make_user("bob")
    ask(session_of(bob, "password"), "index.read-private")
    private = configuration.read({"KEYHOUSE_READS": "private", "KEYHOUSE_ENVIRONMENT": "test"})
    monkeypatch.setattr(configuration, "_current", private)
    assert isinstance(refusal(session_of(bob, "password"), "index.read-private"), SecondFactorRequired)


# ---- what is gathered


def test_facts_hold_roles_notices_exemptions_and_criticality(ada: User) -> None:
    row = store(document(who={"everyone": True}))
    make_project("beta", make_user("bob"))
    NoticeRow.objects.create(user=ada, mandate="campaign", kind="shown", delivered_at=ANNOUNCED)
    exemption = Exemption.objects.create(
        user=ada, version=row, reason="r", until=ENFORCED, proposed_at=LONG_AGO, proposed_by="bob",
        approved_at=LONG_AGO, approved_by=["eve"], effective_at=LONG_AGO,
    )  # fmt: skip
    for name in ("alpha", "beta"):
        CriticalProject.objects.create(
            criterion="c",
            normalized_name=name,
            lineage=Project.objects.get(name=name).lineage,
            since_at=ANNOUNCED,
        )
    Authenticator.objects.create(user=ada, name="phone", secret_sealed="x", created_at=LONG_AGO)
    actor = token_of(ada, "password")
    facts, policies = queries.gather(actor, "release.upload", ALPHA, clock.now())
    assert facts.person.name == "ada"
    assert (facts.person.joined_at, facts.person.verified_email) == (LONG_AGO, True)
    assert (facts.person.factors, facts.person.recovery_codes) == (("authenticator-app",), 0)
    assert facts.authority == (
        Authority("project", "alpha", "owner", at("2020-01-02"), "own", frozenset({"c"}), ANNOUNCED),
    )
    assert facts.notices == (Notice("campaign", "shown", ANNOUNCED),)
    assert facts.exemptions == (Exempted("campaign", 1, ENFORCED, LONG_AGO),)
    assert (facts.asking.kind, sorted(facts.asking.proved)) == ("token", ["password"])
    assert [one.label for one in policies] == ["campaign@1", "default@1"]
    for change in ({"effective_at": None}, {"effective_at": LONG_AGO, "withdrawn_at": LONG_AGO}):
        Exemption.objects.filter(pk=exemption.pk).update(**change)
        assert queries.gather(actor, "release.upload", ALPHA, clock.now())[0].exemptions == ()


def test_facts_are_gathered_by_two_questions_and_a_changed_ledger_costs_three_more(ada: User) -> None:
    store(document())
    with CaptureQueriesContext(connection) as first:
        judge(session_of(ada), "project.manage", ALPHA)
    with CaptureQueriesContext(connection) as second:
        judge(session_of(ada), "project.manage", ALPHA)
    assert (len(first), len(second)) == (5, 2)


def test_a_change_of_mandates_is_noticed_at_once(ada: User) -> None:
    weak = session_of(ada, "password")
    assert isinstance(refusal(weak), SecondFactorRequired)
    retire_default()
    ask(weak)
    store(document(stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}]), origin="seeded")
    assert isinstance(refusal(weak), SecondFactorRequired)


@pytest.mark.parametrize(
    "change", [{"effective_at": None}, {"withdrawn_at": LONG_AGO}, {"effective_at": at("2999-01-01")}]
)
def test_versions_that_wait_or_were_withdrawn_say_nothing(ada: User, change: dict[str, Any]) -> None:
    retire_default()
    store(
        document(stages=[{"state": "enforced", "at": ANNOUNCED, "deny": ["all"]}]), origin="seeded", **change
    )
    ask(session_of(ada, "password"))


def test_seeded_history_and_the_default_wait_for_no_notice_and_applied_mandates_do(ada: User) -> None:
    retire_default()
    moment = clock.now() - timedelta(days=1)
    stages = [{"state": "enforced", "at": moment, "deny": ["all"]}]
    weak = session_of(ada, "password")
    store(document(stages=stages), origin="applied")
    assert queries.live_policies(clock.now())[0].is_floor_exempt is False
    ask(weak)
    MandateVersion.objects.filter(name="campaign").delete()
    store(document(stages=stages), origin="seeded")
    assert isinstance(refusal(weak), SecondFactorRequired)


# ---- when facts can't be gathered (G7)


def fail(*args: Any, **kwargs: Any) -> Any:
    raise OperationalError("the database is away")


@pytest.mark.parametrize("action", GATED)
def test_facts_that_cannot_be_gathered_close_the_gate_loudly(
    ada: User, action: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(queries, "basis_of", fail)
    with caplog.at_level(logging.ERROR, logger="keyhouse.mandate"):
        assert isinstance(refusal(session_of(ada), action, ALPHA), GateUnavailable)
    assert f"the gate can't gather facts, so {action} is refused" in caplog.text


def test_a_stored_version_that_cannot_be_read_closes_the_gate(ada: User) -> None:
    """Nothing writes such a row; should a hand do it, the gate must not take it for no mandate at all."""
    row = store(document())
    MandateVersion.objects.filter(pk=row.pk).update(document={"name": "campaign"})
    store(document(name="another"))
    assert isinstance(refusal(session_of(ada)), GateUnavailable)


# ---- from decision to refusal or caution


def test_a_denial_by_an_unknown_code_closes_the_gate() -> None:
    told = refusal_of(Decision("deny", "something-new", "No.", reason="No.", fix=Fix("Wait.", "/")))
    assert isinstance(told, GateUnavailable)


def test_every_code_of_the_gate_is_told_by_the_refusal_of_that_code() -> None:
    for code in gates.REFUSALS:
        told = refusal_of(Decision("deny", code, reason="Said.", fix=Fix("Do.", "/")))
        assert (told.line, told.fix) == (f"{code}: Said.", "Do.")
        assert told.decision is not None


@settings(max_examples=500, deadline=None)
@given(any_facts(), several_policies(), instants())
def test_there_is_no_denial_without_a_refusal_of_its_code(
    facts: Facts, rules: list[Policy], now: Any
) -> None:
    decision = decide(facts, rules, now)
    if decision.verdict == "deny":
        assert refusal_of(decision).code == decision.code
        assert caution_of(decision) is None


def test_a_warning_becomes_a_caution(ada: User, set_clock: Callable[[Any], None]) -> None:
    retire_default()
    store(document(), origin="seeded")
    set_clock(at("2024-07-01"))
    caution = ask(session_of(ada, "password"), "project.manage", ALPHA)
    assert (caution.until, caution.mandate, caution.path) == (
        at("2024-09-02"),
        "campaign",
        "/account/second-factors/",
    )
    assert caution.line.startswith(
        "second-factor-required: This needs a second factor. Mandate campaign will refuse"
    )
    assert ask(session_of(ada), "project.manage", ALPHA) is None


def test_the_gate_does_not_know_actions_by_prefix(ada: User) -> None:
    made_up = Action("release.upload-anything", "made up", gated=True)
    with pytest.raises(GateUnavailable):
        GATE.require(session_of(ada), made_up, None)


def test_a_dry_run_weighs_as_the_gate_does_and_keeps_nothing(
    ada: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept: list[Any] = []
    monkeypatch.setattr(history, "note", lambda *given: kept.append(given))
    for actor in (session_of(ada), session_of(ada, "password"), token_of(ada, "password")):
        for action in GATED:
            now = clock.now()
            assert weigh(actor, action, ALPHA, now)[1].code == judge(actor, action, ALPHA).code
    assert len(kept) == 3 * len(GATED)
