from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connections
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import (
    DAY,
    LONG_AGO,
    NOW,
    document,
    enforced,
    make_operator,
    make_person,
    make_project,
    mandate,
    session_of,
)

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.errors import ApprovalRefused, ProposalOver
from keyhouse.audit.models import Record
from keyhouse.core.actor import Actor, host, job
from keyhouse.core.errors import GateUnavailable, RoleRequired, SecondFactorRequired, StepUpRequired
from keyhouse.index.sketches import Registers, add, encode
from keyhouse.mandate import defaults, previews, queries, unanswered
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.errors import (
    ExemptionInvalid,
    MandateMissing,
    MandateRefused,
)
from keyhouse.mandate.models import Change, CriticalProject, Exemption, MandateVersion, Notice
from keyhouse.mandate.services import (
    approve_exemption,
    approve_version,
    let_go_of,
    note_shown,
    propose_exemption,
    propose_version,
    seed_exemption,
    seed_version,
    store_default,
    withdraw_exemption,
    withdraw_version,
)
from keyhouse.projects.models import ClientSketch, Project

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired")]


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    return set_clock


@pytest.fixture
def ops() -> User:
    return make_operator("ops")


@pytest.fixture
def other(ops: User) -> User:
    return make_operator("other")


@pytest.fixture
def ada() -> User:
    user = make_person("ada")
    make_project("alpha", user)
    return user


def default_without(*changes: tuple[str, Any]) -> dict[str, Any]:
    return {**defaults.DOCUMENT, **dict(changes)}


def looser_default() -> Any:
    """Return the default, for owners of projects alone."""
    return read_mandate(default_without(("who", {"role": ["project.owner"]})))


def live_names(at: datetime = NOW) -> list[tuple[str, int]]:
    return [(one.name, one.version) for one in queries.live_policies(at)]


def nothing_written() -> bool:
    ledger = MandateVersion.objects.exclude(origin="default").exists() or Exemption.objects.exists()
    return not ledger and not Record.objects.filter(action__startswith="mandate.").exists()


# ---- proposing


def test_what_loosens_nothing_takes_effect_at_once_and_is_recorded_once(ops: User, other: User) -> None:
    before = queries.read_change()
    row = propose_version(mandate(), by=session_of(ops))
    assert (row.version, row.effective_at, row.is_loosening, row.origin) == (1, NOW, False, "applied")
    assert (row.proposed_by, row.approved_by) == ("ops", [])
    assert live_names() == [("default", 1), ("keys", 1)]
    assert queries.read_change() not in {0, before}
    record = Record.objects.get(action="mandate.propose")
    assert record.about_name == "keys@1"
    assert record.details["effective_at"] == "2026-06-02T00:00:00Z"


def test_what_loosens_waits_for_another_operator(ops: User, other: User) -> None:
    row = propose_version(looser_default(), by=session_of(ops))
    assert (row.is_loosening, row.effective_at, row.version) == (True, None, 2)
    assert live_names(NOW + 1000 * DAY) == [("default", 1)]
    approved = approve_version("default", 2, by=session_of(other))
    assert (approved.effective_at, approved.approved_by) == (NOW, ["other"])
    assert live_names() == [("default", 2)]
    assert Record.objects.filter(action="mandate.approve").count() == 1


@pytest.mark.parametrize("is_host", [True, False])
def test_a_sole_operator_loosens_a_day_later_and_may_take_it_back_until_then(
    ops: User, clocked: SetClock, is_host: bool
) -> None:
    make_operator("gone", state="frozen")
    by = host() if is_host else session_of(ops)
    row = propose_version(looser_default(), by=by)
    assert row.effective_at == NOW + DAY
    assert live_names(NOW + DAY - timedelta(microseconds=1)) == [("default", 1)]
    assert live_names(NOW + DAY) == [("default", 2)]
    with pytest.raises(ProposalOver):
        approve_version("default", 2, by=session_of(ops, age=timedelta()))  # nobody can hasten it
    withdraw_version("default", 2, by=host())
    assert live_names(NOW + DAY) == [("default", 1)]
    with pytest.raises(ProposalOver):
        withdraw_version("default", 2, by=host())


