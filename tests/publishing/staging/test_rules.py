"""What waits beside what, what is shown as changed, and when people are told; without a database."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from keyhouse.projects.rules import is_same_version
from keyhouse.publishing.staging.rules import (
    Difference,
    Waiting,
    differences,
    fingerprint,
    is_to_warn,
    judge_beside,
)

START = datetime(2026, 1, 1, tzinfo=UTC)
WHEEL = Waiting("a-1.0-py3-none-any.whl", "bdist_wheel", "aa", "1.0")
SDIST = Waiting("a-1.0.tar.gz", "sdist", "bb", "1.0")


@pytest.mark.parametrize(
    ("new", "code"),
    [
        (WHEEL, None),
        (Waiting("a-1.0-cp311-none-any.whl", "bdist_wheel", "cc", "1.0"), None),
        (Waiting(WHEEL.filename, "bdist_wheel", "cc", "1.0"), "staged-file-exists"),
        (Waiting("a-1.0-cp311-none-any.whl", "bdist_wheel", "aa", "1.0"), "content-exists"),
        (Waiting("a-1.0.0.tar.gz", "sdist", "cc", "1.0.0"), "second-sdist"),
        (Waiting("a-1.1.tar.gz", "sdist", "cc", "1.1"), None),
        # the very same file again is fine, whatever else is like it
        (SDIST, None),
    ],
)
def test_beside_what_waits(new: Waiting, code: str | None) -> None:
    refusal = judge_beside(new, [WHEEL, SDIST])
    assert (refusal and refusal.code) == code


def test_versions_are_compared_as_installers_do() -> None:
    assert is_same_version("1.0", "1.0.0")
    assert is_same_version("1.0", "1.0")
    assert not is_same_version("1.0", "1.0.1")
    assert not is_same_version("", "1.0")
    assert not is_same_version("no version", "1.0")


def test_a_fingerprint_is_of_names_and_contents_in_any_order() -> None:
    files = [("a", "11"), ("b", "22")]
    assert fingerprint(files) == fingerprint(reversed(files))
    others = [[("a", "22"), ("b", "11")], [("a", "11")], [], [("a", "11"), ("b", "22"), ("c", "33")]]
    assert len({fingerprint(files), *map(fingerprint, others)}) == 5


@pytest.mark.parametrize(
    ("days", "hours", "told"), [(7, 6 * 24 - 1, False), (7, 6 * 24, True), (1, 0, False), (1, 5, False)]
)
def test_people_are_told_a_day_before_the_end_unless_that_is_the_beginning(
    days: int, hours: int, told: bool
) -> None:
    assert is_to_warn(START, START + timedelta(days=days), START + timedelta(hours=hours)) is told


def test_what_differs_in_the_metadata() -> None:
    before = {"summary": "A", "requires_dist": ["x"], "version": "1", "license": "", "project_urls": {}}
    after = {"summary": "B", "requires_dist": ["x", "y"], "version": "2", "license": None, "description": "t"}
    assert differences(before, after) == [
        Difference("requires dist", ("x",), ("x", "y")),
        Difference("summary", ("A",), ("B",)),
    ]
    assert differences({}, {"project_urls": {"Home": "https://a.example"}, "classifiers": [["a", "b"]]}) == [
        Difference("classifiers", (), ("a b",)),
        Difference("project urls", (), ("Home: https://a.example",)),
    ]
