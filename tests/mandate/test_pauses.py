"""What a pause does to a calendar: no deadline of anybody is ever earlier than it was told, and replays say the same."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mandate.building import ANNOUNCED, ENFORCED, answer, at, facts, policy, short, stage, told_on
from tests.mandate.strategies import START, policies, telling_facts

from keyhouse.mandate.facts import Facts
from keyhouse.mandate.pauses import HELD, Span, elapsed
from keyhouse.mandate.queries import Entry, Ledger, entries
from keyhouse.mandate.rules import Policy, deadline, decide

pytestmark = pytest.mark.by_turns

DAY = timedelta(days=1)


@st.composite
def histories(draw: st.DrawFn) -> list[Span]:
    """Return pauses one after the other, the last one perhaps without an end."""
    cuts = sorted(draw(st.lists(st.integers(0, 800), min_size=2, max_size=6, unique=True)))
    instants = [START + timedelta(days=one) for one in cuts]
    spans: list[Span] = list(zip(instants[::2], instants[1::2], strict=False))
    return [*spans, (instants[-1], None)] if len(instants) % 2 else spans


def live(found: list[Entry], now: datetime) -> Policy:
    """Return what holds at an instant."""
    return [one for begins, one in found if begins <= now][-1]


def known_at(spans: list[Span], now: datetime) -> list[Span]:
    """Return the pauses as they are known at an instant: of one that goes on, nobody knows the end."""
    return [(begun, end if end is not None and end <= now else None) for begun, end in spans if begun <= now]


@settings(max_examples=300, deadline=None)
@given(policies(), telling_facts(), histories())
def test_m2_no_pause_makes_anybodys_denial_earlier(rule: Policy, person: Facts, spans: list[Span]) -> None:
    plain, found = list(entries(START - DAY, rule, [])), list(entries(START - DAY, rule, spans))
    first = _first_denial(rule, plain, person)
    paused = _first_denial(rule, found, person)
    if rule.mandate.credentials.before == rule.mandate.credentials.grace == "refuse" and not _lifts(rule):
        assert paused is None or (first is not None and first <= paused)


def _lifts(rule: Policy) -> bool:
    """Tell whether a later stage refuses less than one before it, or refuses others: then a pause may prolong."""
    stages = rule.mandate.stages
    return any(one.who is not None for one in stages) or any(
        not former.deny <= later.deny for former, later in pairwise(stages)
    )


def _first_denial(rule: Policy, found: list[Entry], person: Facts) -> datetime | None:
    moment = START - DAY
    while moment < START + 1400 * DAY:
        decision = decide(person, [live(found, moment)], moment)
        if decision.verdict == "deny" and decision.mandate == rule.name and decision.code != "deletion-held":
            return moment
        moment += 10 * DAY
    return None


@settings(max_examples=300, deadline=None)
@given(policies(), telling_facts(), histories())
def test_m2_what_is_told_as_a_day_is_kept(rule: Policy, person: Facts, spans: list[Span]) -> None:
    told, moment = None, START - DAY
    while moment < START + 1400 * DAY:
        decision = decide(
            person, [live(list(entries(START - DAY, rule, known_at(spans, moment))), moment)], moment
        )
        if decision.mandate == rule.name and decision.code != "deletion-held":
            if decision.verdict == "deny" and decision.since is not None and told is not None:
                assert told <= moment
            if decision.verdict == "warn":
                told = decision.until
                assert told is None or told < HELD
        else:
            told = None
        moment += 30 * DAY


@settings(max_examples=200, deadline=None)
@given(policies(), telling_facts(), histories())
def test_a_replay_over_pauses_decides_as_it_was_decided_then(
    rule: Policy, person: Facts, spans: list[Span]
) -> None:
    whole = list(entries(START - DAY, rule, spans))
    for days in range(0, 1000, 50):
        now = START + timedelta(days=days)
        then = list(entries(START - DAY, rule, known_at(spans, now)))
        assert decide(person, [live(whole, now)], now) == decide(person, [live(then, now)], now)


@given(histories(), st.integers(0, 900), st.integers(0, 100))
def test_time_that_stands_still_is_not_counted(spans: list[Span], days: int, length: int) -> None:
    begun, span = START + timedelta(days=days), timedelta(days=length)
    end = elapsed(begun, span, spans)
    assert end >= begun + span
    if end < HELD:
        stood = sum(
            (
                (min(resumed, end) - max(paused, begun))
                for paused, resumed in spans
                if resumed is not None and resumed > begun and paused < end
            ),
            timedelta(),
        )
        assert end - begun == span + stood


def rule() -> Policy:
    return policy(is_floor_exempt=False)


def test_a_deadline_that_lies_in_a_pause_is_not_real_until_it_ends_and_later_by_its_length() -> None:
    late = facts(notices=[told_on("2023-12-20")])  # so it is theirs on 2024-01-19
    pause: Span = (at("2024-01-10"), at("2024-01-30"))
    held = list(entries(ANNOUNCED, rule(), [(pause[0], None)]))
    waiting = answer(late, [live(held, at("2024-01-25"))], "2024-01-25")
    assert (waiting.verdict, waiting.until) == ("warn", None)
    over = list(entries(ANNOUNCED, rule(), [pause]))
    assert answer(late, [live(over, at("2024-01-31"))], "2024-01-31").until == at("2024-02-08")
    assert answer(late, [live(over, at("2024-02-08"))], "2024-02-08").verdict == "deny"


def test_a_deadline_that_passed_before_a_pause_holds_on() -> None:
    early = facts(notices=[told_on("2023-06-01")])
    held = list(entries(ANNOUNCED, rule(), [(at("2024-01-10"), None)]))
    assert answer(early, [live(held, at("2024-03-01"))], "2024-03-01").verdict == "deny"


def test_a25_a_deadline_at_the_very_instant_of_a_pause_is_real_and_one_right_after_it_is_not() -> None:
    late = facts(notices=[told_on("2023-12-20")])
    real = list(entries(ANNOUNCED, rule(), [(at("2024-01-19"), None)]))
    assert answer(late, [live(real, at("2024-01-19"))], "2024-01-19").verdict == "deny"
    before = at("2024-01-19") - timedelta(microseconds=1)
    held = list(entries(ANNOUNCED, rule(), [(before, None)]))
    assert answer(late, [live(held, at("2024-01-19"))], "2024-01-19").verdict == "warn"


def test_a_pause_before_the_announcement_announces_nothing() -> None:
    held = list(entries(at("2023-01-01"), rule(), [(at("2023-02-01"), None)]))
    assert decide(facts(), [live(held, at("2025-01-01"))], at("2025-01-01")).verdict == "allow"


def test_a28_a_role_that_was_gained_in_a_pause_has_no_grace_and_waits_for_the_stage_like_others() -> None:
    joined = at("2023-08-01")
    new = facts(joined_at=joined, authority=())
    held = list(entries(ANNOUNCED, rule(), [(at("2023-07-01"), at("2024-07-01"))]))
    later = ENFORCED + timedelta(days=366)
    assert deadline(live(held, later), new, later, later) == later


def test_a_pause_that_was_over_before_a_version_moves_none_of_its_stages_but_stands_in_its_deadlines() -> (
    None
):
    span: Span = (at("2023-07-01"), at("2023-07-11"))
    [(_, found)] = list(entries(at("2023-08-01"), rule(), [span]))
    assert found.mandate == rule().mandate
    assert found.pauses == (span,)


def test_one_mandate_that_is_paused_holds_up_no_other() -> None:
    other = policy("other")
    paused = entries(ANNOUNCED, policy(), [(at("2023-12-01"), None)])
    live_then = Ledger(1, (*paused, (ANNOUNCED, other))).live_at(ENFORCED)
    assert answer(facts(), [one for one in live_then if one.name != "default"], ENFORCED).mandate == "other"


def test_n8_a_brownout_ends_when_it_was_announced_to_also_in_a_pause() -> None:
    brief = policy(
        stages=[
            stage("announced", ANNOUNCED, warn=["all"]),
            stage("brownout", "2023-09-04", deny=["all"]),
            stage("reminding", "2023-09-05", warn=["all"]),
            stage("enforced", ENFORCED, deny=["all"]),
        ]
    )
    found = list(entries(ANNOUNCED, brief, [(at("2023-09-04T12:00:00Z"), at("2023-10-04T12:00:00Z"))]))
    told = [
        short(facts(), [live(found, at(day))], day)
        for day in (
            "2023-09-04T13:00:00Z",
            "2023-09-05",
            "2023-10-04",
            "2023-10-06",
            "2024-01-30",
            "2024-01-31",
        )
    ]
    refused, warned = "deny:second-factor-required", "warn:second-factor-required"
    assert told == [refused, warned, warned, warned, warned, refused]
