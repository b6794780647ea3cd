"""What words are said to prove is true of everybody: the proof against every question."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mandate.ledger import DAY, NOW, enforced, mandate
from tests.mandate.test_planning import DAYS, SELECTORS, every_question, mandates, persons

from keyhouse.mandate.documents import Mandate, read_selector
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.rules import Policy, decide
from keyhouse.mandate.selectors import View
from keyhouse.mandate.strictness import is_as_strict, lies_within

EVERYBODY = {"everyone": True}


@settings(max_examples=300, deadline=None)
@given(SELECTORS, SELECTORS, SELECTORS, persons())
def test_whoever_is_said_to_lie_within_does(one: object, other: object, third: object, facts: Facts) -> None:
    sets = [read_selector(body, ()) for body in (
        one, other, {"any": [one, third]}, {"all": [other, third]}, {"not": one}, {"not": {"all": [one, other]}},
    )]  # fmt: skip
    view = View(facts.person, facts.authority, NOW)
    for inner in sets:
        assert lies_within(inner, inner)
        for outer in sets:
            assert not (lies_within(inner, outer) and inner.matches(view) and not outer.matches(view))


@pytest.mark.parametrize(
    ("inner", "outer"),
    [
        ({"role": ["project.owner"]}, {"any": [{"role": ["project.owner"]}, {"user": ["eve"]}]}),
        ({"role": ["project.owner", "operator"]}, {"any": [{"role": ["operator"]}, {"role": ["project.owner", "invited"]}]}),
        ({"all": [{"user": ["eve"]}, {"role": ["operator"]}]}, {"user": ["eve", "bob"]}),
        ({"not": {"user": ["eve", "bob"]}}, {"not": {"user": ["eve"]}}),
        ({"cohort": {"percent": 10, "seed": "x"}}, {"cohort": {"percent": 20, "seed": "x"}}),
        ({"joined_from": NOW}, {"joined_from": NOW - DAY}),
        ({"user": ["eve"]}, EVERYBODY),
    ],
)  # fmt: skip
def test_what_lies_within_is_seen_and_not_the_other_way_round(inner: object, outer: object) -> None:
    assert lies_within(read_selector(inner, ()), read_selector(outer, ()))
    assert not lies_within(read_selector(outer, ()), read_selector(inner, ()))


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Mandate, Mandate]:
    """Draw a mandate and one that differs in little, so that one is often stricter."""
    old, other = draw(mandates()), draw(mandates())
    changes = {
        name: getattr(other, name)
        for name in ("who", "accept", "floor", "unreached_cap", "deletion_hold", "credentials", "stages")
        if draw(st.integers(0, 4)) == 0
    }
    stages = tuple(replace(one, deny=one.deny | {"token.mint"}) for one in changes.get("stages", old.stages))
    return old, replace(old, **(changes | {"stages": stages}))


@settings(max_examples=60, deadline=None)
@given(pairs(), persons(), st.lists(DAYS, min_size=1, max_size=2), st.booleans())
def test_what_is_proven_stricter_refuses_all_that_was_refused(
    both: tuple[Mandate, Mandate], facts: Facts, days: list[int], is_exempt: bool
) -> None:
    old, new = Policy(both[0], 1, is_floor_exempt=is_exempt), Policy(both[1], 2)
    if not is_as_strict(new, old):
        return
    for at in (NOW + day * DAY for day in days):
        for asked in every_question(facts, at) if at >= (facts.person.joined_at or at) else ():
            before = decide(asked, [old], at)
            if before.verdict == "deny" and before.code != "deletion-held":
                assert decide(asked, [new], at).verdict == "deny"


def test_each_thing_that_lets_more_through_is_not_proven() -> None:
    old = Policy(mandate(credentials={"before": "warn"}))
    assert is_as_strict(Policy(mandate(), 2), old)
    for changes in (
        {"methods": {"accept": ["security-key", "passkey", "authenticator-app", "device-bound"]},
         "credentials": {"before": "keep"}},
        {"notice": {"floor_days": 31}},
        {"notice": {"unreached_cap_days": 61}},
        {"notice": {"deletion_hold_days": 13}},
        {"who": {"role": ["project.owner"]}},
        {"stages": [{"state": "announced", "at": NOW}, enforced(NOW + 91 * DAY)]},
        {"stages": [{"state": "announced", "at": NOW}, enforced(NOW + 90 * DAY, "publishing")]},
        {"stages": [{"state": "announced", "at": NOW}, enforced(NOW + 90 * DAY) | {"who": {"user": ["eve"]}}]},
    ):  # fmt: skip
        assert not is_as_strict(Policy(mandate(**changes), 2), old), changes


@pytest.mark.parametrize(
    "spared",
    [{"before": "warn"}, {"before": "keep"}, {"before": "expire", "at": NOW + 200 * DAY}],
)
def test_a_token_that_becomes_weak_may_be_spared_what_it_was_refused_for(spared: dict[str, Any]) -> None:
    """Refused for the missing address while it counted as strong, it fares better as a weak one."""
    at_once: dict[str, Any] = {
        "notice": {"floor_days": 0, "unreached_cap_days": 0},
        "credentials": spared,
    }
    old = Policy(mandate(**at_once, methods={"accept": ["authenticator-app", "security-key"]}))
    new = Policy(mandate(**at_once, methods={"accept": ["security-key"]}), 2)
    assert not is_as_strict(new, old)
    assert is_as_strict(Policy(old.mandate, 2), old)


@pytest.mark.parametrize("field", ["before", "grace"])
def test_what_revokes_is_not_made_up_for_by_what_refuses(field: str) -> None:
    old = Policy(mandate(credentials={field: "revoke"}))
    assert not is_as_strict(Policy(mandate(credentials={field: "refuse"}), 2), old)
    assert is_as_strict(Policy(old.mandate, 2), old)
