"""The repository speaks of itself only, in short functions and exact names."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LONGEST_FUNCTION = 50
FOREIGN = re.compile(
    r"(?<![A-Za-z0-9_./-])/(work|root|farm)/[A-Za-z]"  # paths of one machine
    # hosts of registries
    r"|py[p]i\.o[r]g|pythonhoste[d]\.o[r]g|npm[j]s\.(org|com)|deb\.debia[n]\.org",
)
VAGUE = {"utils", "helpers", "common", "manager", "misc"}


@cache
def tracked() -> tuple[Path, ...]:
    """Return the files of the repository that are text, or those of an unpacked sdist."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("not a checkout")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    return tuple(file for file in files if file.is_file() and b"\0" not in file.read_bytes()[:8000])


def functions() -> Iterator[tuple[str, int]]:
    """Give each function of the product with its number of lines, docstring not counted."""
    for path in (ROOT / "src").rglob("*.py"):
        if "migrations" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{path.relative_to(ROOT)}:{node.lineno} {node.name}", _length(node)


def _length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    first = node.body[0]
    told = ast.get_docstring(node) is not None
    docstring = (first.end_lineno or 0) - first.lineno + 1 if told else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def test_the_repository_names_no_machine_and_no_registry() -> None:
    lines = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()[:120]}"
        for file in tracked()
        for number, line in enumerate(file.read_text(errors="replace").splitlines(), 1)
        if FOREIGN.search(line) and file != Path(__file__)
    ]
    assert lines == []


def test_nothing_is_left_for_later_in_the_product() -> None:
    marks = re.compile(r"\bTOD[O]\b|\bFIXM[E]\b|\bXX[X]\b")
    found = [
        file for file in tracked() if "src" in file.parts and marks.search(file.read_text(errors="replace"))
    ]
    assert found == []


def test_functions_are_short() -> None:
    lengths = dict(functions())
    assert {name: length for name, length in lengths.items() if length > LONGEST_FUNCTION} == {}
    assert statistics.median(lengths.values()) <= 8
    assert statistics.quantiles(lengths.values(), n=20)[-1] < 30


def test_modules_have_exact_names() -> None:
    assert [file for file in tracked() if file.stem in VAGUE] == []


def test_whoever_is_excused_says_why() -> None:
    excuse = re.compile(r"# (noqa|type: ignore)(: [A-Z0-9, ]+|\[[a-z-, ]+\])?\s*(.*)$")
    bare = [
        f"{file.relative_to(ROOT)}:{number}"
        for file in tracked()
        if file.suffix == ".py" and "migrations" not in file.parts
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if (found := excuse.search(line)) and not found.group(3).strip(" -#") and "re.compile" not in line
    ]
    assert bare == []