@pytest.mark.parametrize("state", ["frozen", "suspended"])
def test_what_a_sole_operator_announced_is_taken_back_where_their_account_is_closed_meanwhile(
    ops: User, ada: User, state: str
) -> None:
    """It may not have been them, and nobody else can say that it was."""
    row = exempt(ada, session_of(ops))
    propose_version(looser_default(), by=session_of(ops))
    assert unanswered.take_back(NOW) == 0
    before = queries.read_change()
    User.objects.filter(pk=ops.pk).update(state=state)
    assert unanswered.take_back(NOW) == 2
    assert (live_names(NOW + DAY), exempted(ada, NOW + DAY)) == ([("default", 1)], [])
    assert queries.read_change() != before
    assert sorted(Record.objects.filter(action="mandate.withdraw").values_list("about_kind", flat=True)) == [
        "exemption",
        "mandate",
    ]
    assert unanswered.take_back(NOW) == 0
    row.refresh_from_db()
    assert (row.withdrawn_at, row.withdrawn_by) == (NOW, "mandate")


def test_what_somebody_else_stands_behind_stays_whatever_becomes_of_who_proposed_it(
    ops: User, other: User
) -> None:
    propose_version(looser_default(), by=session_of(ops))
    User.objects.filter(pk=ops.pk).update(state="frozen")
    approve_version("default", 2, by=session_of(other))  # alone by now
    assert unanswered.take_back(NOW) == 0
    assert live_names(NOW + DAY) == [("default", 2)]


def test_what_the_host_announced_stays(ops: User) -> None:
    propose_version(looser_default(), by=host())
    User.objects.filter(pk=ops.pk).update(state="frozen")
    assert unanswered.take_back(NOW) == 0
    assert live_names(NOW + DAY) == [("default", 2)]


def test_a_version_in_effect_is_not_withdrawn(ops: User) -> None:
    propose_version(mandate(), by=host())
    with pytest.raises(ProposalOver):
        withdraw_version("keys", 1, by=host())
    assert live_names() == [("default", 1), ("keys", 1)]
    with pytest.raises(MandateMissing):
        withdraw_version("keys", 2, by=host())


def test_the_same_document_again_changes_nothing(ops: User, other: User) -> None:
    first = propose_version(mandate(), by=host())
    change = queries.read_change()
    assert propose_version(mandate(), by=session_of(ops)).pk == first.pk
    assert queries.read_change() == change
    waiting = propose_version(looser_default(), by=host())
    assert propose_version(looser_default(), by=session_of(ops)).pk == waiting.pk
    assert Record.objects.filter(action="mandate.propose").count() == 2


def test_proposing_the_untouched_default_gives_its_row(ops: User) -> None:
    row = propose_version(read_mandate(defaults.DOCUMENT), by=host())
    assert (row.version, row.origin) == (1, "default")
    assert MandateVersion.objects.count() == 1


def test_a_version_that_overtakes_one_ends_it(ops: User, other: User) -> None:
    propose_version(looser_default(), by=session_of(ops))
    title = read_mandate(default_without(("title", "Another title")))
    assert propose_version(title, by=session_of(ops)).effective_at == NOW
    with pytest.raises(ProposalOver):
        approve_version("default", 2, by=session_of(other))
    assert live_names() == [("default", 3)]


def test_what_waits_for_its_instant_is_overruled_by_what_holds_now(ops: User) -> None:
    propose_version(looser_default(), by=host())
    again = propose_version(read_mandate(defaults.DOCUMENT), by=host())
    assert (again.version, again.effective_at, again.is_loosening) == (3, NOW, False)
    assert live_names(NOW + 2 * DAY) == [("default", 3)]


def test_l6_what_waits_for_its_instant_is_no_ground_for_more(ops: User) -> None:
    make_project("alpha", make_person("eve", has_app=False))
    now_in_force = [{"state": "announced", "at": NOW - 90 * DAY}, enforced(NOW - 30 * DAY)]
    seed_version(mandate(stages=now_in_force), approved_by=["ops"], by=host())
    waiting = propose_version(mandate(stages=now_in_force[:1]), by=host())
    assert (waiting.is_loosening, waiting.effective_at) == (True, NOW + DAY)
    at_once = {"floor_days": 0, "unreached_cap_days": 0}
    paused = [*now_in_force, {"state": "paused", "at": NOW + DAY}]
    carried = propose_version(mandate(stages=paused, notice=at_once), by=host())
    assert (carried.is_loosening, carried.effective_at) == (True, NOW + DAY)
    assert all("a token" in one or "a session" in one for one in carried.plan["loosenings"])
    withdraw_version("keys", waiting.version, by=host())
    again = propose_version(mandate(stages=now_in_force, notice=at_once), by=host())
    assert (again.is_loosening, again.effective_at) == (False, NOW)
    assert live_names(NOW + 2 * DAY) == [("keys", again.version)]


