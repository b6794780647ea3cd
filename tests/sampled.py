"""What is tried over and over: a few times in an ordinary run, and as often as is named with `--all`.

An ordinary run of everything takes its turn with what is tried elsewhere already: a third on PostgreSQL of what was tried on SQLite.
Which third, the commit says (`tests/run.py`), so that each has its turn soon.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any, Final, TypeVar

import pytest

T = TypeVar("T")

TURNS: Final = 3
TURN: Final = os.environ.get("TESTS_TURN", "")  # empty: all is asked for
# what depends on which database it is: what happens at once, is killed, or is put into words for each kind of it
APART: Final = ("/faults/", "/audit/", "/search", "at_once", "race", "parallel", "killed", "migrat", "kept")


def seeds(few: int, most: int) -> list[Any]:
    """Return the seeds from 0 up to `most`; those from `few` on are `slow`."""
    return [pytest.param(seed, marks=pytest.mark.slow if seed >= few else ()) for seed in range(most)]


def in_turn(several: Sequence[T]) -> list[T]:
    """Return those whose turn it is."""
    return list(several[int(TURN) :: TURNS]) if TURN else list(several)


def mark_the_spared(tests: Iterable[pytest.Item]) -> None:
    """Mark `slow` whose turn it isn't of the tests that use a database, where all of them are tried on another."""
    shared = [test for test in tests if test.get_closest_marker("database") and not is_apart(test.nodeid)]
    due = set(in_turn(shared))
    for test in shared:
        if test not in due:
            test.add_marker("slow")


def is_apart(name: str) -> bool:
    """Whether a test is about the database itself: it is tried on each, every time."""
    return any(word in name for word in APART)
