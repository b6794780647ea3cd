"""Whatever the facts: an organization's mandate makes no decision more lenient, and none at all about what isn't its own."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

from hypothesis import given
from hypothesis import strategies as st
from tests.mandate import strategies as made

from keyhouse.core.actions import CATALOGUE
from keyhouse.mandate.asked import asked_within
from keyhouse.mandate.declarations import (
    ACTS,
    LEVELS,
    Declared,
    Demand,
    Place,
    change_to,
    holding,
    policy_of,
    without_superseded,
)
from keyhouse.mandate.facts import Asking, Authority, Facts, Notice, Object, Person, read_facts
from keyhouse.mandate.rules import Policy, decide

ORDER = {"allow": 0, "warn": 1, "deny": 2}
demands = st.builds(Demand, st.sampled_from(LEVELS), st.booleans())


@st.composite
def declared(draw: st.DrawFn) -> Declared:
    announced = draw(made.instants())
    from_at = announced + timedelta(days=draw(st.integers(0, 60)))
    return Declared(1, draw(demands).text, False, announced, from_at, announced)


@st.composite
def about(draw: st.DrawFn) -> Facts:
    """Return facts whose object stands in an organization, or in another one, or in none."""
    facts: Facts = draw(made.telling_facts())
    thing = facts.object or Object("project", "alpha")
    since = draw(st.none() | made.instants())
    where = draw(st.sampled_from(["acme", "acme", "other", ""]))
    action = draw(st.sampled_from(sorted(CATALOGUE)))
    return replace(facts, action=action, object=replace(thing, organization=where, organization_since=since))


@given(about(), made.several_policies(), declared(), made.instants())
def test_c3_it_is_never_more_lenient_and_changes_nothing_outside(
    facts: Facts, policies: list[Policy], one: Declared, now: datetime
) -> None:
    policy = policy_of(one, "acme")
    without, beside = decide(facts, policies, now), decide(facts, [*policies, policy], now)
    assert ORDER[beside.verdict] >= ORDER[without.verdict]
    assert facts.object is not None
    if facts.object.organization != "acme" or facts.action not in ACTS or now < one.announced_at:
        assert beside == without
    if beside != without and without.verdict == "deny":
        assert beside.since is not None
    assert read_facts(facts.as_dict()) == facts


@given(about(), made.several_policies(), declared(), made.instants())
def test_whoever_asks_about_nothing_is_asked_nothing(
    facts: Facts, policies: list[Policy], one: Declared, now: datetime
) -> None:
    bare = replace(facts, object=None)
    assert decide(bare, [*policies, policy_of(one, "acme")], now) == decide(bare, policies, now)


@given(about(), demands, demands, made.instants(), st.integers(14, 60))
def test_a_change_that_is_no_loosening_refuses_all_that_was_refused_at_every_instant(
    facts: Facts, first: Demand, second: Demand, declared_at: datetime, days: int
) -> None:
    """Tightening: what held before goes on to refuse, whatever days of grace what is new gives."""
    old = Declared(1, first.text, False, declared_at, declared_at + timedelta(days=14), declared_at)
    again = declared_at + timedelta(days=20)
    change = change_to(second, again + timedelta(days=days), [old], again)
    if change is None or change.is_loosening:
        assert not second.is_at_least(first) or second == first
        return
    new = Declared(2, second.text, False, change.announced_at, change.from_at, again)
    for at in (
        again,
        change.from_at - timedelta(seconds=1),
        change.from_at,
        change.from_at + timedelta(days=1),
        change.from_at + timedelta(days=29),
    ):
        before = decide(facts, [policy_of(one, "acme") for one in holding([old], at)], at)
        after = decide(facts, [policy_of(one, "acme") for one in holding([old, new], at)], at)
        assert ORDER[after.verdict] >= ORDER[before.verdict]


def test_a_tightening_gives_a_token_no_days_that_was_refused_before() -> None:
    begun, day = datetime(2024, 6, 14, tzinfo=UTC), timedelta(days=1)
    first = Declared(1, "any-factor", False, begun, begun + 14 * day, begun)
    again = begun + 20 * day
    second = Declared(2, "any-factor+trusted-publishers", False, again, again + 14 * day, again)
    facts = Facts(
        Person("u1", begun - 400 * day, verified_email=True, factors=("security-key",)),
        Asking("token", frozenset({"password"}), at=begun - 300 * day),
        "collaborator.change-role",
        (Authority("project", "alpha", "owner", begun - 400 * day),),
        Object("project", "alpha", organization="acme"),
    )
    place = Place("acme", None, (first, second))
    on_day = second.from_at
    alone = decide(facts, [policy_of(second, "acme")], on_day)
    assert (alone.verdict, alone.until) == ("warn", on_day + 14 * day)  # by itself it would give them
    for at in (on_day - day, on_day, on_day + 13 * day, on_day + 30 * day):
        found = decide(facts, place.policies(at), at)
        assert (found.verdict, found.version, found.since) == ("deny", 1, first.from_at + 14 * day), at
    assert [one.version for one in place.asking(on_day - day)] == [1, 2]
    assert [one.version for one in place.asking(on_day)] == [2]


def test_a_loosening_back_to_a_former_demand_gives_nobody_new_days() -> None:
    """Neither to whoever was told of the version between alone, nor to a token that the first one refused."""
    begun, day = datetime(2024, 6, 14, tzinfo=UTC), timedelta(days=1)
    first = Declared(1, "phishing-resistant", False, begun, begun + 14 * day, begun, key=1)
    again = begun + 15 * day
    second = Declared(2, "device-bound", False, again, again + 14 * day, again, key=2)
    moved, now = again + 20 * day, again + 35 * day
    asked = without_superseded(holding([first, second], now), now)
    change = change_to(Demand("phishing-resistant"), now, asked, now)
    assert change is not None
    loose = Declared(3, "phishing-resistant", True, change.announced_at, change.from_at, now, key=3)
    late = Facts(
        Person("u1", begun - 400 * day, verified_email=True, factors=("authenticator-app",)),
        Asking("session", frozenset({"password", "totp"}), at=now),
        "release.publish",
        (Authority("project", "alpha", "owner", begun - 400 * day),),
        Object("project", "alpha", organization="acme", organization_since=moved),
        (Notice(second.told_as, "mail", moved),),
    )
    token = replace(
        late,
        asking=Asking("token", frozenset({"password"}), at=begun - 300 * day),
        object=replace(late.object or Object("project"), organization_since=None),
        notices=(),
    )
    for facts in (late, token):
        for rows in ([first, second], [first, second, loose]):
            assert decide(facts, Place("acme", None, tuple(rows)).policies(now), now).verdict == "deny", rows


def test_versions_that_are_known_by_the_same_notice_and_days_hold_once() -> None:
    """However often owners ask for more and take it back before its day, the gate weighs no more than before."""
    begun, day = datetime(2024, 6, 14, tzinfo=UTC), timedelta(days=1)
    rows = [Declared(1, "any-factor", False, begun, begun + 14 * day, begun, key=1)]
    for number in range(2, 12, 2):
        now = begun + (20 + number) * day
        rows.append(Declared(number, "device-bound", False, now, now + 14 * day, now, key=number))
        change = change_to(Demand("any-factor"), now, without_superseded(holding(rows, now), now), now)
        assert change is not None
        rows.append(
            Declared(number + 1, "any-factor", True, change.announced_at, change.from_at, now, key=number + 1)
        )
        assert [(one.demand, one.key) for one in holding(rows, now)] == [("any-factor", 1)]


def test_a_page_tells_what_the_version_before_refuses_while_the_newest_gives_days() -> None:
    begun, day = datetime(2024, 6, 14, tzinfo=UTC), timedelta(days=1)
    first = Declared(1, "any-factor", False, begun, begun + 14 * day, begun)
    second = Declared(2, "phishing-resistant", False, begun + 20 * day, begun + 34 * day, begun + 20 * day)
    project = Object("project", "alpha", organization="acme")
    facts = Facts(
        Person("u1", begun - 400 * day, verified_email=True),
        Asking("session", frozenset({"password"}), at=begun),
        "release.publish",
        (Authority("project", "alpha", "owner", begun - 400 * day),),
    )
    place = Place("acme", None, (first, second))

    def told(at: datetime) -> list[tuple[int, bool]]:
        found = asked_within(place, facts, [project], at)
        return [(one.policy.version, one.since is not None) for one in found]

    assert told(second.from_at - day) == [(1, True), (2, False)]
    assert told(second.from_at) == [(2, False), (1, True)]  # of the second they weren't told: it comes late
    assert told(second.from_at + 14 * day) == [(2, True)]
    facts = replace(facts, person=replace(facts.person, factors=("authenticator-app",)))
    assert told(second.from_at) == [(2, False)]


def test_a_loosening_leaves_no_day_on_which_less_is_asked_than_before_and_after_it() -> None:
    now = datetime(2024, 1, 1, tzinfo=UTC)
    begun, day = now - timedelta(days=30), timedelta(days=1)
    every = [Demand(level, is_only) for level in LEVELS for is_only in (False, True)]
    seen = 0
    for first, second, third in product(every, repeat=3):
        if first == second or not second.is_at_least(first):
            continue
        old = Declared(1, first.text, False, begun, begun + 15 * day, begun)
        coming = Declared(2, second.text, False, now - day, now + 20 * day, now - day)
        change = change_to(third, now + 20 * day, [old, coming], now)
        if change is None or not change.is_loosening:
            continue
        seen += 1
        new = Declared(3, third.text, True, change.announced_at, change.from_at, now + 3 * day)
        for at in (now + 3 * day, now + 19 * day, now + 20 * day):
            enforced = [
                Demand.needed(one.demand) for one in holding([old, coming, new], at) if one.from_at <= at
            ]
            for shared in every:
                if first.is_at_least(shared) and third.is_at_least(shared):
                    assert _is_asked(shared, enforced), (first, second, third, at)
    assert seen


def _is_asked(demand: Demand, enforced: list[Demand]) -> bool:
    """Tell whether what is enforced asks for all of it, be it by several versions."""
    level = max((LEVELS.index(one.level) for one in enforced), default=-1)
    is_only = any(one.publishers_only for one in enforced)
    return level >= LEVELS.index(demand.level) and is_only >= demand.publishers_only
