"""Campaigns: drafts, launches, pauses, and the two ways to end before the time; twice, out of order, in parallel."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import connections, transaction
from tests.mandate.conftest import SetClock
from tests.mandate.ledger import DAY, NOW, document, make_operator, make_person, make_project, session_of

from keyhouse.accounts.models import Authenticator, User
from keyhouse.accounts.oversight.errors import ApprovalRefused, ProposalOver
from keyhouse.audit.models import Record
from keyhouse.core import faults
from keyhouse.core.actor import Actor, host, job
from keyhouse.core.errors import Refusal, RoleRequired, StepUpRequired
from keyhouse.mandate import launching, queries, services
from keyhouse.mandate.campaigns import queries as campaigns
from keyhouse.mandate.campaigns.services import (
    abandon,
    confirm_pause,
    launch,
    pause,
    pause_by_signal,
    resume,
    rollback,
)
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.errors import (
    LaunchedAlready,
    LaunchRefused,
    MandateMissing,
    MandateRefused,
    NothingToEnd,
    NothingToPause,
    NotPaused,
    PauseConfirmed,
    PausedAlready,
    PausesUsedUp,
    WordMissing,
)
from keyhouse.mandate.models import MandateVersion, Pause
from keyhouse.mandate.pauses import LONGEST
from keyhouse.mandate.rules import decide

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("wired"), pytest.mark.by_turns]
ENFORCED = NOW + 90 * DAY


@dataclass(frozen=True)
class Lack:
    guard: str = "operators"
    reason: str = "Tomas has no second factor."


class Guards:
    """Guards of which a test says what they miss."""

    def __init__(self) -> None:
        self.lacks: list[Lack] = []

    def missing(self, mandate: Mandate, now: datetime) -> list[Lack]:
        del mandate, now
        return self.lacks


@pytest.fixture(autouse=True)
def clocked(set_clock: SetClock) -> SetClock:
    return set_clock


@pytest.fixture(autouse=True)
def guards(wired: None) -> Iterator[Guards]:
    del wired
    before, found = list(launching._wired), Guards()
    launching.wire(found)
    yield found
    launching._wired[:] = before


@pytest.fixture
def ops() -> User:
    return make_operator("ops")


@pytest.fixture
def other(ops: User) -> User:
    return make_operator("other")


@pytest.fixture
def ada() -> User:
    user = make_person("ada", has_app=False)
    make_project("alpha", user)
    return user


def campaign_file(**changes: Any) -> Mandate:
    return read_mandate(document("keys", **{"launch": {}, **changes}))


@pytest.fixture
def draft(ops: User, other: User) -> MandateVersion:
    return services.propose_version(campaign_file(), by=session_of(ops))


@pytest.fixture
def launched(draft: MandateVersion, ops: User, other: User) -> MandateVersion:
    launch("keys", why="Agreed.", by=session_of(ops))
    return services.approve_version("keys", draft.version, by=session_of(other))


def state(name: str, at: datetime) -> str:
    return campaigns.campaign(name).state(at).name


def live(at: datetime) -> list[str]:
    return [one.label for one in queries.live_policies(at)]


def written() -> tuple[Any, ...]:
    """Return all that a refusal must leave as it is."""
    return (
        list(MandateVersion.objects.order_by("pk").values()),
        list(Pause.objects.order_by("pk").values()),
        Record.objects.count(),
        queries.read_change(),
    )


def refused(error: type[Refusal], act: Callable[[], object]) -> None:
    before = written()
    with pytest.raises(error):
        act()
    assert written() == before


# ---- drafts and launches


def test_m2_a_campaign_that_is_applied_is_a_draft_and_nothing_of_it_is_in_effect_or_public(
    draft: MandateVersion, ops: User
) -> None:
    assert (draft.is_draft, draft.effective_at) == (True, None)
    assert live(NOW) == ["default@1"]
    assert live(ENFORCED) == ["default@1"]
    assert state("keys", NOW) == "draft"
    assert not services.is_open(draft, NOW)
    assert campaigns.campaign("keys").public_transitions(NOW) == ()
    refused(ProposalOver, lambda: services.approve_version("keys", 1, by=session_of(ops)))


def test_a_draft_is_edited_by_applying_it_again_and_the_newest_one_is_launched(
    draft: MandateVersion, ops: User, other: User
) -> None:
    same = services.propose_version(campaign_file(), by=session_of(other))
    assert same.pk == draft.pk
    edited = services.propose_version(campaign_file(title="Another title"), by=session_of(ops))
    assert (edited.version, edited.is_draft) == (2, True)
    assert launch("keys", by=session_of(ops)).version == 2
    services.withdraw_version("keys", 1, by=session_of(ops))
    assert state("keys", NOW) == "draft"


def test_a_file_that_another_one_replaced_meanwhile_is_a_draft_anew_and_is_what_is_launched(
    draft: MandateVersion, ops: User, other: User
) -> None:
    services.propose_version(campaign_file(title="Another title"), by=session_of(other))
    again = services.propose_version(campaign_file(), by=session_of(ops))
    assert (again.version, again.digest) == (3, draft.digest)
    assert launch("keys", by=session_of(ops)).digest == draft.digest


def test_a_draft_can_be_taken_back(draft: MandateVersion, ops: User) -> None:
    services.withdraw_version("keys", 1, by=session_of(ops))
    refused(MandateMissing, lambda: launch("keys", by=session_of(ops)))
    assert draft.version == 1


def test_a24_a_launch_takes_two_people_and_is_recorded_with_who_and_why(
    draft: MandateVersion, ops: User, other: User
) -> None:
    row = launch("keys", why="Agreed on Monday.", by=session_of(ops))
    assert (row.is_draft, row.effective_at, row.proposed_by) == (False, None, "ops")
    assert live(NOW) == ["default@1"]
    refused(ApprovalRefused, lambda: services.approve_version("keys", 1, by=session_of(ops)))
    approved = services.approve_version("keys", draft.version, by=session_of(other))
    assert approved.effective_at == NOW
    assert live(NOW) == ["default@1", "keys@1"]
    assert Record.objects.get(action="mandate.launch").details["why"] == "Agreed on Monday."
    steps = [(one.state, one.by, one.why) for one in campaigns.campaign("keys").transitions(NOW)]
    assert ("launched", "ops, other", "Agreed on Monday.") in steps


def test_l5_a_sole_operator_launches_alone_and_everybody_has_a_day(ops: User) -> None:
    services.propose_version(campaign_file(), by=session_of(ops))
    row = launch("keys", by=session_of(ops))
    assert row.effective_at == NOW + DAY
    assert live(NOW) == ["default@1"]
    assert live(NOW + DAY) == ["default@1", "keys@1"]


def test_l1_a_launch_is_refused_with_all_that_is_missing(
    draft: MandateVersion, ops: User, guards: Guards
) -> None:
    guards.lacks = [Lack(), Lack("simulation", "There is none younger than 72 hours.")]
    with pytest.raises(LaunchRefused) as caught:
        launch("keys", by=session_of(ops))
    assert "operators: Tomas has no second factor. simulation: There is none" in str(caught.value)
    refused(LaunchRefused, lambda: launch("keys", by=session_of(ops)))
    assert draft.is_draft


def test_l1_what_went_missing_since_the_launch_keeps_the_second_person_from_approving(
    draft: MandateVersion, ops: User, other: User, guards: Guards
) -> None:
    launch("keys", by=session_of(ops))
    guards.lacks = [Lack()]
    refused(LaunchRefused, lambda: services.approve_version("keys", draft.version, by=session_of(other)))


def test_with_no_guards_wired_nothing_is_launched(draft: MandateVersion, ops: User) -> None:
    launching._wired.clear()
    refused(LaunchRefused, lambda: launch("keys", by=session_of(ops)))
    assert draft.is_draft


def test_a_launch_is_done_once(draft: MandateVersion, ops: User, other: User) -> None:
    launch("keys", by=session_of(ops))
    refused(LaunchedAlready, lambda: launch("keys", by=session_of(ops)))
    refused(LaunchedAlready, lambda: launch("keys", by=session_of(other)))
    services.approve_version("keys", draft.version, by=session_of(other))
    refused(LaunchedAlready, lambda: launch("keys", by=session_of(other)))
    refused(MandateMissing, lambda: launch("nothing", by=session_of(ops)))


def test_a_mandate_without_launch_is_applied_as_ever(ops: User, other: User) -> None:
    row = services.propose_version(read_mandate(document()), by=session_of(ops))
    assert (row.is_draft, row.effective_at) == (False, NOW)


# ---- pausing


def test_m2_a_pause_stops_the_calendar_and_a_resumption_moves_what_was_to_come(
    launched: MandateVersion, ops: User, clocked: SetClock
) -> None:
    clocked(NOW + 10 * DAY)
    pause("keys", reason="Too many questions.", by=session_of(ops))
    assert state("keys", NOW + 10 * DAY) == "paused"
    [policy] = [one for one in queries.live_policies(NOW + 20 * DAY) if one.name == "keys"]
    assert policy.is_paused
    assert [one.state for one in policy.mandate.stages] == ["announced"]
    assert policy.version == launched.version
    clocked(NOW + 17 * DAY)
    resume("keys", by=session_of(ops))
    [policy] = [one for one in queries.live_policies(NOW + 20 * DAY) if one.name == "keys"]
    assert [one.at for one in policy.mandate.stages] == [NOW, ENFORCED + 7 * DAY]
    assert state("keys", NOW + 17 * DAY) == "announced"
    assert state("keys", ENFORCED + 7 * DAY) == "enforced"


def test_a25_what_begins_at_the_instant_of_a_pause_has_begun(
    launched: MandateVersion, ops: User, ada: User, clocked: SetClock
) -> None:
    del launched
    clocked(ENFORCED)
    pause("keys", reason="At the very instant.", by=session_of(ops))
    [policy] = [one for one in queries.live_policies(ENFORCED) if one.name == "keys"]
    assert [one.state for one in policy.mandate.stages] == ["announced", "enforced"]
    assert policy.mandate.stages[-1].at == ENFORCED
    assert ada.pk


def test_a25_a_pause_an_instant_before_holds_the_stage(
    launched: MandateVersion, ops: User, clocked: SetClock
) -> None:
    del launched
    clocked(ENFORCED - DAY / 86_400_000_000)
    pause("keys", reason="Just in time.", by=session_of(ops))
    [policy] = [one for one in queries.live_policies(ENFORCED) if one.name == "keys"]
    assert policy.mandate.stages[-1].at == NOW


def test_a_pause_ends_by_itself_after_thirty_days_with_nobody_doing_anything(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock
) -> None:
    del launched
    clocked(NOW + DAY)
    row = pause("keys", reason="A while.", by=session_of(ops))
    ends = NOW + DAY + LONGEST
    assert row.ends_at == ends
    assert state("keys", ends - DAY) == "paused"
    assert state("keys", ends) == "announced"
    [policy] = [one for one in queries.live_policies(ends) if one.name == "keys"]
    assert policy.mandate.stages[-1].at == ENFORCED + LONGEST
    clocked(ends)
    refused(NotPaused, lambda: resume("keys", by=session_of(ops)))
    refused(MandateMissing, lambda: resume("nothing", by=session_of(ops)))
    again = pause("keys", reason="Once more.", by=session_of(other))
    row.refresh_from_db()
    assert (row.ended_at, again.begun_at) == (ends, ends)


def test_l6_one_person_does_not_put_a_mandate_off_for_ever_by_one_pause_after_the_other(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock
) -> None:
    del launched
    at = NOW + DAY
    for days in (20, 7):
        clocked(at)
        pause("keys", reason="A while.", by=session_of(ops))
        at += days * DAY
        clocked(at)
        resume("keys", by=session_of(ops))
    assert pause("keys", reason="The rest.", by=session_of(ops)).ends_at == at + 3 * DAY
    clocked(at + 3 * DAY)
    assert state("keys", at + 3 * DAY) == "announced"
    refused(PausesUsedUp, lambda: pause("keys", reason="Again.", by=session_of(ops)))
    assert pause("keys", reason="I agree.", by=session_of(other)).ends_at == at + 33 * DAY
    confirm_pause("keys", by=session_of(ops))
    clocked(at + 60 * DAY)
    resume("keys", by=session_of(other))
    assert pause("keys", reason="Mine are left.", by=session_of(other)).ends_at == at + 90 * DAY
    resume("keys", by=session_of(other))
    clocked(at + 400 * DAY)
    assert [one.at for one in queries.live_policies(at + 400 * DAY)[1].mandate.stages][
        -1
    ] == ENFORCED + 87 * DAY


def test_what_no_operator_began_is_confirmed_by_two_of_them(
    launched: MandateVersion, ops: User, other: User
) -> None:
    third = make_operator("third")
    begin: list[Callable[[], object]] = [
        lambda: pause("keys", reason="A while.", by=host()),
        lambda: pause_by_signal("keys", reason="Too many.", signal="bounced_percent", by=job("signals")),
    ]
    for one in begin:
        one()
        row = confirm_pause("keys", by=session_of(ops))
        assert (row.confirmed_at, row.ends_at) == (None, NOW + LONGEST)
        assert campaigns.campaign("keys").as_dict(NOW)["pause"]["confirmed_by"] is None
        refused(ApprovalRefused, lambda: confirm_pause("keys", by=session_of(ops)))
        User.objects.filter(pk=ops.pk).update(state=User.State.SUSPENDED)  # what they said counts no more
        assert confirm_pause("keys", by=session_of(other)).ends_at == NOW + LONGEST
        row = confirm_pause("keys", by=session_of(third))
        assert (row.confirmed_by, row.ends_at) == ("other, third", None)
        User.objects.filter(pk=ops.pk).update(state=User.State.ACTIVE)
        resume("keys", by=session_of(ops))
    assert launched.pk


def test_a_campaign_of_a_name_whose_last_one_ended_in_a_pause_is_not_born_paused(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock
) -> None:
    del launched
    clocked(NOW + DAY)
    pause("keys", reason="A while.", by=session_of(ops))
    confirm_pause("keys", by=session_of(other))
    ended = abandon("keys", why="Enough.", by=session_of(ops))
    services.approve_version("keys", ended.version, by=session_of(other))
    clocked(NOW + 2 * DAY)
    stages = [
        {"state": "announced", "at": NOW + 2 * DAY},
        {"state": "enforced", "at": NOW + 50 * DAY, "deny": ["all"]},
    ]
    services.propose_version(campaign_file(stages=stages), by=session_of(ops))
    row = launch("keys", by=session_of(ops))
    services.approve_version("keys", row.version, by=session_of(other))
    assert state("keys", NOW + 3 * DAY) == "announced"
    assert state("keys", NOW + 50 * DAY) == "enforced"
    pause("keys", reason="Its own.", by=session_of(ops))


def test_l2_a_name_in_a_file_hides_no_step_of_what_is_about_everybody(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock
) -> None:
    clocked(NOW + DAY)
    who = {"all": [launched.document["who"], {"not": {"user": ["nobody-at-all"]}}]}
    services.propose_version(campaign_file(who=who), by=session_of(ops))
    row = launch("keys", by=session_of(ops))
    services.approve_version("keys", row.version, by=session_of(other))
    pause("keys", reason="Quietly.", by=session_of(ops))
    assert ("paused", 2) in [(one.step.state, one.step.version) for one in campaigns.public_steps(NOW + DAY)]
    clocked(NOW + 2 * DAY)
    services.propose_version(campaign_file(who={"user": ["ada"]}), by=session_of(ops))
    row = launch("keys", by=session_of(ops))
    services.approve_version("keys", row.version, by=session_of(other))
    states = [(one.step.state, one.step.version) for one in campaigns.public_steps(NOW + 2 * DAY)]
    assert ("paused", 2) in states
    assert ("launched", 1) in states
    assert not [version for _, version in states if version == row.version]


def test_a_second_operator_lets_a_pause_go_on(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock
) -> None:
    del launched
    pause("keys", reason="A while.", by=session_of(ops))
    refused(ApprovalRefused, lambda: confirm_pause("keys", by=session_of(ops)))
    refused(ApprovalRefused, lambda: confirm_pause("keys", by=host()))
    confirm_pause("keys", by=session_of(other))
    refused(PauseConfirmed, lambda: confirm_pause("keys", by=session_of(other)))
    assert state("keys", NOW + 400 * DAY) == "paused"
    clocked(NOW + 100 * DAY)
    resume("keys", by=session_of(ops))
    refused(NotPaused, lambda: confirm_pause("keys", by=session_of(other)))
    assert state("keys", ENFORCED + 100 * DAY) == "enforced"
    assert state("keys", ENFORCED + 99 * DAY) == "announced"


def test_pausing_and_resuming_are_done_once_by_whomever(
    launched: MandateVersion, ops: User, other: User
) -> None:
    del launched
    refused(NotPaused, lambda: resume("keys", by=session_of(ops)))
    pause("keys", reason="A while.", by=session_of(ops))
    refused(PausedAlready, lambda: pause("keys", reason="A while.", by=session_of(ops)))
    refused(PausedAlready, lambda: pause("keys", reason="Me too.", by=session_of(other)))
    resume("keys", by=session_of(other))
    refused(NotPaused, lambda: resume("keys", by=session_of(other)))
    refused(WordMissing, lambda: pause("keys", reason="  ", by=session_of(ops)))
    refused(WordMissing, lambda: pause("keys", reason="x" * 501, by=session_of(ops)))
    refused(WordMissing, lambda: pause("keys", reason="a\x00b", by=session_of(ops)))


def test_s4_deadlines_of_projects_that_become_critical_and_snoozed_ones_can_be_paused_after_the_last_stage(
    ops: User, other: User, clocked: SetClock
) -> None:
    critical = {"critical": {"metric": "unique-clients", "window_days": 180, "top": 10}}
    notice = {"floor_days": 30, "unreached_cap_days": 60, "snooze": {"days": 7, "times": 2}}
    for name, changes, days in (("one", {"who": critical}, 400), ("two", {"notice": notice}, 70)):
        clocked(NOW)
        services.propose_version(read_mandate(document(name, launch={}, **changes)), by=session_of(ops))
        row = launch(name, by=session_of(ops))
        services.approve_version(name, row.version, by=session_of(other))
        clocked(ENFORCED + days * DAY)
        assert pause(name, reason="A storm.", by=session_of(ops)).mandate == name


def test_what_does_not_hold_cannot_be_paused(draft: MandateVersion, ops: User) -> None:
    refused(MandateMissing, lambda: pause(draft.name, reason="A while.", by=session_of(ops)))
    refused(MandateMissing, lambda: pause("nothing", reason="A while.", by=session_of(ops)))
    refused(NothingToPause, lambda: pause("default", reason="A while.", by=session_of(ops)))
    refused(NothingToPause, lambda: pause("operators-floor", reason="A while.", by=session_of(ops)))


def test_a_file_that_is_applied_again_in_a_pause_changes_nothing(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock
) -> None:
    clocked(NOW + DAY)
    pause("keys", reason="A while.", by=session_of(ops))
    clocked(NOW + 5 * DAY)
    assert services.propose_version(campaign_file(), by=session_of(other)).pk == launched.pk
    assert state("keys", NOW + 5 * DAY) == "paused"
    clocked(NOW + 6 * DAY)
    resume("keys", by=session_of(ops))
    assert services.propose_version(campaign_file(), by=session_of(other)).pk == launched.pk


def test_a_new_version_with_the_dates_from_before_a_pause_is_refused(
    launched: MandateVersion, ops: User, clocked: SetClock
) -> None:
    clocked(NOW + DAY)
    pause("keys", reason="A while.", by=session_of(ops))
    clocked(NOW + 8 * DAY)
    resume("keys", by=session_of(ops))
    stale = campaign_file(title="Another title")
    refused(MandateRefused, lambda: services.propose_version(stale, by=session_of(ops)))
    stages = [
        launched.document["stages"][0],
        {"state": "enforced", "at": ENFORCED + 7 * DAY, "deny": ["all"]},
    ]
    fresh = campaign_file(title="Another title", stages=stages)
    assert services.propose_version(fresh, by=session_of(ops)).is_draft


def test_a_clock_that_goes_back_undoes_no_pause_and_makes_none_of_negative_length(
    launched: MandateVersion, ops: User, clocked: SetClock
) -> None:
    del launched
    clocked(NOW + 10 * DAY)
    pause("keys", reason="A while.", by=session_of(ops))
    clocked(NOW + 2 * DAY)
    refused(PausedAlready, lambda: pause("keys", reason="Again.", by=session_of(ops)))
    row = resume("keys", by=session_of(ops))
    assert row.ended_at == row.begun_at == NOW + 10 * DAY
    again = pause("keys", reason="Again.", by=session_of(ops))
    assert again.begun_at == NOW + 10 * DAY
    assert [one.at for one in queries.ledger().live_at(NOW + 9 * DAY)[1].mandate.stages] == [NOW, ENFORCED]


def test_l3_a_figure_pauses_in_the_name_of_the_index_and_is_named(
    launched: MandateVersion, ops: User
) -> None:
    del launched
    row = pause_by_signal(
        "keys",
        reason="12 uploads were refused within an hour; 10 are the limit.",
        signal="gated_uploads_per_hour",
        by=job("mandate"),
    )
    assert (row.signal, row.begun_by) == ("gated_uploads_per_hour", "mandate")
    refused(RoleRequired, lambda: pause_by_signal("keys", reason="x", signal="x", by=session_of(ops)))
    confirm_pause("keys", by=session_of(ops))


def test_who_asks_is_an_operator_with_a_fresh_proof(launched: MandateVersion, ops: User, ada: User) -> None:
    del launched
    stale = session_of(ops, age=DAY)
    verbs: list[Callable[[Actor], object]] = [
        lambda by: launch("keys", by=by),
        lambda by: pause("keys", reason="A while.", by=by),
        lambda by: resume("keys", by=by),
        lambda by: rollback("keys", why="A while.", by=by),
        lambda by: abandon("keys", why="A while.", by=by),
    ]
    for verb in verbs:
        refused(StepUpRequired, partial(verb, stale))
        refused(Refusal, partial(verb, session_of(ada)))


# ---- ending


def test_l4_a_rollback_keeps_factors_for_so_many_days_and_takes_two_people(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock, ada: User
) -> None:
    del launched
    clocked(ENFORCED + 70 * DAY)
    facts = queries.facts_of_person(ada.pk, "project.manage")
    now = ENFORCED + 70 * DAY
    assert decide(facts, [one for one in queries.live_policies(now) if one.name == "keys"], now).code
    row = rollback("keys", why="Too many locked out.", by=session_of(ops))
    assert (row.is_loosening, row.effective_at) == (True, None)
    refused(NothingToEnd, lambda: rollback("keys", why="Again.", by=session_of(ops)))
    refused(NothingToEnd, lambda: abandon("keys", why="Again.", by=session_of(other)))
    late = now + 3 * DAY
    clocked(late)
    factors = set(Authenticator.objects.values_list("pk", "user_id"))
    services.approve_version("keys", row.version, by=session_of(other))
    assert state("keys", late) == "rolled_back"
    assert set(Authenticator.objects.values_list("pk", "user_id")) == factors != set()
    policies = [one for one in queries.live_policies(late) if one.name == "keys"]
    assert decide(facts, policies, late).verdict == "allow"
    remove = queries.facts_of_person(ada.pk, "second-factor.remove-last")
    assert decide(remove, policies, late + 30 * DAY - DAY).code == "second-factor-last"
    assert [one for one in queries.live_policies(late + 30 * DAY) if one.name == "keys"] == []
    assert state("keys", late + 30 * DAY) == "abandoned"
    refused(NothingToEnd, lambda: rollback("keys", why="Again.", by=session_of(ops)))
    refused(NothingToPause, lambda: pause("keys", reason="Now.", by=session_of(ops)))


def test_an_abandoned_mandate_asks_for_nothing_and_says_so(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock
) -> None:
    del launched
    clocked(NOW + DAY)
    row = abandon("keys", why="Another one takes its place.", by=session_of(ops))
    services.approve_version("keys", row.version, by=session_of(other))
    assert live(NOW + DAY) == ["default@1"]
    assert state("keys", NOW + DAY) == "abandoned"
    refused(MandateMissing, lambda: abandon("keys", why="Again.", by=session_of(ops)))
    refused(MandateMissing, lambda: rollback("keys", why="Again.", by=session_of(ops)))
    refused(MandateMissing, lambda: abandon("nothing", why="Again.", by=session_of(ops)))


def test_a_file_cannot_say_that_it_is_rolled_back(ops: User, other: User) -> None:
    stages = [{"state": "announced", "at": NOW}, {"state": "abandoned", "at": NOW + DAY}]
    refused(
        MandateRefused,
        lambda: services.propose_version(read_mandate(document(stages=stages)), by=session_of(ops)),
    )
    assert other.pk


# ---- at once


class KilledError(BaseException):
    """Stands for a process that is killed."""


def test_killed_in_the_middle_of_any_verb_nothing_is_half_done(
    launched: MandateVersion, ops: User, other: User, clocked: SetClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    clocked(ENFORCED - DAY)
    services.propose_version(campaign_file(title="Another title"), by=session_of(ops))
    verbs: list[Callable[[], object]] = [
        lambda: launch("keys", by=session_of(ops)),
        lambda: pause("keys", reason="A while.", by=session_of(ops)),
        lambda: confirm_pause("keys", by=session_of(other)),
        lambda: resume("keys", by=session_of(ops)),
        lambda: rollback("keys", why="A while.", by=session_of(ops)),
        lambda: services.withdraw_version("keys", launched.version + 2, by=session_of(other)),
        lambda: abandon("keys", why="A while.", by=session_of(ops)),
    ]

    def die(point: str) -> None:
        if point == "campaign.rows-written":
            raise KilledError

    for number, verb in enumerate(verbs):
        before = written()
        if number != 5:  # what takes a proposal back is no verb of a campaign
            with monkeypatch.context() as patch:
                patch.setattr(faults, "reach", die)
                with pytest.raises(KilledError), transaction.atomic():
                    verb()
        assert written() == before
        assert [one.label for one in queries.live_policies(NOW + DAY)] == ["default@1", "keys@1"]
        verb()


def test_a_draft_that_took_the_place_of_the_one_somebody_saw_is_not_launched_in_its_stead(
    draft: MandateVersion, ops: User, other: User
) -> None:
    services.propose_version(campaign_file(title="Another title"), by=session_of(other))
    refused(ProposalOver, lambda: launch("keys", version=draft.version, by=session_of(ops)))
    assert launch("keys", version=draft.version + 1, by=session_of(ops)).version == 2


@pytest.mark.django_db(transaction=True)
def test_each_verb_in_parallel_is_done_once(launched: MandateVersion, ops: User, other: User) -> None:
    services.propose_version(campaign_file(title="Another title"), by=session_of(ops))
    one, two = session_of(ops), session_of(other)
    assert _won([partial(launch, "keys", by=one), partial(launch, "keys", by=two)]) == 1
    assert _won([partial(pause, "keys", reason="A while.", by=by) for by in (one, two, one)]) == 1
    assert _won([partial(resume, "keys", by=by) for by in (one, two, one)]) == 1
    assert _won([partial(rollback, "keys", why="A while.", by=by) for by in (one, two, one)]) == 1
    assert Pause.objects.count() == 1
    assert MandateVersion.objects.filter(name="keys").count() == launched.version + 2


def _won(acts: list[Callable[[], object]]) -> int:
    """Run them at the same time and return how many were not refused; no other error may come."""
    found: list[Exception | None] = []
    barrier = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> None:
        barrier.wait()
        try:
            act()
            found.append(None)
        except Exception as error:  # noqa: BLE001 - looked at below
            found.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one for one in found if one is not None and not isinstance(one, Refusal)] == []
    return found.count(None)