def test_a_mandate_that_would_gate_people_without_notice_is_refused_whole(ada: User) -> None:
    bob = make_person("bob", has_app=False)
    make_project("beta", bob)
    past = mandate(stages=[enforced(LONG_AGO)], replaces=[])
    retired = seed_version(mandate("old"), approved_by=[], by=host())  # the default no longer asks bob
    Record.objects.all().delete()
    with pytest.raises(MandateRefused, match="bob"):
        propose_version(past, by=host())
    assert list(MandateVersion.objects.filter(name="keys")) == []
    assert not Record.objects.exists()
    assert retired.effective_at == defaults.BEGINNING


def test_only_operators_and_the_host_propose(ada: User, ops: User) -> None:
    for by in (session_of(ada), job("mandate")):
        with pytest.raises((RoleRequired, GateUnavailable)):
            propose_version(mandate(), by=by)
    with pytest.raises(SecondFactorRequired):
        propose_version(mandate(), by=session_of(ops, "password"))
    with pytest.raises(StepUpRequired):
        propose_version(mandate(), by=session_of(ops, age=timedelta(minutes=16)))
    assert nothing_written()


# ---- approving


def test_nobody_approves_what_they_proposed(ops: User, other: User) -> None:
    propose_version(looser_default(), by=session_of(ops))
    with pytest.raises(ApprovalRefused):
        approve_version("default", 2, by=session_of(ops))
    with pytest.raises(ApprovalRefused):
        approve_version("default", 2, by=host())
    with pytest.raises(ApprovalRefused):
        approve_version("default", 2, by=job("mandate"))
    assert live_names() == [("default", 1)]
    assert not Record.objects.filter(action="mandate.approve").exists()


def test_l6_what_the_host_proposes_takes_two_operators(ops: User, other: User) -> None:
    """Whoever has the machine may be one of them."""
    assert propose_version(looser_default(), by=host()).effective_at is None
    first = approve_version("default", 2, by=session_of(ops))
    assert (first.effective_at, first.approved_by) == (None, ["ops"])
    assert live_names(NOW + 1000 * DAY) == [("default", 1)]
    with pytest.raises(ApprovalRefused):
        approve_version("default", 2, by=session_of(ops))
    second = approve_version("default", 2, by=session_of(other))
    assert (second.effective_at, second.approved_by) == (NOW, ["ops", "other"])
    assert live_names() == [("default", 2)]
    assert Record.objects.filter(action="mandate.approve").count() == 2


def test_l6_an_operator_left_alone_approves_for_a_day_later(ops: User, other: User) -> None:
    propose_version(looser_default(), by=session_of(ops))
    User.objects.filter(pk=ops.pk).update(is_operator=False)
    row = approve_version("default", 2, by=session_of(other))
    assert (row.effective_at, row.approved_by) == (NOW + DAY, ["other"])
    assert live_names(NOW + DAY - timedelta(microseconds=1)) == [("default", 1)]
    with pytest.raises(ProposalOver):
        approve_version("default", 2, by=session_of(other))  # nobody can hasten it


def test_l6_an_approval_of_somebody_who_is_no_operator_any_more_does_not_count(
    ops: User, other: User
) -> None:
    third = make_operator("third")
    propose_version(looser_default(), by=host())
    approve_version("default", 2, by=session_of(ops))
    User.objects.filter(pk=ops.pk).update(state="frozen")
    assert approve_version("default", 2, by=session_of(other)).effective_at is None
    User.objects.filter(pk=third.pk).update(is_operator=False)
    assert approve_version("default", 2, by=session_of(other)).effective_at == NOW + DAY  # alone by now


