"""A share over days as a curve of an SVG: no script, no style of its own; colours come from the style sheet.

Days that nobody counted leave a gap: nothing is drawn across them. Only the area with the curve is as wide as there is
room for; words keep their size on every screen, so the picture has two parts: the area, and the words around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

WIDTH: Final = 720  # of the area, in units that stretch
HEIGHT: Final = 200  # of the area, in pixels
LEFT: Final = 56  # room for the numbers beside the lines; the style sheet leaves it (.plot-share)
TOP: Final = 34  # room for what the axis is of
_BELOW: Final = 28  # room for the dates
_EDGE: Final = 4  # so that the dots at both ends are seen whole
_HUNDRED: Final = 100
LINES: Final = (0, 25, 50, 75, 100)  # per cent


@dataclass(frozen=True, slots=True)
class Mark:
    """An upright line at a day on which something began."""

    x: float
    on: date
    word: str


@dataclass(frozen=True, slots=True)
class Line:
    """A line across at so many per cent."""

    percent: int
    y: float


@dataclass(frozen=True, slots=True)
class Curve:
    """What the template draws; places of the curve are of the area, those of lines are of the whole picture."""

    path: str
    dots: str
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...] = tuple(
        Line(percent, TOP + HEIGHT - percent / _HUNDRED * HEIGHT) for percent in LINES
    )
    left: int = LEFT
    top: int = TOP
    width: int = WIDTH
    area: int = HEIGHT
    height: int = TOP + HEIGHT + _BELOW


Point = tuple[date, float | None]


def curve_of(points: Sequence[Point], begun: Sequence[tuple[date, str]] = ()) -> Curve:
    """Draw shares in per cent by day, the oldest first; a single day is a dot, and so is one between two gaps.

    `begun` are days on which something began, with a word each; those outside of the span are left out.
    """
    if not points:
        return Curve("", "", ())
    first, last = points[0][0], points[-1][0]
    path, dots = [], []
    for run in _runs(points):
        places = [(_x(on, first, last), _y(percent)) for on, percent in run]
        path.append("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places))
        if len(places) == 1:
            dots.append(_dot(*places[0]))
    end = [one for one in points if one[1] is not None][-1:]
    dots += [_dot(_x(on, first, last), _y(percent)) for on, percent in end if percent is not None]
    marks = tuple(_mark(on, word, first, last) for on, word in begun if first <= on <= last)
    return Curve("".join(path), "".join(dots), marks)


def _runs(points: Sequence[Point]) -> list[list[tuple[date, float]]]:
    """Return the days without a gap, together."""
    runs: list[list[tuple[date, float]]] = [[]]
    for on, percent in points:
        if percent is None:
            runs.append([])
        else:
            runs[-1].append((on, percent))
    return [run for run in runs if run]


def _x(on: date, first: date, last: date) -> float:
    days = (last - first).days
    return _EDGE + (WIDTH - 2 * _EDGE) * ((on - first).days / days if days else 0.5)


def _y(percent: float) -> float:
    return HEIGHT - percent / _HUNDRED * HEIGHT


def _dot(x: float, y: float) -> str:
    """Return a line of no length, whose round ends are a dot however the area stretches."""
    return f"M{x:.1f} {y:.1f}h0"


def _mark(on: date, word: str, first: date, last: date) -> Mark:
    return Mark(round(_x(on, first, last), 1), on, word)
