"""The page about moving in says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

from keyhouse.publishing.importing.rules import FORGIVABLE

PAGE = Path(__file__).parents[3] / "docs" / "operate" / "import.md"


def test_what_is_forgiven_stands_in_the_docs() -> None:
    told = dict(re.findall(r"^\| `([a-z-]+)` \| (.*) \|$", PAGE.read_text(), re.MULTILINE))
    assert {code: text.replace("`", "") for code, text in told.items()} == FORGIVABLE
