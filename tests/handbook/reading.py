"""Read the pages of the documentation: their headings, links, blocks and words in code type, by markdown-it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
DOCS: Final = ROOT / "docs"
# Beside `docs/`, what people read first; they are pages, too.
BESIDE: Final = tuple(ROOT / f"{name}.md" for name in ("SECURITY", "CONTRIBUTING", "CHANGELOG"))
MARKDOWN: Final = MarkdownIt("commonmark", {"html": False}).enable("table")
_NOT_IN_ANCHORS: Final = re.compile(r"[^\w\- ]")


@dataclass(frozen=True, slots=True)
class Heading:
    """A heading with the anchor that readers of the repository get for it."""

    level: int
    text: str
    anchor: str


@dataclass(frozen=True, slots=True)
class Spot:
    """Something of a page at its line: the target of a link, a word in code type, a block of code."""

    line: int
    text: str
    language: str = ""


@dataclass(slots=True)
class Table:
    """A table by the texts of its cells."""

    line: int
    head: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


@dataclass(eq=False)
class Page:
    """One page. Its tokens carry the anchors of its headings."""

    path: Path
    text: str
    tokens: list[Token] = field(init=False)

    def __post_init__(self) -> None:
        self.tokens = MARKDOWN.parse(self.text)
        for (opening, _), heading in zip(self._heading_tokens(), self.headings, strict=True):
            opening.attrSet("id", heading.anchor)

    def _heading_tokens(self) -> Iterator[tuple[Token, Token]]:
        for opening, inline in zip(self.tokens, self.tokens[1:], strict=False):
            if opening.type == "heading_open":
                yield opening, inline

    @cached_property
    def headings(self) -> list[Heading]:
        """Return the headings in their order."""
        seen: Counter[str] = Counter()
        found = []
        for opening, inline in self._heading_tokens():
            text = plain(inline)
            anchor = _NOT_IN_ANCHORS.sub("", text.lower()).strip().replace(" ", "-")
            number = seen[anchor]
            seen[anchor] += 1
            found.append(Heading(int(opening.tag[1]), text, f"{anchor}-{number}" if number else anchor))
        return found

    @property
    def title(self) -> str:
        """Return the first heading."""
        return self.headings[0].text if self.headings else self.path.stem

    @property
    def links(self) -> Iterator[Spot]:
        """Yield the target of every link and picture."""
        for line, token in self._inline():
            if token.type in {"link_open", "image"}:
                yield Spot(line, str(token.attrGet("href") or token.attrGet("src") or ""))

    @property
    def words(self) -> Iterator[Spot]:
        """Yield what stands in code type inside sentences and tables."""
        for line, token in self._inline():
            if token.type == "code_inline":
                yield Spot(line, token.content)

    @property
    def blocks(self) -> Iterator[Spot]:
        """Yield the blocks of code."""
        for token in self.tokens:
            if token.type in {"fence", "code_block"}:
                yield Spot(_line_of(token), token.content, token.info.strip())

    @property
    def tables(self) -> list[Table]:
        """Return the tables."""
        found: list[Table] = []
        for token, following in zip(self.tokens, self.tokens[1:], strict=False):
            if token.type == "table_open":
                found.append(Table(_line_of(token)))
            elif token.type == "tr_open" and found[-1].head:
                found[-1].rows.append([])
            elif token.type == "th_open":
                found[-1].head.append(plain(following))
            elif token.type == "td_open":
                found[-1].rows[-1].append(plain(following))
        return found

    def _inline(self) -> Iterator[tuple[int, Token]]:
        line = 1
        for token in self.tokens:
            line = _line_of(token) if token.map else line  # cells of tables have no line, their row has
            for child in token.children or []:
                yield line, child


def plain(inline: Token) -> str:
    """Return a line of text without its marks."""
    return "".join(token.content for token in inline.children or [])


def _line_of(token: Token) -> int:
    return token.map[0] + 1 if token.map else 1


def all_pages() -> dict[Path, Page]:
    """Return every page by its file."""
    return {path: Page(path, path.read_text()) for path in (*sorted(DOCS.rglob("*.md")), *BESIDE)}


def target_of(page: Page, link: str) -> tuple[Path, str] | None:
    """Return the file and the anchor that a link of this page names; None where it leaves the repository."""
    if re.match(r"[a-z]+:", link):
        return None
    path, _, anchor = link.partition("#")
    return (page.path.parent / path).resolve() if path else page.path, anchor
