"""Bars over days as one path of an SVG: no script, no style of its own; colours come from the style sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

WIDTH: Final = 720
HEIGHT: Final = 200
_LEFT: Final = 64  # room for the numbers beside the lines
_TOP: Final = 12
_BOTTOM: Final = 28  # room for the dates below
_LINES: Final = 4
_GAP: Final = 0.25  # of a bar's share of the width


@dataclass(frozen=True, slots=True)
class Line:
    """A line across the plot at a round number."""

    value: int
    y: float


@dataclass(frozen=True, slots=True)
class Plot:
    """What the template draws; all in units of the picture, which is `width` by `height`."""

    bars: str
    lines: tuple[Line, ...]
    left: int = _LEFT
    base: int = HEIGHT - _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def plot_of(values: Sequence[int]) -> Plot:
    """Draw values, the first one leftmost; the height of the plot is the first round number they don't exceed."""
    step = _round_step(max(values, default=0))
    top = step * _LINES
    scale = (HEIGHT - _BOTTOM - _TOP) / top
    share = (WIDTH - _LEFT) / max(len(values), 1)
    base = HEIGHT - _BOTTOM
    bars = [
        f"M{_LEFT + place * share:.1f} {base}v-{value * scale:.1f}h{share * (1 - _GAP):.1f}v{value * scale:.1f}z"
        for place, value in enumerate(values)
        if value > 0
    ]
    lines = tuple(Line(step * number, round(base - step * number * scale, 1)) for number in range(_LINES + 1))
    return Plot("".join(bars), lines)


def _round_step(highest: int) -> int:
    """Return the smallest of 1, 2, 5, 10, 20, 50, … of which four reach the highest value."""
    power = 1
    while True:
        for factor in (1, 2, 5):
            if factor * power * _LINES >= highest:
                return factor * power
        power *= 10
