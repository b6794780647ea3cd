"""Text out of a file made harmless for a page: what can't be seen, or would move what stands beside it, is written out.

A right-to-left override makes `cod.exe` of `exe.doc`, a control character or hundreds of marks on one letter break the
lines around them. Such characters are shown by their number. Escaping for HTML is the page's work.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_MOST_MARKS: Final = 2  # on one letter; Vietnamese and pointed Hebrew need two
_ODD: Final = re.compile(r"[^ -~]+")
_ELLIPSIS: Final = "…"


def visible(text: str, *, kept: str = "") -> str:
    """Return `text` with every character written out that can't be seen; those of `kept` stay as they are."""
    return _ODD.sub(lambda match: _written_out(match[0], kept), text)


def shortened(text: str, longest: int) -> str:
    """Return `text` made visible, its middle left out where it is longer than `longest` characters."""
    if len(text) > 2 * longest:  # no more is looked at than may be shown
        text = text[:longest] + _ELLIPSIS + text[-longest:]
    seen = visible(text)
    if len(seen) <= longest:
        return seen
    head = (longest - 1) * 2 // 3
    return seen[:head] + _ELLIPSIS + seen[len(seen) - (longest - 1 - head) :]


def size_as_html(text: str) -> int:
    """Return how many bytes a text takes in a page, escaped."""
    return sum(map(_cost, text))


def cut(text: str, most: int) -> str:
    """Return the beginning of `text` that takes at most `most` bytes in a page."""
    left = most
    for place, sign in enumerate(text):
        left -= _cost(sign)
        if left < 0:
            return text[:place]
    return text


_COSTS: Final = {"&": 5, "<": 4, ">": 4, '"': 6, "'": 6}


def _cost(sign: str) -> int:
    return _COSTS.get(sign) or len(sign.encode("utf-8", "replace"))


def _written_out(text: str, kept: str) -> str:
    shown: list[str] = []
    marks = 0
    for sign in text:
        marks = marks + 1 if unicodedata.category(sign) in {"Mn", "Me"} else 0
        is_plain = sign in kept or (sign.isprintable() and marks <= _MOST_MARKS)
        shown.append(sign if is_plain else f"\\u{{{ord(sign):04x}}}")
    return "".join(shown)
