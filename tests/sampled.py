"""What is tried over and over: a few times in an ordinary run, and as often as is named with `--all`.

An ordinary run of everything tries what uses a database on one of them: a sixth on PostgreSQL, the others on SQLite, and on
both what is about the database itself. Which sixth, the commit says (`tests/run.py`), so that each has its turn soon.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable
from typing import Any, Final

import pytest

TURN: Final = os.environ.get("TESTS_TURN", "")  # as in 2/6, from 0 on; empty: all is asked for
# what depends on which database it is: what happens at once, is killed, or is put into words for each kind of it
APART: Final = (
    "/faults/",
    "/audit/",
    "/search",
    "at_once",
    "race",
    "parallel",
    "killed",
    "migrat",
    "kept",
    "postgresql",
    "backup",
)


def seeds(few: int, most: int) -> list[Any]:
    """Return the seeds from 0 up to `most`; those from `few` on are `slow`."""
    return [pytest.param(seed, marks=pytest.mark.slow if seed >= few else ()) for seed in range(most)]


def mark_the_spared(tests: Iterable[pytest.Item], *, are_due_here: bool) -> None:
    """Mark `slow` what the other database tries: whose turn it is are due on PostgreSQL, and the others on SQLite."""
    for test in tests if TURN else ():
        shared = test.get_closest_marker("database") and not is_apart(test)
        if shared and is_due(test.nodeid) != are_due_here:
            test.add_marker("slow")


def is_due(name: str) -> bool:
    """Whether it is a test's turn; by its name, so that two runs that find other tests agree on it."""
    turn, turns = map(int, TURN.split("/"))
    return zlib.crc32(name.encode()) % turns == turn


def is_apart(test: pytest.Item) -> bool:
    """Whether a test is about the database itself, or asks which it is: it is tried on each, every time."""
    asks = test.get_closest_marker("skipif") or "is_sqlite" in getattr(test, "fixturenames", ())
    return bool(asks) or any(word in test.nodeid for word in APART)
