"""A share over days as a curve of an SVG: no script, no style of its own; colours come from the style sheet.

Days that nobody counted leave a gap: nothing is drawn across them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 260
_LEFT: Final = 56  # room for the numbers beside the lines
_TOP: Final = 34  # room for what the axis is of
_RIGHT: Final = 8
_BOTTOM: Final = 28  # room for the dates below
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
    """What the template draws; all in units of the picture, which is `width` by `height`."""

    path: str
    dots: str
    marks: tuple[Mark, ...]
    lines: tuple[Line, ...] = tuple(
        Line(percent, HEIGHT - _BOTTOM - percent / _HUNDRED * (HEIGHT - _BOTTOM - _TOP)) for percent in LINES
    )
    left: int = _LEFT
    right: int = WIDTH - _RIGHT
    top: int = _TOP
    base: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


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
    return _LEFT + (WIDTH - _RIGHT - _LEFT) * ((on - first).days / days if days else 0.5)


def _y(percent: float) -> float:
    return HEIGHT - _BOTTOM - percent / _HUNDRED * (HEIGHT - _BOTTOM - _TOP)


def _dot(x: float, y: float) -> str:
    return f"M{x - 4:.1f} {y:.1f}a4 4 0 1 0 8 0a4 4 0 1 0 -8 0z"


def _mark(on: date, word: str, first: date, last: date) -> Mark:
    return Mark(round(_x(on, first, last), 1), on, word)
