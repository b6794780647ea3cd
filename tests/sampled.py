"""What is tried over and over: a few times in an ordinary run, and as often as is named with `--all`.

An ordinary run of everything tries what uses a database on one of them: a sixth on PostgreSQL, and of what is about the
database itself a third, the others on SQLite. And of what takes seconds each (marked `by_turns`), it tries a third, or a
half where the database matters. Which, the commit says (`tests/run.py`), so that each has its turn soon.
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
    "backup",
)
ASKING: Final = ("postgresql", "outages")  # what does nothing on one of them
# files whose tests share what takes longer than any of them
TOGETHER: Final = ("/reachability/test_operators",)


def seeds(few: int, most: int) -> list[Any]:
    """Return the seeds from 0 up to `most`; those from `few` on are `slow`."""
    return [pytest.param(seed, marks=pytest.mark.slow if seed >= few else ()) for seed in range(most)]


def mark_the_spared(tests: Iterable[pytest.Item], *, is_postgresql: bool) -> None:
    """Mark `slow` what the other database tries, and what another turn does."""
    for test in tests if TURN else ():
        shared = test.get_closest_marker("database") and not asks_which_it_is(test)
        is_for_the_other = shared and is_for_postgresql(test.nodeid) != is_postgresql
        # on PostgreSQL each has its turns anyway
        is_heavy = test.get_closest_marker("by_turns") and not is_postgresql
        if is_for_the_other or (
            is_heavy and not has_its_turn(test.nodeid, 2 if is_apart(test.nodeid) else 3)
        ):
            test.add_marker("slow")


def is_apart(name: str) -> bool:
    """Whether it matters to a test on which database it is tried."""
    return any(word in name for word in APART)


def is_for_postgresql(name: str) -> bool:
    """Whether a test has its turn there."""
    return has_its_turn(name, 3 if is_apart(name) else int(TURN.partition("/")[2]))


def has_its_turn(name: str, among: int) -> bool:
    """Whether this turn tries it, one of so many; by its name, so that two runs that find other tests agree on it."""
    shared = name.partition("::")[0] if any(word in name for word in TOGETHER) else name
    return not TURN or zlib.crc32(shared.encode()) % among == int(TURN.partition("/")[0]) % among


def asks_which_it_is(test: pytest.Item) -> bool:
    """Whether a test is for one of them, and so is tried on both: it does nothing on the other."""
    asks = test.get_closest_marker("skipif") or "is_sqlite" in getattr(test, "fixturenames", ())
    return bool(asks) or any(word in test.nodeid for word in ASKING)
