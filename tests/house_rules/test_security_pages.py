"""The pages about security name tests that exist, answer every statement, and list every way in as the code has it."""

from __future__ import annotations

import ast
import re
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import get_args

import pytest

from keyhouse.accounts import links
from keyhouse.accounts.recovery.rules import Basis
from keyhouse.core.actor import ActorKind, Method

ROOT = Path(__file__).parents[2]
STANDARDS = (ROOT / "docs" / "security" / "standards.md").read_text()
WAYS_IN = (ROOT / "docs" / "security" / "README.md").read_text()
ATTACKS = (ROOT / "docs" / "mandate-tests.md").read_text()
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
ANSWERS = {"yes", "in part", "no", "not yet"}
LEAST_SAID = 40  # characters of what is missing
NIST = re.findall(
    r"\S+",
    "2.2.1 2.2.2 2.2.3 2.3 3.1.1.2 3.1.2 3.1.3.1 3.1.4 3.2.1 3.2.2 3.2.5 3.2.8 4.1 4.1.2.1 4.2.1.1 4.2.1.2 4.2.2.2 4.2.3 4.6 "
    "5.1 5.1.2 5.2 5.3",
)
ASVS = re.findall(
    r"\S+",
    "2.3.1 2.3.2 2.3.3 2.3.4 2.3.5 2.4.1 6.1.1 6.1.3 6.2.1 6.2.3 6.2.4 6.2.5 6.2.7 6.2.8 6.2.9 6.2.10 6.2.12 6.3.1 6.3.3 6.3.4 "
    "6.3.5 6.3.6 6.3.7 6.3.8 6.4.1 6.4.2 6.4.3 6.4.4 6.4.5 6.4.6 6.5.1 6.5.2 6.5.3 6.5.4 6.5.5 6.5.6 6.5.8 6.6.1 6.6.2 6.6.3 "
    "6.7.2 6.8.1 6.8.2 6.8.4 7.1.1 7.2.1 7.2.2 7.2.3 7.2.4 7.3.1 7.3.2 7.4.1 7.4.2 7.4.3 7.4.5 7.5.1 7.5.2 7.5.3 8.1.1 8.1.3 "
    "8.1.4 8.2.1 8.2.2 8.2.4 8.3.1 8.3.2 8.4.2 9.1.1 9.1.2 9.1.3 9.2.1 9.2.2 9.2.3 9.2.4 10.3.1 10.3.2 10.3.3 10.3.4 10.5.1 "
    "10.5.2 10.5.3 10.5.4 16.2.1 16.2.2 16.3.1 16.3.2 16.3.3 16.4.2 16.5.2 16.5.3",
)
# attacks and recovery safeguards that a test shows which carries the id in its name
NAMED = ["A1", "A2", "A3", "A4", *(f"A{number}" for number in range(7, 15)), "A20", "A23", "A31"] + [
    f"R{number}" for number in range(1, 10)
]


def rows_of(standard: str) -> list[tuple[str, str, str, str]]:
    """Return number, statement, answer and what shows it, of each row under the heading of that standard."""
    _, _, rest = STANDARDS.partition(f"\n## {standard}")
    section = rest.partition("\n## ")[0]
    return re.findall(r"^\| (\d[\d.]*) \| ([^|]*) \| ([^|]*) \| ([^|]*) \|$", section, re.MULTILINE)


ROWS = [("NIST", *row) for row in rows_of("NIST SP 800-63B-4")] + [
    ("ASVS", *row) for row in rows_of("OWASP ASVS 5.0")
]


@cache
def named_in(file: str) -> frozenset[str]:
    """Return the tests of a file, by its syntax tree."""
    nodes = ast.parse((ROOT / file).read_text()).body
    functions = (node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
    return frozenset(node.name for node in functions if node.name.startswith("test_"))


def missing(text: str) -> list[str]:
    return [
        f"{file}::{name}"
        for file, name in TEST.findall(text)
        if not (ROOT / file).exists() or name not in named_in(file)
    ]


def test_every_number_has_one_row_and_no_row_is_made_up() -> None:
    assert [row[1] for row in ROWS if row[0] == "NIST"] == NIST
    assert [row[1] for row in ROWS if row[0] == "ASVS"] == ASVS
    assert len(re.findall(r"^\| \d", STANDARDS, re.MULTILINE)) == len(NIST) + len(ASVS)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}-{row[1]}")
def test_a_row_is_answered_by_tests_that_exist_or_by_what_is_missing(
    row: tuple[str, str, str, str, str],
) -> None:
    _, _, statement, answer, shown = row
    assert statement.strip()
    assert answer in ANSWERS
    assert missing(shown) == []
    assert shown.count("::") == len(TEST.findall(shown)), "a test that is not written as `file::name`"
    if answer in {"yes", "in part"}:
        assert TEST.search(shown)
    said = TEST.sub("", shown).strip(" ,.")
    if answer in {"in part", "no"}:
        assert len(said) >= LEAST_SAID, "what is missing?"
    if answer == "not yet":
        assert said.startswith("comes with ")


@pytest.mark.parametrize("id_", NAMED)
def test_an_attack_is_shown_by_a_test_that_carries_its_number(id_: str) -> None:
    (told,) = re.findall(rf"^\| {id_} \|(.*)$", ATTACKS, re.MULTILINE)
    assert not re.search(r"\bwaits? for\b", told)
    assert missing(told) == []
    assert [name for _, name in TEST.findall(told) if id_.lower() in name.split("_")]


def test_every_way_in_stands_in_the_table() -> None:
    _, _, rest = WAYS_IN.partition("\n## Every way in")
    table = rest.partition("\n## ")[0]
    kinds = set(get_args(ActorKind)) - {"session", "nobody"}  # a session is what the other rows lead to
    wanted = {*get_args(Method), *links.LIFE, *get_args(Basis), *kinds}
    assert sorted(name for name in wanted if f"`{name}`" not in table) == []


def test_links_live_as_long_as_the_page_says() -> None:
    _, _, rest = WAYS_IN.partition("\n## How long links live")
    found = re.findall(r"^\| `([\w-]+)` \| (\d+) (h|d)\b", rest.partition("\n## ")[0], re.MULTILINE)
    told = {
        name: timedelta(days=int(number)) if unit == "d" else timedelta(hours=int(number))
        for name, number, unit in found
    }
    assert told == links.LIFE