def test_approval_needs_a_fresh_proof_of_an_operator(ada: User, ops: User, other: User) -> None:
    propose_version(looser_default(), by=host())
    with pytest.raises(StepUpRequired):
        approve_version("default", 2, by=session_of(ops, age=timedelta(minutes=16)))
    with pytest.raises(SecondFactorRequired):
        approve_version("default", 2, by=session_of(ops, "password"))
    with pytest.raises(RoleRequired):
        approve_version("default", 2, by=session_of(ada))
    token = Actor("token", ops.pk, "ops", strength=session_of(ops).strength, is_operator=True)
    with pytest.raises(ApprovalRefused):
        approve_version("default", 2, by=token)
    assert live_names() == [("default", 1)]


def test_what_is_over_is_not_approved(ops: User, other: User) -> None:
    propose_version(looser_default(), by=session_of(ops))
    with pytest.raises(MandateMissing):
        approve_version("default", 9, by=session_of(other))
    approve_version("default", 2, by=session_of(other))
    with pytest.raises(ProposalOver):
        approve_version("default", 2, by=session_of(other))
    wider = read_mandate(default_without(("who", {"user": ["eve"]})))
    propose_version(wider, by=session_of(ops))
    withdraw_version("default", 3, by=session_of(ops))
    with pytest.raises(ProposalOver):
        approve_version("default", 3, by=session_of(other))
    assert live_names() == [("default", 2)]


def test_approval_plans_anew(ada: User, ops: User, other: User, clocked: SetClock) -> None:
    """What left time enough when it was proposed may have come too close meanwhile."""
    make_person("bob", has_app=False)
    seed_version(mandate(who={"user": ["ada"]}, stages=[enforced(LONG_AGO)]), approved_by=["ops"], by=host())
    assert propose_version(mandate(who={"user": ["bob"]}), by=session_of(ops)).effective_at is None
    clocked(NOW + 150 * DAY)
    with pytest.raises(MandateRefused, match="bob"):
        approve_version("keys", 2, by=session_of(other))
    assert live_names() == [("keys", 1)]
    clocked(NOW)
    approve_version("keys", 2, by=session_of(other))
    assert live_names() == [("keys", 2)]


# ---- seeding


def test_a_seeded_history_takes_the_place_of_the_untouched_default() -> None:
    seed_version(mandate("everyone", stages=[enforced(LONG_AGO)]), approved_by=["ada", "bob"], by=host())
    seed_version(mandate("critical"), approved_by=["ada"], by=host())
    assert live_names() == [("critical", 1), ("everyone", 1)]
    retired = MandateVersion.objects.get(name="default", version=2)
    assert (retired.origin, retired.effective_at) == ("seeded", defaults.BEGINNING)
    row = MandateVersion.objects.get(name="everyone")
    assert (row.approved_by, row.origin) == (["ada", "bob"], "seeded")
    assert [one.is_floor_exempt for one in queries.live_policies(NOW)] == [True, True]


def test_a_changed_default_stays_beside_a_seeded_history(ops: User) -> None:
    propose_version(read_mandate(default_without(("title", "Ours"))), by=host())
    seed_version(mandate("everyone"), approved_by=[], by=host())
    assert live_names() == [("default", 2), ("everyone", 1)]


def test_the_default_can_be_seeded_as_another_one() -> None:
    seed_version(looser_default(), approved_by=[], by=host())
    assert live_names() == [("default", 2)]


def test_seeding_is_for_the_host_and_for_new_names(ops: User) -> None:
    with pytest.raises(RoleRequired):
        seed_version(mandate(), approved_by=[], by=session_of(ops))
    for name in ("operators-floor", "stranded", "requests"):
        with pytest.raises(MandateRefused, match=name):
            seed_version(mandate(name), approved_by=[], by=host())
    assert nothing_written()
    seed_version(mandate(), approved_by=[], by=host())
    with pytest.raises(MandateRefused, match="exists already"):
        seed_version(mandate(title="Other"), approved_by=[], by=host())
    assert MandateVersion.objects.filter(name="keys").count() == 1


def test_the_floor_has_no_mandate(ops: User) -> None:
    for name in ("operators-floor", "stranded", "requests"):
        with pytest.raises(MandateRefused, match=name):
            propose_version(mandate(name), by=host())
    assert nothing_written()


# ---- the default


