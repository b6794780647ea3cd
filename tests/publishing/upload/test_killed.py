"""An upload whose process is killed: nothing half-visible after it, and the same upload succeeds."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
from tests import forked
from tests.distfiles.builders import build_wheel

pytestmark = pytest.mark.by_turns

ROOT = Path(__file__).parents[3]


class Process:
    """Runs uploads in children on one data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def run(self, what: str, fault: str = "") -> subprocess.CompletedProcess[str]:
        mine = {
            "KEYHOUSE_ENVIRONMENT": "test",
            "KEYHOUSE_DATA": str(self._data),
            "KEYHOUSE_FAULT": fault,
        }
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("KEYHOUSE_")}
        words = ["-m", "tests.publishing.child", what]
        return forked.run(words, environment={**inherited, **mine}, seconds=120, cwd=ROOT)

    def look(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("look").stdout)
        return found


@pytest.fixture(scope="module")
def migrated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder to copy: to migrate it takes longer than all that is tried with it."""
    data = tmp_path_factory.mktemp("migrated") / "data"
    data.mkdir()
    assert Process(data).look()["rows"] == 0
    return data


@pytest.mark.parametrize(
    ("fault", "blobs"),
    [("upload.received", 0), ("upload.blob-stored", 2), ("upload.rows-written", 2)],
)
def test_killed_before_the_commit_nothing_is_visible_and_a_retry_works(
    tmp_path: Path, migrated: Path, fault: str, blobs: int
) -> None:
    process = Process(shutil.copytree(migrated, tmp_path / "data"))
    path = build_wheel(tmp_path)
    assert process.run(str(path), fault).returncode == -signal.SIGKILL
    found = process.look()
    assert (found["rows"], found["blobs"]) == (0, blobs)
    retried = process.run(str(path))
    assert retried.stdout.strip() == "200", retried.stderr
    after = process.look()
    assert (after["files"], after["whole"], after["blobs"]) == ([path.name], [True], 2)


def test_killed_after_the_commit_it_is_published_and_a_retry_changes_nothing(
    tmp_path: Path, migrated: Path
) -> None:
    process = Process(shutil.copytree(migrated, tmp_path / "data"))
    path = build_wheel(tmp_path)
    assert process.run(str(path), "upload.committed").returncode == -signal.SIGKILL
    before = process.look()
    assert (before["files"], before["whole"]) == ([path.name], [True])
    assert process.run(str(path)).stdout.strip() == "200"
    assert process.look() == before
