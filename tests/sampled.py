"""What is tried over and over: a few times in an ordinary run, and as often as is named with `--all`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def seeds(few: int, most: int) -> list[Any]:
    """Return the seeds from 0 up to `most`; those from `few` on are `slow`."""
    return [pytest.param(seed, marks=pytest.mark.slow if seed >= few else ()) for seed in range(most)]


FAMILY = 12
"""From so many cases on a test goes through a list: of routes, cells of a table, odd signs."""
EACH = 3


def mark_the_spared(tests: Iterable[pytest.Item]) -> None:
    """Leave of each long list every third case, and mark the others `slow`: where the same list is tried whole elsewhere."""
    cases: dict[str, list[pytest.Item]] = {}
    for test in tests:
        cases.setdefault(test.nodeid.partition("[")[0], []).append(test)
    for family in cases.values():
        if len(family) >= FAMILY:
            for test in (test for number, test in enumerate(family) if number % EACH):
                test.add_marker("slow")
