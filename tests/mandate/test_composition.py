"""Several mandates together: what must hold for any of them, any person and any instant (C1 and its kin)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from tests.mandate.building import at, document, facts, policy, stage
from tests.mandate.strategies import NAMES, any_facts, instants, policies, several_policies, telling_facts

from keyhouse.core.actions import CATALOGUE, REMOVE_LAST
from keyhouse.mandate import rules as rules_of_mandates
from keyhouse.mandate.defaults import DEFAULT
from keyhouse.mandate.documents import Mandate, Stage, read_mandate
from keyhouse.mandate.facts import Authority, Exempted, Facts, read_facts
from keyhouse.mandate.queries import Ledger
from keyhouse.mandate.rules import (
    FLOOR,
    GAINING,
    Decision,
    Policy,
    deadline,
    decide,
    denied_since,
    next_denial,
    objection,
    prospective,
    satisfies,
    stages_in_force,
)
from keyhouse.mandate.selectors import View
from keyhouse.mandate.timetables import timetable_of

pytestmark = pytest.mark.by_turns

UNFREED = {"deletion-held", "second-factor-last"}  # an exemption is from having a factor, not from these
RANK = {"allow": 0, "warn": 1, "deny": 2}
thorough = settings(max_examples=300, deadline=None)


def written(decision: Decision) -> str:
    return json.dumps(decision.as_dict())


# ---- the schedule once more, told in other words than the rules tell it


def begun(mandate: Mandate, now: datetime) -> list[Stage]:
    return [one for one in mandate.stages if one.at <= now]


def holding(mandate: Mandate, view: View, now: datetime) -> list[Stage]:
    """Tell by the grammar alone: the last general stage, and what for some people was added to it since."""
    past, found = begun(mandate, now), []
    for number in range(len(past) - 1, -1, -1):
        one = past[number]
        is_over = one.state == "brownout" and one.who is not None and number < len(past) - 1
        if (one.who is None or one.who.matches(view)) and not is_over:
            found.append(one)
        if one.who is None:
            break
    return found[::-1]


def refuses(mandate: Mandate, view: View, acts: frozenset[str], now: datetime) -> bool:
    return any(not acts.isdisjoint(one.deny) for one in holding(mandate, view, now))


def refused_since(mandate: Mandate, view: View, acts: frozenset[str], now: datetime) -> datetime | None:
    since = None
    for one in reversed(begun(mandate, now)):
        if not refuses(mandate, view, acts, one.at):
            break
        since = one.at
    return since


def acts_of(given_facts: Facts) -> frozenset[str]:
    """Return what the schedule may name to hit it: whatever a token does is also a use of it."""
    use = {"token.use"} if given_facts.asking.kind == "token" else set()
    return frozenset({given_facts.action, *use})


def view_of(given_facts: Facts, mandate: Mandate) -> View:
    authority = given_facts.authority
    if given_facts.action in GAINING:
        name = given_facts.object.name if given_facts.object else ""
        authority = (*authority, Authority("project", name, "owner"))
    return View(given_facts.person, authority, mandate.announced_at)


# ---- more mandates


@thorough
@given(telling_facts(), several_policies(), instants())
def test_adding_a_mandate_never_allows_more(given_facts: Facts, rules: list[Policy], now: datetime) -> None:
    for number in range(len(rules)):
        fewer = decide(given_facts, [*rules[:number], *rules[number + 1 :]], now)
        assert RANK[fewer.verdict] <= RANK[decide(given_facts, rules, now).verdict]


@thorough
@given(telling_facts(), several_policies(), instants())
def test_at_any_instant_exactly_the_union_of_all_refusals_is_refused(
    given_facts: Facts, rules: list[Policy], now: datetime
) -> None:
    alone = [decide(given_facts, [one], now) for one in rules] or [decide(given_facts, [], now)]
    together = decide(given_facts, rules, now)
    assert (together.verdict == "deny") is any(one.verdict == "deny" for one in alone)
    assert RANK[together.verdict] == max(RANK[one.verdict] for one in alone)
    assert written(together) in {written(one) for one in alone}, "it is told in the words of one of them"
    event(together.verdict)


@thorough
@given(any_facts(), several_policies(), instants(), st.randoms(use_true_random=False))
def test_the_order_of_mandates_changes_nothing(
    given_facts: Facts, rules: list[Policy], now: datetime, chance: Any
) -> None:
    shuffled = list(rules)
    chance.shuffle(shuffled)
    assert written(decide(given_facts, shuffled, now)) == written(decide(given_facts, rules, now))


@thorough
@given(any_facts(), several_policies(), instants())
def test_the_same_facts_mandates_and_instant_give_the_same_bytes(
    given_facts: Facts, rules: list[Policy], now: datetime
) -> None:
    """Also when everything was written down and read again, as a replay does."""
    again = [
        replace(one, mandate=read_mandate(json.loads(json.dumps(one.mandate.as_dict())))) for one in rules
    ]
    kept = read_facts(json.loads(given_facts.as_text()))
    assert written(decide(kept, again, now)) == written(decide(given_facts, rules, now))
    assert [one.mandate.digest for one in again] == [one.mandate.digest for one in rules]


# ---- the short ways of a decision


@settings(max_examples=1500, deadline=None)
@given(any_facts() | telling_facts(), several_policies(), instants())
def test_a_decision_is_that_of_all_objections_one_by_one(
    given_facts: Facts, rules: list[Policy], now: datetime
) -> None:
    """It passes by what wouldn't be told; here nothing is passed by, and the first of all is taken."""
    if decide(given_facts, [], now).verdict == "deny" or given_facts.asking.kind in {"host", "job"}:
        return
    view = View(given_facts.person, prospective(given_facts))
    found = [one for rule in rules if (one := objection(rule, given_facts, view, now)) is not None]
    denials = [one for one in found if one.is_denial and one.at is not None]
    decision = decide(given_facts, rules, now)
    assert decision.verdict == ("deny" if denials else "warn" if found else "allow")
    event(decision.verdict)
    if decision.code != "deletion-held" and found:
        first = min(denials or found, key=lambda one: (one.at is None, one.at or now, one.policy.name))
        told = decision.since if denials else decision.until
        assert (decision.mandate, decision.version, told) == (
            first.policy.name,
            first.policy.version,
            first.at,
        )


