"""What must hold of every page: what it names exists, and its links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from tests.handbook import commands, contents, known
from tests.handbook.reading import ROOT, Page, Spot, target_of

_SETTING: Final = re.compile(r"\bKEYHOUSE_[A-Z_]+(?<!_)\b")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(?:-[a-z0-9]+)+")
_ACTION: Final = re.compile(r"([a-z-]+)\.[a-z-]+")
_SUFFIXES: Final = (".json", ".csv", ".toml", ".txt", ".py", ".md", ".html", ".svg", ".css", ".js")
_HELP: Final = re.compile(r"/help/codes/([a-z0-9-]+)/")
_ADDRESS: Final = re.compile(r"(?:(?:GET|POST) )?(/[^\s`]*)")

Found = Iterator[tuple[int, str]]


def problems(pages: Mapping[Path, Page]) -> list[str]:
    """Return a line for everything that is wrong, with page and line."""
    found = contents.problems(pages)
    for path, page in pages.items():
        found += [f"{path.relative_to(ROOT)}:{line}: {what}" for line, what in problems_of(page, pages)]
    return found


def problems_of(page: Page, pages: Mapping[Path, Page]) -> list[tuple[int, str]]:
    """Return what is wrong with one page, by its lines."""
    return [*_links(page, pages), *(told for look in LOOKS for told in look(page))]


def _links(page: Page, pages: Mapping[Path, Page]) -> Found:
    for link in page.links:
        target = target_of(page, link.text)
        if target is None:
            continue
        path, anchor = target
        known_anchors = {heading.anchor for heading in pages[path].headings} if path in pages else set()
        is_there = path in pages or (path.is_file() and ROOT in path.parents)
        if not is_there or (anchor and anchor not in known_anchors):
            yield link.line, f"the link {link.text} leads nowhere"


def _headings(page: Page) -> Found:
    if [heading.level for heading in page.headings].count(1) != 1 or page.headings[0].level != 1:
        yield 1, "a page begins with its title, and has one"


def _settings(page: Page) -> Found:
    for line, text in enumerate(page.text.splitlines(), 1):
        for name in _SETTING.findall(text):
            if not known.setting_exists(name):
                yield line, f"there is no setting {name}"


def _names(page: Page) -> Found:
    """Look up words in code type that can only be meant as names of the product: of actions, codes, limits, jobs, …."""
    for word in page.words:
        action = _ACTION.fullmatch(word.text)
        if action and action[1] in known.nouns() and not word.text.endswith(_SUFFIXES):
            if not known.is_action_or_role(word.text):
                yield word.line, f"there is no action {word.text}"
        elif _NAME.fullmatch(word.text) and not known.is_name(word.text):
            yield word.line, f"nothing in the code is called {word.text}"


def _codes(page: Page) -> Found:
    """Look up what a page says to be codes: the first column of tables that are headed `code`, and pages of help."""
    found = [
        Spot(table.line, row[0]) for table in page.tables if table.head[0] == "code" for row in table.rows
    ]
    helped = ((word.line, _HELP.fullmatch(word.text)) for word in page.words)
    found += [Spot(line, match[1]) for line, match in helped if match]
    yield from (
        (spot.line, f"there is no code {spot.text}") for spot in found if spot.text not in known.codes()
    )


def _addresses(page: Page) -> Found:
    for word in page.words:
        match = _ADDRESS.fullmatch(word.text)
        if match and known.is_meant_here(match[1]) and not known.address_exists(match[1]):
            yield word.line, f"there is no address {match[1]}"


LOOKS: Final = (_headings, _settings, _names, _codes, _addresses, commands.problems)
