"""A share over days, drawn: gaps stay gaps, a single day is a dot, marks lie within."""

from __future__ import annotations

import re
from datetime import date, timedelta

from keyhouse.web.console.share_plot import HEIGHT, TOP, WIDTH, curve_of

FIRST = date(2024, 1, 1)


def on(days: int) -> date:
    return FIRST + timedelta(days=days)


def test_nothing_is_drawn_of_nothing() -> None:
    assert (curve_of([]).path, curve_of([]).dots) == ("", "")
    assert curve_of([(FIRST, None)]).path == ""


def test_days_are_joined_and_gaps_are_not() -> None:
    found = curve_of([(on(0), 0.0), (on(1), 50.0), (on(2), None), (on(3), 75.0), (on(4), 100.0)])
    assert found.path.count("M") == 2
    assert found.path.count("L") == 2
    assert found.dots.count("M") == 1  # the last day


def test_a_day_between_two_gaps_is_a_dot() -> None:
    found = curve_of([(on(0), 1.0), (on(1), None), (on(2), 2.0), (on(3), None), (on(4), 3.0), (on(5), 3.0)])
    assert found.dots.count("M") == 3


def test_more_is_higher_and_everything_lies_within_the_picture() -> None:
    found = curve_of([(on(days), percent) for days, percent in enumerate((0.0, 33.3, 100.0))])
    places = [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", found.path)]
    assert [y for _, y in places] == sorted((y for _, y in places), reverse=True)
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in places)
    assert (TOP + places[0][1], TOP + places[-1][1]) == (found.lines[0].y, found.lines[-1].y)


def test_marks_outside_of_the_span_are_left_out() -> None:
    points = [(on(days), 1.0) for days in range(10)]
    found = curve_of(points, [(on(-1), "before"), (on(0), "first"), (on(9), "last"), (on(10), "after")])
    assert [mark.word for mark in found.marks] == ["first", "last"]
