"""Every point at which a process can be killed is in the catalogue, lies in the code, and is tried by some test."""

from __future__ import annotations

import re
from pathlib import Path

from keyhouse.core.fault_points import POINTS

ROOT = Path(__file__).parents[2]


def texts(folder: str) -> list[str]:
    return [path.read_text() for path in sorted((ROOT / folder).rglob("*.py"))]


def test_each_point_lies_in_the_code_and_a_test_dies_there() -> None:
    reached = {
        point for text in texts("src") for point in re.findall(r'faults\.reach\(\s*"([^"]+)"\s*\)', text)
    }
    assert reached == POINTS
    named = {point for text in texts("tests") for point in re.findall(r'"([a-z]+\.[a-z-]+)"', text)}
    assert sorted(POINTS - named) == []