@thorough
@given(any_facts(), st.booleans())
def test_whoever_is_in_order_is_refused_by_no_rule_of_accounts(given_facts: Facts, is_good: bool) -> None:
    if is_good:
        person = replace(given_facts.person, state="active", verified_email=True)
        given_facts = replace(given_facts, person=person)
    if rules_of_mandates._is_in_order(given_facts):
        action = CATALOGUE[given_facts.action]
        assert [rule(given_facts, action) for rule in rules_of_mandates._RULES] == [None] * 5
        event("in order")


# ---- exemptions: E1 and A29


@thorough
@given(any_facts(), several_policies(), instants(), st.sampled_from(NAMES), st.sampled_from([None, 1, 2]))
def test_an_exemption_frees_only_from_its_own_mandate_and_version(
    given_facts: Facts, rules: list[Policy], now: datetime, name: str, version: int | None
) -> None:
    given_facts = replace(given_facts, exemptions=())
    freed = replace(
        given_facts,
        exemptions=(*given_facts.exemptions, Exempted(name, version, now + timedelta(days=1), now)),
    )
    others = [
        one
        for one in rules
        if not (one.name == name and version in {None, one.version})
        or decide(given_facts, [one], now).code in UNFREED
    ]
    assert written(decide(freed, rules, now)) == written(decide(given_facts, others, now))


