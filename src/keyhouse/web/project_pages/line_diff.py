"""What changed between two texts, by lines, in bounded time.

Myers' greedy algorithm ("An O(ND) Difference Algorithm and Its Variations", 1986). Its work grows with the square of the
number of changes, so it gives up after `MOST_CHANGES`: nobody reads more of them, and a text made to be slow to compare
costs no more than that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal

MOST_CHANGES: Final = 300
MOST_LINES: Final = 4000
_CONTEXT: Final = 3

Kind = Literal["same", "added", "removed", "gap"]


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a difference; a gap stands for lines that are the same and not shown."""

    kind: Kind
    text: str = ""


def diff_lines(before: Sequence[str], after: Sequence[str]) -> list[Line] | None:
    """Return all lines of both in order, or None where there are too many lines or changes."""
    if len(before) > MOST_LINES or len(after) > MOST_LINES:
        return None
    trace = _search(before, after)
    return None if trace is None else _walk_back(before, after, trace)


def shown_lines(lines: Sequence[Line]) -> Iterator[Line]:
    """Yield the changes with three lines around each, and a gap for what lies between."""
    changed = [place for place, line in enumerate(lines) if line.kind != "same"]
    shown = {near for place in changed for near in range(place - _CONTEXT, place + _CONTEXT + 1)}
    is_gap = False
    for place, line in enumerate(lines):
        if place in shown:
            yield line
            is_gap = False
        elif not is_gap:
            yield Line("gap")
            is_gap = True


def _search(before: Sequence[str], after: Sequence[str]) -> list[dict[int, int]] | None:
    """Return the furthest place on each diagonal after each number of changes, or None where there are too many."""
    furthest = {1: 0}
    trace: list[dict[int, int]] = []
    for changes in range(MOST_CHANGES + 1):
        trace.append(dict(furthest))
        for diagonal in range(-changes, changes + 1, 2):
            x = _step(furthest, diagonal, changes)
            while x < len(before) and 0 <= x - diagonal < len(after) and before[x] == after[x - diagonal]:
                x += 1
            furthest[diagonal] = x
            if x >= len(before) and x - diagonal >= len(after):
                return trace
    return None


def _step(furthest: dict[int, int], diagonal: int, changes: int) -> int:
    """Return where one more change leads on a diagonal: down (a line added) or to the right (one removed)."""
    if _comes_from_above(furthest, diagonal, changes):
        return furthest[diagonal + 1]
    return furthest[diagonal - 1] + 1


def _comes_from_above(furthest: dict[int, int], diagonal: int, changes: int) -> bool:
    if diagonal in {-changes, changes}:
        return diagonal == -changes
    return furthest[diagonal - 1] < furthest[diagonal + 1]


def _walk_back(before: Sequence[str], after: Sequence[str], trace: list[dict[int, int]]) -> list[Line]:
    lines: list[Line] = []
    x, y = len(before), len(after)
    for changes in range(len(trace) - 1, -1, -1):
        furthest, diagonal = trace[changes], x - y
        is_added = _comes_from_above(furthest, diagonal, changes)
        from_x = furthest.get(diagonal + 1, 0) if is_added else furthest.get(diagonal - 1, 0)
        from_y = from_x - (diagonal + 1 if is_added else diagonal - 1)
        while x > max(from_x, 0) and y > max(from_y, 0) and x - y == diagonal:
            if (x, y) == _after_step(from_x, from_y, is_added=is_added):
                break
            x, y = x - 1, y - 1
            lines.append(Line("same", before[x]))
        if changes:
            lines.append(Line("added", after[from_y]) if is_added else Line("removed", before[from_x]))
        x, y = from_x, from_y
    return lines[::-1]


def _after_step(x: int, y: int, *, is_added: bool) -> tuple[int, int]:
    return (x, y + 1) if is_added else (x + 1, y)
