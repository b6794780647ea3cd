"""The dark changes colours and nothing else, so that what axe finds of anything else is found in the light."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

import keyhouse

SOURCE: Final = Path(keyhouse.__file__).parent
SHEET: Final = SOURCE / "web" / "static" / "keyhouse.css"
OF_A_COLOUR: Final = re.compile(r"--[a-z-]+: #[0-9a-f]{6};|--shadow: none;")
ASKS: Final = re.compile(r"prefers-color-scheme|light-dark\(")


def dark_block(sheet: str) -> str:
    """Return what stands in the block of the dark scheme."""
    found = re.search(r"@media screen and \(prefers-color-scheme: dark\) \{\n(.*?)\n\}", sheet, re.DOTALL)
    assert found
    return found[1]


def others_than_colours(block: str) -> list[str]:
    """Return the lines that do something else than give a token of the root another colour."""
    lines = [line.strip() for line in block.splitlines() if line.strip()]
    return [line for line in lines if line not in {":root {", "}"} and not OF_A_COLOUR.fullmatch(line)]


def test_the_dark_scheme_gives_tokens_other_colours() -> None:
    sheet = SHEET.read_text()
    assert others_than_colours(dark_block(sheet)) == []
    assert len(ASKS.findall(sheet)) == 1


@pytest.mark.parametrize("line", ["font-size: 2rem;", "--space-1: 2rem;", ".button {", "--ink: 1px;"])
def test_what_is_no_colour_is_found(line: str) -> None:
    assert others_than_colours(f"  :root {{\n    --ink: #ffffff;\n    {line}\n  }}") == [line]


def test_nothing_else_asks_for_the_scheme() -> None:
    asking = [
        path.relative_to(SOURCE).as_posix()
        for kind in ("*.css", "*.js", "*.html")
        for path in SOURCE.rglob(kind)
        if ASKS.search(path.read_text())
    ]
    assert asking == [SHEET.relative_to(SOURCE).as_posix()]