@thorough
@given(any_facts(), several_policies(), instants(), st.sampled_from(NAMES))
def test_an_exemption_that_is_over_or_still_to_come_does_nothing(
    given_facts: Facts, rules: list[Policy], now: datetime, name: str
) -> None:
    over = Exempted(name, None, now, now - timedelta(days=90))
    coming = Exempted(name, None, now + timedelta(days=90), now + timedelta(microseconds=1))
    more = replace(given_facts, exemptions=(*given_facts.exemptions, over, coming))
    assert written(decide(more, rules, now)) == written(decide(given_facts, rules, now))


# ---- notices and floors


def has_grace(given_facts: Facts, mandate: Mandate) -> bool:
    """Tell by the words of the design: authority held before one was covered, unless the credential is a weak new one."""
    asking, thing = given_facts.asking, given_facts.object
    if given_facts.action in GAINING:
        return False
    is_new_token = (
        asking.kind in {"token", "publisher"} and asking.at is not None and asking.at >= mandate.announced_at
    )
    if is_new_token and not satisfies(mandate, given_facts):
        return False
    about = [one for one in given_facts.authority if thing and thing.name and one.name == thing.name]
    joined = given_facts.person.joined_at
    held = [
        (one.since or joined, max(one.covered_since or mandate.announced_at, mandate.announced_at))
        for one in about or given_facts.authority
    ] or [(joined, mandate.announced_at)]
    return any(since is not None and since < covered for since, covered in held)


def told_at(given_facts: Facts, rule: Policy, now: datetime) -> datetime | None:
    found = [
        one.delivered_at
        for one in given_facts.notices
        if one.mandate == rule.name and rule.mandate.announced_at <= one.delivered_at <= now
    ]
    return min(found, default=None)


@settings(max_examples=1500, deadline=None)
@given(telling_facts(), policies(), instants())
def test_nobody_with_grace_is_refused_before_a_delivered_notice_and_its_floor(
    given_facts: Facts, rule: Policy, now: datetime
) -> None:
    mandate, rule = rule.mandate, replace(rule, is_floor_exempt=False)
    decision = decide(given_facts, [rule], now)
    is_by_time = decision.mandate == rule.name and decision.code not in {
        "deletion-held",
        "second-factor-last",
    }
    if not (decision.verdict == "deny" and is_by_time and has_grace(given_facts, mandate)):
        return
    scheduled = refused_since(mandate, view_of(given_facts, mandate), acts_of(given_facts), now)
    expiry = mandate.credentials.at
    first = min(one for one in (scheduled, expiry) if one is not None)
    told = told_at(given_facts, rule, now)
    if told is not None and told <= max(first, mandate.announced_at) + mandate.unreached_cap:
        assert now >= told + mandate.floor
    else:
        assert now >= first + mandate.unreached_cap
    event("told" if told else "unreached")


@thorough
@given(any_facts(), policies(), instants(), instants())
def test_being_told_earlier_never_brings_the_deadline_under_the_floor_of_the_notice(
    given_facts: Facts, rule: Policy, one: datetime, other: datetime
) -> None:
    """More notices never make a deadline sooner than the first of them allows."""
    scheduled, now = sorted((one, other))
    rule = replace(rule, is_floor_exempt=False)
    ends = deadline(rule, given_facts, scheduled, now)
    assert ends >= scheduled
    covered = [entry.covered_since for entry in given_facts.authority if entry.covered_since]
    latest = max([scheduled, *covered])  # whom a criterion covers later has the same time from then on
    assert ends <= latest + rule.mandate.unreached_cap + rule.mandate.floor
    told = told_at(given_facts, rule, now)
    if has_grace(given_facts, rule.mandate) and told is not None:
        assert ends >= min(told + rule.mandate.floor, scheduled + rule.mandate.unreached_cap)


# ---- time