def test_the_default_is_stored_once() -> None:
    store_default()
    change = queries.read_change()
    store_default()
    row = MandateVersion.objects.get()
    assert (row.name, row.version, row.origin, row.effective_at) == (
        "default",
        1,
        "default",
        defaults.BEGINNING,
    )
    assert (queries.read_change(), change != 0) == (change, True)
    assert row.digest == defaults.DEFAULT.mandate.digest
    assert queries.live_policies(NOW) == (defaults.DEFAULT,)
    assert Record.objects.get(action="mandate.propose").actor_kind == "job"


# ---- exemptions

TERMS: dict[str, Any] = {
    "until": NOW + 30 * DAY,
    "reason": "The key is in the mail.",
    "evidence": "Order 17",
    "control": "Publishes by a trusted publisher only.",
}


def exempt(user: User, by: Actor, **changes: Any) -> Exemption:
    return propose_exemption(user, changes.pop("name", "default"), **(TERMS | changes), by=by)


def exempted(user: User, at: datetime = NOW) -> list[str]:
    facts = queries.facts_of_person(user.pk)
    return [one.mandate for one in facts.exemptions if (one.since or at) <= at < one.until]


def test_an_exemption_waits_for_another_operator(ada: User, ops: User, other: User) -> None:
    row = exempt(ada, session_of(ops))
    assert (row.effective_at, str(row.version), exempted(ada)) == (None, "default@1", [])
    for by in (session_of(ops), host()):
        with pytest.raises(ApprovalRefused):
            approve_exemption(row.pk, by=by)
    with pytest.raises(StepUpRequired):
        approve_exemption(row.pk, by=session_of(other, age=timedelta(minutes=16)))
    assert exempted(ada) == []
    done = approve_exemption(row.pk, by=session_of(other))
    assert (done.effective_at, done.approved_by, exempted(ada)) == (NOW, ["other"], ["default"])
    assert exempted(ada, NOW + 30 * DAY) == []  # it ends by itself
    with pytest.raises(ProposalOver):
        approve_exemption(row.pk, by=session_of(other))
    acts = Record.objects.filter(action__startswith="exemption.").order_by("id")
    assert list(acts.values_list("action", flat=True)) == ["exemption.propose", "exemption.approve"]
    told = [(act.details["approved_by"], act.details["effective_at"]) for act in acts]
    assert told == [("", None), ("other", "2026-06-02T00:00:00Z")]


def test_what_a_closed_account_proposed_never_comes_to_hold(ada: User, ops: User) -> None:
    held = seed_exemption(ada, "default", until=NOW + 9 * DAY, reason="x", approved_by="ops", by=host())
    waiting = exempt(ada, session_of(ops))
    assert waiting.effective_at == NOW + DAY
    assert let_go_of(ops.pk, is_final=True, now=NOW) == 1
    assert exempted(ada, NOW + DAY) == ["default"]
    held.refresh_from_db()
    assert held.withdrawn_at is None
    assert let_go_of(ada.pk, is_final=False, now=NOW) == 0
    assert let_go_of(ada.pk, is_final=True, now=NOW) == 1
    assert exempted(ada, NOW + DAY) == []
    assert let_go_of(ada.pk, is_final=True, now=NOW) == 0


def test_e1_an_exemption_proposed_by_the_host_takes_two_operators(ada: User, ops: User, other: User) -> None:
    row = exempt(ada, host())
    assert row.effective_at is None
    assert approve_exemption(row.pk, by=session_of(ops)).effective_at is None
    with pytest.raises(ApprovalRefused):
        approve_exemption(row.pk, by=session_of(ops))
    assert exempted(ada) == []
    done = approve_exemption(row.pk, by=session_of(other))
    assert (done.approved_by, exempted(ada)) == (["ops", "other"], ["default"])


def test_e1_where_only_one_of_two_can_approve_it_the_day_is_waited_for(ops: User, other: User) -> None:
    row = exempt(ops, host())
    assert row.effective_at is None
    assert approve_exemption(row.pk, by=session_of(other)).effective_at == NOW + DAY


