"""An import that dies by SIGKILL at a named step: nothing is half-visible, and the same command goes on."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.distfiles.builders import build_wheel
from tests.faults.conftest import FORMS, Index

pytestmark = [pytest.mark.database, pytest.mark.by_turns]


@pytest.mark.parametrize(
    ("fault", "workers"),
    [
        ("upload.blob-stored", "1"),
        ("upload.rows-written", "1"),
        ("yank.rows-written", "1"),
        ("upload.committed", "1"),
        ("upload.blob-stored", "2"),
        ("upload.rows-written", "2"),
    ],
)
def test_an_import_that_is_killed_goes_on_where_it_was(
    fault: str, workers: str, index: Index, tmp_path: Path
) -> None:
    """With two workers it ends only when the processes that judge have ended, too: they hold its output."""
    tree = tmp_path / "web"
    folders = [tree / name for name in ("packages", "simple/beta", "json")]
    for folder in folders:
        folder.mkdir(parents=True)
    wheels = [build_wheel(tree / "packages", name="beta", version=f"{number}.0") for number in range(3)]
    links = "".join(f"<a data-yanked='bad' href='../../packages/{wheel.name}'>x</a>" for wheel in wheels)
    (tree / "simple" / "beta" / "index.html").write_text(links)
    (tmp_path / "owners.csv").write_text("project,person\nbeta,bob@example.org\n")
    words = ("import", tree, "--owners", tmp_path / "owners.csv", "--workers", workers)
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


def test_two_imports_at_once_bring_each_file_once(index: Index, tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    wheels = [
        build_wheel(folder, name=name, version=f"{number}.0")
        for name in ("beta", "gamma")
        for number in range(60)
    ]
    words = ("import", folder, "--owner", "ada", "--json")
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(lambda workers: index.place.run(*words, "--workers", workers), ("1", "2")))
    assert [one.returncode for one in done] == [0, 0], [one.stderr for one in done]
    files = [json.loads(one.stdout)["totals"]["files"] for one in done]
    assert [one["imported"] + one["here"] for one in files] == [len(wheels)] * 2
    assert sum(one["imported"] for one in files) == len(wheels)
    index.require_whole()
    with index.served():
        for name in ("beta", "gamma"):
            assert set(index.shown(name)) == {wheel.name for wheel in wheels if wheel.name.startswith(name)}
