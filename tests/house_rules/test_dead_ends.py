"""No account state is a dead end, or it is listed with its reason (mandate X10)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from keyhouse.accounts.dead_ends import KINDS, kind_of, proofs, way_with_operators
from keyhouse.accounts.reachability import STEPS, is_compliant, way_from
from keyhouse.cli import dev_dead_ends

pytestmark = pytest.mark.by_turns

ROOT = Path(__file__).parents[2]
LEAST_SITUATIONS = 50_000


def test_x10_every_situation_has_a_way_without_operators_or_is_of_a_listed_kind() -> None:
    starts, ways = dev_dead_ends.all_ways()
    assert len(set(starts)) == len(starts) > LEAST_SITUATIONS
    kinds: Counter[str] = Counter()
    for start in starts:
        way = way_from(start, ways)
        kind = kind_of(start)
        if way is None:
            assert kind is not None, f"a dead end that nothing explains: {start}"
            kinds[kind.name] += 1
            continue
        now = start
        for step, after in way:
            assert step.who != "operators"
            assert step.may(now)
            assert step.do(now) == after
            now = after
        assert is_compliant(now)
    assert set(kinds) == {kind.name for kind in KINDS}, "a kind that nothing is of"


def test_x10_whoever_has_the_mailbox_and_one_more_proof_comes_back_by_themselves() -> None:
    """Beside the mailbox a working factor, a good password, a recovery code or a co-owner is enough."""
    starts, ways = dev_dead_ends.all_ways()
    for start in starts:
        held = proofs(start)
        if "mailbox" not in held or (start.account == "frozen" and start.mail != "verified"):
            continue
        if held & {"app", "key", "password", "code"} or (start.co_owners and start.account != "frozen"):
            assert start in ways, start


def test_x10_a_recovery_code_and_the_app_need_neither_password_nor_mailbox() -> None:
    starts, ways = dev_dead_ends.all_ways()
    for start in starts:
        if {"app", "code"} <= proofs(start) and start.account != "frozen" and start.transport == "works":
            assert start in ways, start


def test_x10_operators_lead_out_of_every_dead_end() -> None:
    starts, ways = dev_dead_ends.all_ways()
    for start in starts:
        if start not in ways:
            assert way_with_operators(start, ways) is not None, start


def test_every_step_is_on_some_way_or_beside_one() -> None:
    """A step that is never open would be a promise that nothing tests."""
    starts, ways = dev_dead_ends.all_ways()
    open_ones = {step.name for one in ways for step in STEPS if step.may(one)}
    assert open_ones == {step.name for step in STEPS}
    assert starts
