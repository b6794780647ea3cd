"""The order of the pages: `docs/README.md` is the front page, and its lists are the navigation of the site."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from markdown_it.token import Token
from tests.handbook.reading import DOCS, Page, target_of

FRONT: Final = DOCS / "README.md"


@dataclass(frozen=True, slots=True)
class Section:
    """A section of the navigation, its pages in their order."""

    title: str
    pages: list[Path] = field(default_factory=list)


def sections(front: Page) -> list[Section]:
    """Return the sections that the front page lists: a heading of the second level each, and the links in its lists."""
    found: list[Section] = []
    depth = 0
    for token, following in zip(front.tokens, [*front.tokens[1:], None], strict=True):
        depth += {"list_item_open": 1, "list_item_close": -1}.get(token.type, 0)
        if token.type == "heading_open" and token.tag == "h2" and following is not None:
            found.append(Section(following.content))
        elif token.type == "inline" and depth and found:
            found[-1].pages.extend(_first_link(front, token.children or []))
    return found


def _first_link(front: Page, children: Iterable[Token]) -> list[Path]:
    for token in children:
        target = target_of(front, str(token.attrGet("href"))) if token.type == "link_open" else None
        if target is not None:
            return [target[0]]
    return []


def problems(pages: Mapping[Path, Page]) -> list[str]:
    """Say which pages the navigation lacks or has more than once."""
    listed = [path for section in sections(pages[FRONT]) for path in section.pages]
    lacking = [path for path in pages if path not in listed and path != FRONT]
    twice = {path for path in listed if listed.count(path) > 1}
    return [
        *(f"docs/README.md lists no {path.relative_to(DOCS.parent)}: give it a line" for path in lacking),
        *(f"docs/README.md lists {path.relative_to(DOCS.parent)} more than once" for path in sorted(twice)),
    ]
