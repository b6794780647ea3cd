from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keyhouse.web.project_pages.line_diff import MOST_LINES, Line, diff_lines, shown_lines

LINES = st.lists(st.sampled_from("abc"), max_size=30)


@given(LINES, LINES)
def test_a_difference_holds_both_texts_and_no_more_changes_than_needed(
    before: list[str], after: list[str]
) -> None:
    lines = diff_lines(before, after)
    assert lines is not None
    assert [line.text for line in lines if line.kind != "added"] == before
    assert [line.text for line in lines if line.kind != "removed"] == after
    assert len([line for line in lines if line.kind == "same"]) == longest_common(before, after)


def longest_common(one: list[str], other: list[str]) -> int:
    row = [0] * (len(other) + 1)
    for mine in one:
        row = (
            [
                0,
                *(0 for _ in other),
            ]
            if not row
            else _next_row(row, mine, other)
        )
    return row[-1]


def _next_row(row: list[int], mine: str, other: list[str]) -> list[int]:
    found = [0]
    for place, theirs in enumerate(other):
        found.append(row[place] + 1 if mine == theirs else max(row[place + 1], found[-1]))
    return found


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (["x"] * (MOST_LINES + 1), []),
        ([str(number) for number in range(2000)], [str(-number) for number in range(2000)]),
        (["a", "b"] * 2000, ["b", "b", "a"] * 1300),
    ],
)
def test_too_much_is_given_up(before: list[str], after: list[str]) -> None:
    assert diff_lines(before, after) is None


def test_only_what_is_near_a_change_is_shown() -> None:
    lines = [*[Line("same", str(number)) for number in range(10)], Line("added", "x"), Line("same", "y")]
    assert [line.text or line.kind for line in shown_lines(lines)] == ["gap", "7", "8", "9", "x", "y"]
