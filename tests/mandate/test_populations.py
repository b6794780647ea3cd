"""People and things put together that no mandate tells apart."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.mandate.strategies import START, any_facts, several_policies

from keyhouse.mandate.facts import Authority, Facts, Object
from keyhouse.mandate.populations import group_people, scheduled
from keyhouse.mandate.rules import Policy, deadline
from keyhouse.mandate.selectors import View

FAR = datetime(9999, 1, 1, tzinfo=UTC)
MORE = ("one", "two", "three", "four")  # projects; mandates name the first two


def seen(facts: Facts, thing: Object, policies: Iterable[Policy]) -> Any:
    """Tell what mandates see in a thing, by looking at it alone."""
    narrowed = replace(facts, object=thing)
    view = View(facts.person, narrowed.entries_of_object)
    return [
        (
            policy.mandate.who.matches(view.at(policy.mandate.announced_at)),
            []
            if policy.is_floor_exempt
            else [deadline(policy, narrowed, at, FAR) for at in scheduled(policy.mandate)],
        )
        for policy in policies
    ]


def spread(entries: Sequence[Authority], chance: Random) -> tuple[Authority, ...]:
    """Give a few of these rights over each project, so that some projects have the same, some nearly the same."""
    found = []
    for name in MORE:
        for one in chance.sample(entries, min(len(entries), chance.randint(0, 2))):
            since = chance.choice([one.since, one.since, START, None])
            found.append(replace(one, name=name, since=since, role=chance.choice([one.role, "owner"])))
    return tuple(found)


@settings(max_examples=400)
@given(any_facts(), several_policies(), st.randoms(use_true_random=False))
def test_each_thing_is_stood_for_by_one_that_mandates_see_alike(
    facts: Facts, policies: Sequence[Policy], chance: Random
) -> None:
    told = replace(facts, notices=(), authority=spread(facts.authority, chance))
    objects = [thing for thing in group_people([told], policies)[0].objects if thing is not None]
    stood_for = [seen(told, thing, policies) for thing in objects]
    for name in {one.name for one in told.authority}:
        assert seen(told, Object("project", name), policies) in stood_for, name
