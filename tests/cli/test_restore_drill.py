"""The restore drill of the docs: its commands, as they stand there, one after another."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.cli.places import ADA, place
from tests.distfiles.builders import build_wheel

pytestmark = pytest.mark.database
DRILL = Path(__file__).parents[2] / "docs" / "operate" / "restore-drill.md"


def commands() -> list[list[str]]:
    """Return the commands in the page's blocks that come to an end, in their order, without `keyhouse`."""
    found = re.findall(r"^ *(keyhouse .+)$", DRILL.read_text(), re.MULTILINE)
    return [words[1:] for words in map(str.split, found) if words[1] != "serve"]


def test_the_drill_of_the_docs_works_as_written(tmp_path: Path) -> None:
    told = {"/backups/": f"{tmp_path}/backups/", "/srv/drill": f"{tmp_path}/drill"}
    (tmp_path / "backups").mkdir()
    with place(tmp_path / "data") as live, place(tmp_path / "drill", is_new=True) as drill:
        wheel = build_wheel(tmp_path)
        live.seed({"users": [ADA], "files": [{"path": str(wheel), "by": "ada"}], "tokens": [{"user": "ada"}]})
        outputs = []
        for words in commands():
            where = drill if "--data" in words else live
            filled = [re.sub("|".join(told), lambda found: told[found[0]], word) for word in words]
            outputs.append(where.keyhouse(*filled))
    assert len(outputs) == 8
    assert "ada" in outputs[4]
    assert "alpha" in outputs[5]
