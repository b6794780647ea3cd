"""A time line as an SVG: stages as a band, spans of deadlines and pauses below it; colours come from the style sheet.

The picture says nothing that the list beside it doesn't. Bars stretch with the screen and words don't, so places across
are units of the whole width for bars, and per cent of it for words.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyhouse.core.actions import REMOVE_LAST
from keyhouse.mandate.campaigns.timeline import Event, Timeline
from keyhouse.mandate.documents import Stage

WIDTH: Final = 720
_EDGE: Final = 8
_BAND: Final = 24  # where the band of stages begins, from above
_THICK: Final = 22
_ROW: Final = 12  # of a span below it
_LEAST: Final = 2.0  # so that a short span can be seen
_APART: Final = 40.0  # of two numbers, so that they stand apart on a phone too
_SPANS: Final = {"shadow": "span-shadow", "deadlines": "span-deadlines", "pause": "span-pause"}
_BEFORE: Final = timedelta(days=30)  # shown of what has held since the beginning


@dataclass(frozen=True, slots=True)
class Bar:
    """A rectangle: a stage until the next one, or a span. `style`: a class of the style sheet."""

    x: float
    y: float
    width: float
    height: float
    style: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The number of a stage above where it begins."""

    x: float
    text: str

    @property
    def percent(self) -> float:
        """Return its place in per cent of the width."""
        return round(100 * self.x / WIDTH, 2)


@dataclass(frozen=True, slots=True)
class Drawing:
    """What the template draws, in units of the picture."""

    bars: tuple[Bar, ...]
    marks: tuple[Mark, ...]
    now: float  # a place, as of bars
    begins: datetime
    ends: datetime
    height: int
    width: int = WIDTH
    top: int = _BAND
    middle: int = _BAND + _THICK // 2

    @property
    def bottom(self) -> int:
        """Return where the words below stand."""
        return self.height - 6


class _Scale:
    """Turns instants into places."""

    def __init__(self, begins: datetime, ends: datetime) -> None:
        self.begins, self._length = begins, max((ends - begins).total_seconds(), 1.0)

    def x(self, at: datetime) -> float:
        share = (at - self.begins).total_seconds() / self._length
        return round(_EDGE + min(max(share, 0.0), 1.0) * (WIDTH - 2 * _EDGE), 1)


def draw(line: Timeline) -> Drawing:
    """Draw a time line, from its first instant to its last with a little room beside them."""
    known = [one for one in line.events if one.is_known]
    begins, ends = _limits(known, line.now)
    scale = _Scale(begins, ends)
    spans = [one for one in known if one.kind in _SPANS]
    bars = (*_band(line, scale, ends), *_rows(spans, scale, line.now))
    height = _BAND + _THICK + 6 + _ROW * len(spans) + 24
    return Drawing(bars, tuple(_marks(line, scale)), scale.x(line.now), begins, ends, height)


def _limits(events: Sequence[Event], now: datetime) -> tuple[datetime, datetime]:
    told = [at for one in events for at in (one.at, one.until) if at is not None]
    recent = [at for one in events for at in (one.at,) if not one.is_from_the_beginning]
    begins, ends = min(recent, default=now), max([*told, now])
    begins = min(begins, now)
    if any(one.is_from_the_beginning for one in events):
        begins -= _BEFORE
    room = max((ends - begins) / 20, timedelta(days=1))
    return begins, ends + room


def _band(line: Timeline, scale: _Scale, ends: datetime) -> Iterator[Bar]:
    stages = [one for one in line.stages if one.is_known]
    nexts = [one.at for one in stages[1:]] + [ends]
    for one, until in zip(stages, nexts, strict=False):
        style = _style_of(line.policy.mandate.holding[one.number or 0])
        yield _bar(scale, one.at, until, _BAND, _THICK, f"stage-{style}")


def _style_of(holding: Sequence[Stage]) -> str:
    """Say how strict it is while these stages hold; that nobody sheds their last factor is no refusal to speak of."""
    denying = [one for one in holding if one.deny - {REMOVE_LAST}]
    if denying:
        return "denies" if any(one.who is None for one in denying) else "some"
    return "warns" if any(one.warn for one in holding) else "open"


def _rows(spans: Sequence[Event], scale: _Scale, now: datetime) -> Iterator[Bar]:
    for place, one in enumerate(spans):
        y = _BAND + _THICK + 6 + place * _ROW
        until = one.until or max(now, one.at)
        yield _bar(scale, one.at, until, y, _ROW - 4, _SPANS[one.kind])


def _bar(scale: _Scale, since: datetime, until: datetime, y: float, height: float, style: str) -> Bar:  # noqa: PLR0913, PLR0917 - what a rectangle is
    x = scale.x(since)
    return Bar(x, y, max(round(scale.x(until) - x, 1), _LEAST), height, style)


def _marks(line: Timeline, scale: _Scale) -> Iterator[Mark]:
    last = -_APART
    for place, one in enumerate(line.stages, start=1):
        if one.is_known:
            last = min(max(scale.x(one.at) + 4, last + _APART), WIDTH - _EDGE)
            yield Mark(last, str(place))