def test_e1_an_operator_left_alone_exempts_for_a_day_later(ada: User, ops: User, other: User) -> None:
    row = exempt(ada, session_of(ops))
    User.objects.filter(pk=ops.pk).update(state="frozen")
    assert approve_exemption(row.pk, by=session_of(other)).effective_at == NOW + DAY
    assert (exempted(ada), exempted(ada, NOW + DAY)) == ([], ["default"])


@pytest.mark.parametrize("is_host", [True, False])
def test_e1_a_sole_operators_exemption_takes_effect_a_day_later(ada: User, ops: User, is_host: bool) -> None:
    row = exempt(ada, host() if is_host else session_of(ops))
    assert row.effective_at == NOW + DAY
    with pytest.raises(ProposalOver):
        approve_exemption(row.pk, by=session_of(ops))
    assert (exempted(ada), exempted(ada, NOW + DAY)) == ([], ["default"])
    withdraw_exemption(row.pk, by=session_of(ops))
    assert exempted(ada, NOW + DAY) == []


def test_nobody_has_a_part_in_their_own_exemption(ops: User, other: User) -> None:
    with pytest.raises(ApprovalRefused):
        exempt(ops, session_of(ops))
    assert nothing_written()
    row = exempt(ops, session_of(other))
    assert row.effective_at == NOW + DAY  # there is nobody else who could approve it
    third = make_operator("third")
    row = exempt(ops, session_of(other), reason="Once more.")
    assert row.effective_at is None
    with pytest.raises(ApprovalRefused):
        approve_exemption(row.pk, by=session_of(ops))
    approve_exemption(row.pk, by=session_of(third))


@pytest.mark.parametrize(
    "changes",
    [
        {"until": NOW},
        {"until": NOW + 90 * DAY + timedelta(seconds=1)},
        {"reason": " "},
        {"evidence": ""},
        {"control": "x" * 501},
        {"reason": "two\x00words"},
        {"name": "operators-floor"},
    ],
)
def test_an_exemption_that_nobody_could_answer_for_is_refused(
    ada: User, ops: User, changes: dict[str, Any]
) -> None:
    with pytest.raises(ExemptionInvalid):
        exempt(ada, session_of(ops), **changes)
    assert nothing_written()


def test_ninety_days_are_allowed(ada: User, ops: User) -> None:
    assert exempt(ada, session_of(ops), until=NOW + 90 * DAY).pk


def test_exemptions_are_for_people_from_mandates_that_live(ada: User, ops: User) -> None:
    with pytest.raises(ExemptionInvalid):
        exempt(make_person("robot", kind="service"), session_of(ops))
    with pytest.raises(ExemptionInvalid):
        exempt(make_person("gone", state="deleted"), session_of(ops))
    with pytest.raises(MandateMissing):
        exempt(ada, session_of(ops), name="keys")
    with pytest.raises(RoleRequired):
        exempt(ops, session_of(ada))
    assert nothing_written()


def test_the_same_exemption_again_is_the_same(ada: User, ops: User, other: User) -> None:
    assert exempt(ada, session_of(ops)).pk == exempt(ada, session_of(ops)).pk
    assert Exemption.objects.count() == 1


def test_an_exemption_is_bound_to_the_version_it_was_asked_for(ada: User, ops: User, other: User) -> None:
    row = exempt(ada, session_of(ops))
    propose_version(read_mandate(default_without(("title", "Ours"))), by=session_of(ops))
    with pytest.raises(ProposalOver):
        approve_exemption(row.pk, by=session_of(other))
    assert exempted(ada) == []


def test_an_exemption_that_has_ended_is_neither_approved_nor_withdrawn(
    ada: User, ops: User, other: User, clocked: SetClock
) -> None:
    row = exempt(ada, session_of(ops))
    clocked(TERMS["until"])
    with pytest.raises(ProposalOver):
        approve_exemption(row.pk, by=session_of(other))
    with pytest.raises(ProposalOver):
        withdraw_exemption(row.pk, by=session_of(other))
    with pytest.raises(MandateMissing):
        withdraw_exemption(row.pk + 1, by=host())


