"""What operators do where nothing else leads on, from the model and over HTTP to the end (mandate X10)."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
from tests.accounts.conftest import Clock, Configure
from tests.accounts.reachability.person import Person

from keyhouse.accounts.dead_ends import KINDS, kind_of, way_with_operators
from keyhouse.accounts.reachability import WITH_OPERATORS, Situation
from keyhouse.cli.dev_dead_ends import all_ways

pytestmark = [pytest.mark.django_db, pytest.mark.by_turns]
Names = tuple[str, ...]
OF_EACH_WAY = 4
# written down, so that tests are found without searching the model for them, in every process anew
HOW_MANY_WAYS = 187
FIRST_STEPS = [
    ("everything is lost", "mend-mail"),
    ("everything is lost", "operators-answer"),
    ("frozen, without the mailbox", "mend-mail"),
    ("frozen, without the mailbox", "operators-answer"),
    ("no mail can be sent, and nothing is verified", "mend-mail"),
    ("no mail can be sent, and nothing is verified", "verify-by-hand"),
    ("one proof alone, without the mailbox", "mend-mail"),
    ("one proof alone, without the mailbox", "operators-answer"),
    ("one proof alone, without the mailbox", "verify-by-hand"),
    ("the mailbox alone", "operators-answer"),
]
STEPS_BY_NAME = {step.name: step for step in WITH_OPERATORS}


@pytest.fixture(autouse=True)
def _no_limits(configure: Configure) -> None:
    configure(rate_limits="off")


@lru_cache(maxsize=1)
def by_kind_and_way() -> dict[tuple[str, Names], list[Situation]]:
    """Return all dead ends by their kind and the way out by operators."""
    starts, ways = all_ways()
    found: dict[tuple[str, Names], list[Situation]] = {}
    for start in starts:
        if start not in ways and (kind := kind_of(start)):
            names = tuple(way_with_operators(start, ways) or ())
            found.setdefault((kind.name, names), []).append(start)
    return found


def shortest() -> dict[tuple[str, str], Names]:
    """Return for each kind a way for each first step of operators."""
    found: dict[tuple[str, str], Names] = {}
    for kind, names in sorted(by_kind_and_way(), key=lambda one: len(one[1])):
        found.setdefault((kind, names[0]), names)
    return found


def walk(start: Situation, names: Names, time: Clock, configure: Configure, folder: Path) -> None:
    person, now = Person(start, time, configure, folder), start
    assert person.observe(start) == start, "the account was not built as the model says"
    for name in names:
        step = STEPS_BY_NAME[name]
        assert step.may(now)
        now = step.do(now)
        person.do(name)
        assert person.observe(now) == now, f"after {name}"
    assert person.may_mint()


def test_every_kind_of_dead_end_has_ways_by_operators_and_all_their_steps_are_driven() -> None:
    assert {kind for kind, _ in by_kind_and_way()} == {kind.name for kind in KINDS}
    assert all(names for _, names in by_kind_and_way())
    assert len(by_kind_and_way()) == HOW_MANY_WAYS
    assert sorted(shortest()) == FIRST_STEPS
    assert {first for _, first in FIRST_STEPS} == {"operators-answer", "verify-by-hand", "mend-mail"}


@pytest.mark.parametrize(("kind", "first"), FIRST_STEPS)
def test_x10_operators_lead_out_of_each_kind_of_dead_end(
    kind: str, first: str, time: Clock, configure: Configure, tmp_path: Path
) -> None:
    names = shortest()[kind, first]
    walk(by_kind_and_way()[kind, names][0], names, time, configure, tmp_path / "mail")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(OF_EACH_WAY))
@pytest.mark.parametrize("place", range(HOW_MANY_WAYS))
def test_x10_every_different_way_by_operators_is_driven(
    place: int, number: int, time: Clock, configure: Configure, tmp_path: Path
) -> None:
    (_, names), found = sorted(by_kind_and_way().items(), key=lambda one: one[0])[place]
    if number < len(found):
        step = max(1, len(found) // OF_EACH_WAY)
        walk(found[number * step], names, time, configure, tmp_path / "mail")
