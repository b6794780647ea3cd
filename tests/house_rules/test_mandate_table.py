"""The table of what is shown by which test names tests that exist, and leaves out no id."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "docs" / "mandate-tests.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", TABLE)))
# of the issue that built this: none of these may only wait for something
BUILT = {
    "M1", "M4", "S1", "S2", "S3", "S4", "S5", "S6", "C1", "C2", "G1", "G2", "G3", "G4", "G5", "G6", "E1", "E2", "E3",
    "L6", "A5", "A6", "A18", "A19", "A24", "A25", "A26", "A29",
}  # fmt: skip
FAMILIES = {"M": 5, "S": 7, "C": 3, "G": 8, "N": 8, "X": 10, "L": 6, "E": 3, "R": 9, "A": 31}


def rows() -> dict[str, str]:
    """Return what each id's row says; a span of ids and `A13, A14` stand for all of theirs."""
    found = {}
    for ids, rest in re.findall(r"^\| ([A-Z][\w\u2013, ]*) \|(.*)$", TABLE, re.MULTILINE):
        for part in ids.split(", "):
            first, _, last = part.partition("\u2013")  # a dash between ids
            family, start = first[0], int(first[1:])
            for number in range(start, int(last[1:]) + 1 if last else start + 1):
                found[f"{family}{number}"] = rest
    return found


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_every_test_that_is_named_exists(file: str, name: str) -> None:
    text = (ROOT / file).read_text()
    assert not name or re.search(rf"^def {name}\(", text, re.MULTILINE), f"{file} has no {name}"


def test_every_id_has_a_row() -> None:
    wanted = {f"{family}{number}" for family, most in FAMILIES.items() for number in range(1, most + 1)}
    assert set(rows()) == wanted


@pytest.mark.parametrize("id_", sorted(BUILT))
def test_what_is_built_is_shown_by_a_test_of_that_name_through_a_door(id_: str) -> None:
    told = rows()[id_]
    assert not re.search(r"\bwaits? for\b", told)
    through_doors = ("tests/mandate/test_requirements.py", "tests/mandate/test_attacks.py")
    assert any(f"`{file}::test_{id_.lower()}_" in told for file in through_doors) or id_ == "G1"


def test_every_test_through_the_doors_is_named_after_an_id_that_exists() -> None:
    known = {
        f"{family}{number}".lower() for family, most in FAMILIES.items() for number in range(1, most + 1)
    }
    for file, pattern in product(("test_requirements.py", "test_attacks.py"), (r"^def test_([a-z]\d+)_",)):
        named = set(re.findall(pattern, (ROOT / "tests" / "mandate" / file).read_text(), re.MULTILINE))
        assert named
        assert named <= known