def causes(given_facts: Facts, rule: Policy, earlier: datetime, later: datetime) -> list[str]:
    """Name what lets a mandate stop refusing while time goes on; nothing else may."""
    mandate, action, found = rule.mandate, given_facts.action, []
    # no token removes a factor, so that act is no use of one
    acts = frozenset({action}) if action == REMOVE_LAST else acts_of(given_facts)
    view = view_of(given_facts, mandate)
    between = [one for one in mandate.stages if earlier < one.at <= later]
    last = begun(mandate, earlier)[-1:]
    for number, one in enumerate(between):
        if not refuses(mandate, view, acts, one.at):
            former = between[number - 1] if number else (last[0] if last else None)
            is_brownout = former is not None and former.state == "brownout"
            found.append("a brownout ended" if is_brownout else "a later stage refuses less")
    for freed in given_facts.exemptions:
        is_of_it = freed.mandate == rule.name and freed.version in {None, rule.version}
        if is_of_it and freed.since is not None and earlier < freed.since <= later < freed.until:
            found.append("an exemption began")
    if action == "project.delete":
        asked = given_facts.object.deletion_asked_at if given_facts.object else None
        if asked is not None and earlier < asked + mandate.deletion_hold <= later:
            found.append("the hold of a deletion ended")
        if any(one.who is None and one.state in {"enforced", "completed", "retired"} for one in between):
            found.append("the mandate is enforced, so deleting is not held any more")
    return found


@settings(max_examples=1500, deadline=None)
@given(telling_facts(), several_policies(), instants(), instants())
def test_time_turns_a_refusal_into_anything_else_by_named_causes_only(
    given_facts: Facts, rules: list[Policy], one: datetime, other: datetime
) -> None:
    earlier, later = sorted((one, other))
    if decide(given_facts, rules, earlier).verdict != "deny":
        return
    if decide(given_facts, rules, later).verdict == "deny":
        return
    assert decide(given_facts, [], later).verdict != "deny"
    assert decide(given_facts, [], earlier).verdict != "deny", "accounts, floors and proofs only grow older"
    for rule in rules:
        if decide(given_facts, [rule], earlier).verdict == "deny":
            found = causes(given_facts, rule, earlier, later)
            assert found
            event(found[0])


@thorough
@given(any_facts(), policies(), instants())
def test_the_schedule_is_what_the_grammar_says(given_facts: Facts, rule: Policy, now: datetime) -> None:
    mandate = rule.mandate
    view, acts = view_of(given_facts, mandate), acts_of(given_facts)
    assert denied_since(mandate, view, acts, now) == refused_since(mandate, view, acts, now)
    coming = [one.at for one in mandate.stages if one.at > now and refuses(mandate, view, acts, one.at)]
    assert next_denial(mandate, view, acts, now) == min(coming, default=None)
    in_force = stages_in_force(mandate, view, now)
    assert in_force == holding(mandate, view, now)
    assert timetable_of(mandate, acts).is_warned(view, now) is any(
        not acts.isdisjoint(one.warn) for one in in_force
    )


@thorough
@given(telling_facts(), several_policies(), instants())
def test_nothing_changes_between_two_instants_that_are_named(
    given_facts: Facts, rules: list[Policy], now: datetime
) -> None:
    """A decision changes only at instants that can be computed beforehand, so a dry run may be trusted."""
    named = sorted(_named_instants(given_facts, rules))
    later = next((one for one in named if one > now), None)
    just_before = (later or now + timedelta(days=9999)) - timedelta(microseconds=1)
    assert written(decide(given_facts, rules, now)) == written(decide(given_facts, rules, just_before))


def _named_instants(given_facts: Facts, rules: Iterable[Policy]) -> set[datetime]:
    spans = {timedelta(), timedelta(minutes=15)}
    asking, thing = given_facts.asking, given_facts.object
    found = {asking.at + timedelta(minutes=15, microseconds=1)} if asking.at else set()
    for freed in given_facts.exemptions:
        found |= {freed.until} | ({freed.since} if freed.since else set())
    for rule in rules:
        mandate = rule.mandate
        spans |= {mandate.unreached_cap, mandate.unreached_cap + timedelta(minutes=15)}
        starts = {one.at for one in mandate.stages} | {one.delivered_at for one in given_facts.notices}
        starts |= {mandate.credentials.at} if mandate.credentials.at else set()
        starts |= {one.covered_since for one in given_facts.authority if one.covered_since}
        ends = {mandate.floor, mandate.floor + timedelta(minutes=15)}
        found |= {start + span for start in starts for span in spans | ends}
        if thing and thing.deletion_asked_at:
            found.add(thing.deletion_asked_at + mandate.deletion_hold)
    return found


