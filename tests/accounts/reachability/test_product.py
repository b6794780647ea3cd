"""Every transition of the model, driven over HTTP: from each situation each step that is open in it (mandate X10).

`plan.py` says which ones are driven, and why they stand for the others; to plan takes minutes. So all of this is for
`./run test --all`, in a browser that leaves out pages that nobody reads; in the ordinary run `test_walks.py` drives ways that
have every step. A part that went well is noted in pytest's cache and left out until anything of the code changes, so that a long
walk can be stopped, and goes on with what is missing.
"""

from __future__ import annotations

import pytest
from django.db import connection
from tests.accounts.conftest import Clock, Configure
from tests.accounts.reachability.plan import (
    SHARDS,
    contradictions,
    driven,
    model,
    open_steps,
    plan,
    planned_roots,
    seen_as,
    shards,
    transitions,
)
from tests.accounts.reachability.product import HastyBrowser, Walk, fingerprint

from keyhouse.accounts.reachability import WITH_OPERATORS, Situation, everything

pytestmark = pytest.mark.slow
LEAST_TRANSITIONS = 580_000
LEAST_DRIVEN = 240_000


@pytest.fixture
def walk(time: Clock, configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    configure(rate_limits="off")
    return Walk(time, configure, tmp_path_factory.mktemp("mail"))


def drive(walk: Walk, roots: list[Situation]) -> None:
    for root in roots:
        walk.walk(root)
    assert walk.driven
    assert not walk.differences, f"of {walk.driven} steps\n{walk.told()}"


@pytest.mark.django_db
@pytest.mark.parametrize("part", range(SHARDS))
def test_x10_the_index_does_what_the_model_says_in_every_situation(
    walk: Walk, part: int, request: pytest.FixtureRequest
) -> None:
    cache = getattr(request.config, "cache", None)  # it can be switched off
    name, walked = f"walks/{connection.vendor}-{part}", f"{fingerprint()}/{SHARDS}"
    if cache is not None and cache.get(name, "") == walked:
        pytest.skip("walked before, with this very code")
    walk.browser = HastyBrowser
    drive(walk, shards()[part])
    if cache is not None:
        cache.set(name, walked)


def test_every_transition_is_driven_or_stands_behind_one_that_is_the_same_to_the_index() -> None:
    situations, origin = model()
    assert set(everything()) == set(situations) - set(origin)
    assert sorted(map(repr, planned_roots())) == sorted(repr(root) for part in shards() for root in part)
    assert list(contradictions()) == []
    walked = {seen_as(now, step) for now, found in plan().edges.items() for step, _, _ in found}
    assert walked == {seen_as(now, step) for now in situations for step, _ in open_steps(now, origin)}
    assert {step.name for step in WITH_OPERATORS} == {
        step.name for found in plan().edges.values() for step, _, _ in found
    }
    assert LEAST_DRIVEN < driven() < transitions()
    assert transitions() > LEAST_TRANSITIONS


def test_what_is_driven_is_come_to_by_what_is_driven_from_a_root_that_is_built() -> None:
    queue, come_to = planned_roots(), set[Situation]()
    while queue:
        now = queue.pop()
        assert now not in come_to, "nothing is driven twice"
        come_to.add(now)
        queue += [after for _, after, goes_on in plan().edges.get(now, ()) if goes_on]
    assert come_to >= set(plan().edges)
