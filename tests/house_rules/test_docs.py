"""The documentation points at things that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from keyhouse.cli.main import COMMANDS
from keyhouse.core.actions import CATALOGUE
from keyhouse.core.actor import OFFICES
from keyhouse.web.operating import TABS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "locks").glob("*.md")])
OTHERS = [ROOT / "README.md", ROOT / "locks" / "README.md"]  # the rest is checked as the handbook is built
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
COMMAND = re.compile(r"(?:^|`|\./run )keyhouse ([a-z][a-z-]+)", re.MULTILINE)
SOURCE = ROOT / "src" / "keyhouse"
NAMED_MODULE = re.compile(r"`([\w*./-]+(?:\.py|/\*\*))(?::[^`]*)?`")
NAMED_FILE = re.compile(r"`((?:src|tests|docs|bench|locks)/[\w./-]+\.\w+)`")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", OTHERS, ids=name_of)
def test_every_link_leads_to_a_file_and_heading(page: Path) -> None:
    for target in LINK.findall(page.read_text()):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if heading:
            assert heading in headings(file), target


def headings(page: Path) -> set[str]:
    """Return the anchors that readers of the repository get for each heading."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_command_and_file_that_is_named_exists(page: Path) -> None:
    text = page.read_text()
    assert set(COMMAND.findall(text)) <= set(COMMANDS), page
    assert [name for name in NAMED_FILE.findall(text) if not (ROOT / name).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_module_that_is_named_exists(page: Path) -> None:
    """A bare name (`store.py`) may stand anywhere; one with a folder is meant from the package's root."""
    named = [name for name in NAMED_MODULE.findall(page.read_text()) if not (ROOT / name).exists()]
    patterns = {name: name if "/" in name else f"**/{name}" for name in named}
    assert [name for name, pattern in patterns.items() if not any(SOURCE.glob(pattern))] == []


def test_decisions_are_numbered_and_say_what_they_cost() -> None:
    pages = sorted((ROOT / "docs" / "decisions").glob("0*.md"))
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    assert [page.name for page in pages if "price" not in page.read_text().lower()] == []


@pytest.mark.parametrize("office", sorted(OFFICES))
def test_the_table_of_offices_names_the_pages_that_each_opens(office: str) -> None:
    page = (ROOT / "docs" / "operate" / "console.md").read_text()
    opens, changes = re.findall(rf"^\| {office} \| (.*) \| (.*) \|$", page, re.MULTILINE)[0]
    pages = [tab.name.lower() for tab in TABS if office in CATALOGUE[tab.action].offices]

    assert opens == ("all pages" if len(pages) == len(TABS) else ", ".join(pages))
    own = {name for name, act in CATALOGUE.items() if office in act.offices} - READ
    if office == "moderator":
        things = {name.partition(".")[0] for name in own}
        told = changes.partition(":")[0].split(", ")
        assert things == {"switch" if one == "switches" else one.removesuffix("s") for one in told}
    elif office == "auditor":
        assert (own, changes.partition(";")[0]) == (set(), "nothing")


# what somebody reads, or takes away to read
READ = {
    name for name, act in CATALOGUE.items() if re.search(r"\.(read(-\w+)*|export)$", name) and act.offices
}