# ---- the floor under all of them


@thorough
@given(any_facts(), several_policies(), instants())
def test_no_mandate_and_no_exemption_lowers_the_operators_floor(
    given_facts: Facts, rules: list[Policy], now: datetime
) -> None:
    person = replace(given_facts.person, roles=("operator",))
    freed = tuple(Exempted(name, None, now + timedelta(days=1)) for name in (*NAMES, FLOOR, "default"))
    weak = replace(
        given_facts,
        person=person,
        exemptions=freed,
        asking=replace(given_facts.asking, proved=frozenset({"password"})),
    )
    if weak.asking.kind in {"session", "token", "publisher"}:
        assert decide(weak, rules, now).verdict == "deny"


# ---- which mandates are live


def ledger(*rows: tuple[str, str, int, dict[str, Any]]) -> Ledger:
    """Return a ledger of (effective from, name, version, changes)."""
    ordered = sorted(rows, key=lambda row: (row[1], row[2]))
    return Ledger(
        1, tuple((at(day), policy(name, version=number, **more)) for day, name, number, more in ordered)
    )


def live(found: Ledger, day: str) -> list[str]:
    return [one.label for one in found.live_at(at(day))]


def test_of_each_name_the_highest_version_in_effect_is_live() -> None:
    found = ledger(
        ("2023-01-01", "alpha", 1, {}), ("2023-06-01", "alpha", 2, {}), ("2023-03-01", "beta", 1, {})
    )
    assert live(found, "2022-12-31") == ["default@1"]
    assert live(found, "2023-01-01") == ["alpha@1", "default@1"]
    assert live(found, "2023-05-31T23:59:59.999999Z") == ["alpha@1", "beta@1", "default@1"]
    assert live(found, "2023-06-01") == ["alpha@2", "beta@1", "default@1"]


def test_a_version_that_takes_effect_after_a_higher_one_never_holds() -> None:
    found = ledger(("2023-06-01", "alpha", 1, {}), ("2023-01-01", "alpha", 2, {}))
    assert live(found, "2023-07-01") == ["alpha@2", "default@1"]


def test_what_is_replaced_or_retired_is_not_live() -> None:
    retired = {"stages": [stage("enforced", "2023-01-01", deny=["all"]), stage("retired", "2023-09-01")]}
    found = ledger(
        ("2023-01-01", "alpha", 1, {"replaces": ["default"]}),
        ("2023-03-01", "beta", 1, {"replaces": ["alpha"]}),
        ("2023-05-01", "gamma", 1, retired),
    )
    assert live(found, "2023-02-01") == ["alpha@1"]
    assert live(found, "2023-04-01") == ["beta@1"], (
        "what was replaced doesn't come back with a second replacement"
    )
    assert live(found, "2023-08-31") == ["beta@1", "gamma@1"]
    assert live(found, "2023-09-01") == ["beta@1"]


def test_an_empty_ledger_is_not_an_open_index() -> None:
    assert Ledger(0, ()).live_at(at("2023-01-01")) == (DEFAULT,)
    assert decide(facts(), Ledger(0, ()).live_at(at("2023-01-01")), at("2023-01-01")).verdict == "deny"


@pytest.mark.parametrize("name", ["default", "alpha"])
def test_a_later_version_of_the_default_is_one_like_any_other(name: str) -> None:
    gentler = [stage("announced", "2023-01-01", warn=["all"])]
    found = ledger(
        ("2023-01-01", name, 2, {"stages": gentler, "replaces": [] if name == "default" else ["default"]})
    )
    assert decide(facts(), found.live_at(at("2023-02-01")), at("2023-02-01")).verdict == "warn"
    assert read_mandate(document()).name == "everyone"
