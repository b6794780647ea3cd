"""Every transition of the model, driven over HTTP: from each situation each step that is open in it (mandate X10).

The ordinary run takes a few situations by chance, the same ones always; `./run test --all` takes all of them. A part
that went well is noted in pytest's cache and left out until anything of the code changes, so that a long walk can be
stopped, and goes on with what is missing.
"""

from __future__ import annotations

import pytest
from django.db import connection
from tests.accounts.conftest import Clock, Configure
from tests.accounts.reachability.product import SHARDS, Walk, fingerprint, forest, shards, transitions

from keyhouse.accounts.reachability import STEPS, Situation, everything

pytestmark = pytest.mark.django_db
SAMPLED = (0, 100, 200, 300)  # parts of which the ordinary run takes a few situations each
OF_EACH = 3
LEAST_TRANSITIONS = 400_000


@pytest.fixture
def walk(time: Clock, configure: Configure, tmp_path_factory: pytest.TempPathFactory) -> Walk:
    configure(rate_limits="off")
    return Walk(time, configure, tmp_path_factory.mktemp("mail"))


def drive(walk: Walk, roots: list[Situation]) -> None:
    for root in roots:
        walk.walk(root)
    assert walk.driven
    assert not walk.differences, f"of {walk.driven} steps\n{walk.told()}"


@pytest.mark.parametrize("part", SAMPLED)
def test_x10_the_index_does_what_the_model_says_in_a_few_situations(walk: Walk, part: int) -> None:
    found = shards()[part]
    step = len(found) // (OF_EACH + 1)
    drive(walk, found[step::step][:OF_EACH])  # the first ones have the most to drive


@pytest.mark.slow
@pytest.mark.parametrize("part", range(SHARDS))
def test_x10_the_index_does_what_the_model_says_in_every_situation(
    walk: Walk, part: int, request: pytest.FixtureRequest
) -> None:
    cache = getattr(request.config, "cache", None)  # it can be switched off
    name, walked = f"walks/{connection.vendor}-{part}", f"{fingerprint()}/{SHARDS}"
    if cache is not None and cache.get(name, "") == walked:
        pytest.skip("walked before, with this very code")
    drive(walk, shards()[part])
    if cache is not None:
        cache.set(name, walked)


def test_every_situation_belongs_to_one_part_and_every_step_is_driven_somewhere() -> None:
    roots = list(everything())
    assert sorted(map(repr, roots)) == sorted(repr(root) for part in shards() for root in part)
    grown = [after for some in forest().values() for _, after in some]
    assert len(set(grown)) == len(grown)
    assert not set(grown) & set(roots)
    assert transitions() > LEAST_TRANSITIONS
    assert {step.name for step in STEPS} == {
        step.name for now in (*roots, *grown) for step in STEPS if step.may(now)
    }
