"""An import that dies by SIGKILL at a named step: nothing is half-visible, and the same command goes on."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.faults.conftest import FORMS, Index

pytestmark = pytest.mark.database


@pytest.mark.parametrize("fault", ["upload.blob-stored", "yank.rows-written", "upload.committed"])
def test_an_import_that_is_killed_goes_on_where_it_was(fault: str, index: Index, tmp_path: Path) -> None:
    tree = tmp_path / "web"
    folders = [tree / name for name in ("packages", "simple/beta", "json")]
    for folder in folders:
        folder.mkdir(parents=True)
    wheels = [build_wheel(tree / "packages", name="beta", version=f"{number}.0") for number in range(3)]
    links = "".join(f"<a data-yanked='bad' href='../../packages/{wheel.name}'>x</a>" for wheel in wheels)
    (tree / "simple" / "beta" / "index.html").write_text(links)
    (tmp_path / "owners.csv").write_text("project,person\nbeta,bob@example.org\n")
    words = ("import", tree, "--owners", tmp_path / "owners.csv", "--workers", "1")
    assert index.place.run(*words, KEYHOUSE_FAULT=fault).returncode == -signal.SIGKILL
    index.require_whole()
    done = index.place.run(*words, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    files = json.loads(done.stdout)["totals"]["files"]
    assert files["imported"] + files["here"] == 3
    index.require_whole()
    with index.served():
        assert index.shown("beta") == {wheel.name: "bad" for wheel in wheels}
    waiting = index.place.json("import", "status", "--json")["waiting"]
    assert [one["projects"] for one in waiting] == [["beta"]]


def test_a_project_that_was_to_be_archived_is_archived_by_the_next_run(index: Index, tmp_path: Path) -> None:
    tree = tmp_path / "web"
    for name in ("packages", "simple/beta"):
        (tree / name).mkdir(parents=True)
    wheel = build_wheel(tree / "packages", name="beta")
    file = {"filename": wheel.name, "url": f"../../packages/{wheel.name}", "hashes": {}}
    page = {"meta": {"api-version": "1.4"}, "project-status": {"status": "archived"}, "files": [file]}
    (tree / "simple" / "beta" / "index.v1_json").write_text(json.dumps(page))
    words = ("import", tree, "--ownerless", "--workers", "1")
    killed = index.place.run(*words, KEYHOUSE_FAULT="import.files-written")
    assert killed.returncode == -signal.SIGKILL
    index.require_whole()
    assert index.place.run(*words).returncode == 0
    index.require_whole()
    with index.served():
        assert index.get("/simple/beta/", FORMS["json"]).json()["project-status"] == {"status": "archived"}
