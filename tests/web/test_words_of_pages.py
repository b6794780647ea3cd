"""What holds in every template: what takes something away looks like it, and no hour stands without its zone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import keyhouse

TEMPLATES: Final = sorted(Path(keyhouse.__file__).parent.rglob("templates/**/*.html"))
_BUTTON: Final = re.compile(r"<button([^>]*)>(?:\{%[^%]*%\})?\s*([^<{]*)")
_TAKING: Final = re.compile(
    r"Revoke|Remove|Delete|Discard|Suspend|Withdraw|Off-board|Freeze|Forget|End (it|all|sessions)|Step down"
)
_DOTS: Final = re.compile(r"<(?:a|button)\b[^>]*>[^<]*…")
_HOUR: Final = re.compile(r"""date:(["'])[^"']*H:i[^"']*\1\s*\}\}(?! UTC)""")


def _found(pattern: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
    for path in TEMPLATES:
        if path.name != "styleguide.html":
            yield from ((path.name, match) for match in pattern.finditer(path.read_text()))


def test_a_button_that_takes_something_away_looks_like_it() -> None:
    buttons = [(name, *match.groups()) for name, match in _found(_BUTTON)]
    taking = [one for one in buttons if _TAKING.match(one[2])]
    assert len(taking) > 20
    assert [one for one in taking if "danger" not in one[1]] == []


def test_no_label_ends_in_dots() -> None:
    """A link leads to a page and a button acts; dots on some of the links would say that the others act at once."""
    assert [(name, match.group()) for name, match in _found(_DOTS)] == []
    assert _DOTS.search('<a class="button" href="/">Delete…</a>')


def test_no_hour_stands_without_its_zone() -> None:
    """`{{ at|instant }}` says it."""
    assert [(name, match.group()) for name, match in _found(_HOUR)] == []
    assert _HOUR.search('{{ at|date:"Y-m-d H:i" }}')