def test_a_seeded_exemption_holds_from_the_beginning(ada: User, ops: User) -> None:
    row = seed_exemption(ada, "default", until=NOW + DAY, reason="x", approved_by="ops", by=host())
    assert (exempted(ada), exempted(ada, NOW + DAY)) == (["default"], [])
    assert (row.approved_by, row.effective_at) == (["ops"], defaults.BEGINNING)
    with pytest.raises(ExemptionInvalid):
        seed_exemption(ada, "default", until=NOW + DAY, reason="x", approved_by="ADA", by=host())
    with pytest.raises(RoleRequired):
        seed_exemption(ada, "default", until=NOW + DAY, reason="x", approved_by="ops", by=session_of(ops))
    assert Exemption.objects.count() == 1


# ---- notices


def test_a_notice_counts_from_when_it_was_first_shown(ada: User) -> None:
    note_shown(ada.pk, ["keys", "default"], "page", now=NOW)
    note_shown(ada.pk, ["keys"], "page", now=NOW + DAY)
    note_shown(ada.pk, ["keys"], "mail", now=NOW + DAY)
    rows = Notice.objects.filter(mandate="keys").order_by("kind")
    assert list(rows.values_list("kind", "delivered_at")) == [("mail", NOW + DAY), ("page", NOW)]
    assert not Record.objects.exists()


# ---- two at once


def both(*acts: Callable[[], Any]) -> list[Any]:
    """Run acts in threads of their own at once and return what each gave or raised."""
    start, given = threading.Barrier(len(acts)), list[Any]([None] * len(acts))

    def run(number: int) -> None:
        try:
            start.wait(10)
            given[number] = acts[number]()
        except Exception as error:  # noqa: BLE001 - it is what the test is about
            given[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return given


@pytest.mark.django_db(transaction=True)
def test_of_two_proposals_at_once_one_wins_or_they_follow_each_other(ops: User) -> None:
    found = both(
        lambda: propose_version(mandate(title="one"), by=host()),
        lambda: propose_version(mandate(title="two"), by=host()),
    )
    written = sorted(one.version for one in found if isinstance(one, MandateVersion))
    lost = [one for one in found if not isinstance(one, MandateVersion)]
    assert all(isinstance(one, ProposalOver) for one in lost)
    assert written == list(range(1, len(written) + 1))
    assert MandateVersion.objects.filter(name="keys").count() == len(written) >= 1
    assert Record.objects.filter(action="mandate.propose").count() == len(written)


@pytest.mark.django_db(transaction=True)
def test_the_default_is_written_once_by_two_at_once() -> None:
    assert both(store_default, store_default) == [None, None]
    assert MandateVersion.objects.count() == 1
    assert Record.objects.count() == 1
    assert Change.objects.get().value != 0


def test_a_change_in_between_is_noticed(monkeypatch: pytest.MonkeyPatch, ops: User) -> None:
    """The plan was made for other mandates than those that hold when it is written."""
    plan = previews.preview

    def and_somebody_is_faster(*arguments: Any) -> Any:
        found = plan(*arguments)
        store_default()
        return found

    monkeypatch.setattr(previews, "preview", and_somebody_is_faster)
    with pytest.raises(ProposalOver):
        propose_version(mandate(), by=host())
    assert not MandateVersion.objects.filter(name="keys").exists()


def test_documents_are_kept_as_they_are(ops: User) -> None:
    row = propose_version(mandate(), by=host())
    row.refresh_from_db()
    assert read_mandate(row.document) == read_mandate(document())
    assert row.digest == mandate().digest
    assert row.plan["version"] == 1


# ---- critical projects


def test_a_new_criterion_covers_somebody_in_the_plan_and_at_once(ada: User) -> None:
    alpha = Project.objects.get(normalized_name="alpha")
    registers: Registers = {}
    add(registers, (1).to_bytes(8))
    ClientSketch.objects.create(project=alpha, day_on=NOW.date(), sketch=encode(registers))
    lead = {"metric": "unique-clients", "window_days": 30, "at_least": 1}
    named = mandate(
        "critical",
        who={"critical": lead},
        methods={"accept": ["security-key"]},
        stages=[enforced(NOW + 90 * DAY)],
    )
    plan = previews.preview(named, NOW)
    assert (plan.touched, plan.forecasts[-1].covered) == (1, 1)
    assert not CriticalProject.objects.exists()  # a plan writes nothing
    propose_version(named, by=host())
    assert [row.normalized_name for row in CriticalProject.objects.all()] == ["alpha"]
    assert queries.facts_of_person(ada.pk).authority[0].critical
