"""`keyhouse import` as somebody types it."""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
import tarfile
import time
import zipfile
from pathlib import Path

import pytest
from tests.cli.places import Place
from tests.cli.started import environment
from tests.distfiles.builders import build_sdist, build_wheel

pytestmark = [pytest.mark.database, pytest.mark.by_turns]

MANY = 240  # files: several times what is written at once


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    folder = tmp_path / "packages"
    folder.mkdir()
    return folder


def test_a_folder_is_tried_imported_and_passed_over(filled: Place, packages: Path, tmp_path: Path) -> None:
    wheel = build_wheel(packages, "beta", "3.0")
    tried = filled.run("import", packages, "--owner", "ada", "--dry-run")
    assert (tried.returncode, tried.stderr) == (0, "")
    assert tried.stdout.startswith("1 files would be imported (")
    report = tmp_path / "report.json"
    done = filled.run("import", packages, "--owner", "ada", "--report", report)
    assert (done.returncode, done.stderr) == (0, "")
    found = json.loads(report.read_text())
    assert (found["kind"], found["is_whole"], found["ownerless"]) == ("folder", True, [])
    assert found["totals"]["files"] == {"imported": 1, "here": 0, "left-out": 0, "refused": 0, "failed": 0}
    assert [row["filename"] for row in found["files"]] == [wheel.name]
    build_sdist(packages, "beta", "3.0", metadata=b"x"), (packages / "x-[red]1.0.egg").write_bytes(b"")
    again = filled.run("import", "--json", packages, "--owner", "ada", "--workers", "2")
    assert again.returncode == 1
    assert json.loads(again.stdout)["totals"]["files"] == {
        "imported": 0,
        "here": 1,
        "left-out": 0,
        "refused": 2,
        "failed": 0,
    }
    assert filled.run("storage", "verify").returncode == 0


def test_a_second_source_distribution_is_named_and_no_failure(filled: Place, tmp_path: Path) -> None:
    folder = tmp_path / "packages"
    folder.mkdir()
    sdist = build_sdist(folder, "beta", "3.0")
    zipped = folder / "beta-3.0.zip"
    with tarfile.open(sdist) as source, zipfile.ZipFile(zipped, "w") as target:
        for member in source.getmembers():
            content = source.extractfile(member)
            if content is not None:
                target.writestr(member.name, content.read())
    report = tmp_path / "report.json"
    for imported in (1, 0):
        done = filled.run("import", folder, "--owner", "ada", "--report", report)
        assert (done.returncode, done.stderr) == (0, "")
        told = "Left out, since their release has a source distribution already: beta-3.0.zip"
        assert told in done.stdout.splitlines()
        found = json.loads(report.read_text())
        assert (found["totals"]["files"]["imported"], found["totals"]["files"]["left-out"]) == (imported, 1)
        rows = {row["filename"]: (row["outcome"], row["code"]) for row in found["files"]}
        assert rows[zipped.name] == ("left-out", "second-sdist")
    sdist.unlink()  # alone it is judged against what is here
    done = filled.run("import", folder, "--owner", "ada", "--lenient")
    assert done.returncode == 0, done.stdout
    assert told in done.stdout


def test_a_file_that_was_yanked_alone_is_named_and_no_failure(filled: Place, tmp_path: Path) -> None:
    web = tmp_path / "mirror" / "web"
    for below in ("simple/beta", "packages/aa"):
        (web / below).mkdir(parents=True)
    wheel, sdist = (build(web / "packages" / "aa", "beta", "3.0") for build in (build_wheel, build_sdist))
    files = [
        {
            "filename": path.name,
            "url": f"../../packages/aa/{path.name}",
            "hashes": {"sha256": hashlib.sha256(path.read_bytes()).hexdigest()},
            "yanked": "broken" if path == sdist else False,
        }
        for path in (wheel, sdist)
    ]
    page = {"meta": {"api-version": "1.0"}, "name": "beta", "files": files}
    (web / "simple" / "beta" / "index.v1_json").write_text(json.dumps(page))
    report = tmp_path / "report.json"
    for imported in (1, 0):
        done = filled.run("import", web.parent, "--owner", "ada", "--report", report)
        assert (done.returncode, done.stderr) == (0, "")
        assert "0 refused, 0 did not come" in done.stdout
        [told] = [line for line in done.stdout.splitlines() if line.startswith("Left out")]
        assert told.endswith(f"not the rest of their release: {sdist.name}")
        found = json.loads(report.read_text())
        assert found["totals"]["files"] == {
            "imported": imported,
            "here": 1 - imported,
            "left-out": 1,
            "refused": 0,
            "failed": 0,
        }
        rows = {row["filename"]: (row["outcome"], row["code"]) for row in found["files"]}
        assert rows[sdist.name] == ("left-out", "yanked-alone")
    (web / "packages" / "aa" / "x.egg").write_bytes(b"")
    files.append({**files[0], "filename": "x.egg", "url": "../../packages/aa/x.egg"})
    (web / "simple" / "beta" / "index.v1_json").write_text(json.dumps(page))
    done = filled.run("import", web.parent, "--owner", "ada")
    assert done.returncode == 1  # what is refused beside it still fails
    assert "1 refused" in done.stdout


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["{packages}/none", "--owner", "ada"], 1, "source-unusable: There is no such folder."),
        (["{packages}", "--owner", "eve"], 2, "nobody called 'eve'"),
        (["{packages}", "--owners", "{packages}/none.csv"], 2, "can't be read"),
        (["{packages}", "--kind", "bandersnatch"], 1, "source-unusable"),
        (["ftp://x.example/"], 1, "source-entry-invalid"),
        (["http://127.0.0.1:1/"], 1, "source-unanswered"),
        ([], 2, "Missing argument"),
        (["{packages}", "--workers", "0"], 2, "--workers"),
        (["{packages}", "--report", "{packages}/none/report.json"], 1, "No such file"),
    ],
)
def test_what_cannot_be_is_one_sentence(
    filled: Place, packages: Path, words: list[str], code: int, told: str
) -> None:
    done = filled.run("import", "run", *[word.format(packages=packages) for word in words])
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_somebody_who_stops_it_loses_nothing(filled: Place, packages: Path) -> None:
    for number in range(MANY):
        build_wheel(packages, "beta", f"1.{number}")
    command = [sys.executable, "-m", "keyhouse", "import", str(packages), "--owner", "ada", "--workers", "2"]
    with subprocess.Popen(
        command,
        env=environment(**filled.environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        until = time.monotonic() + 60
        while time.monotonic() < until and not list((filled.data / "files").rglob("beta-*.whl")):
            time.sleep(0.01)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    assert running.returncode == 1, out + err
    assert "The same command goes on where it was." in err
    assert "Traceback" not in err
    assert filled.run("storage", "verify").returncode == 0
    assert not list((filled.data / "files" / ".incoming").iterdir())
    done = filled.run("import", packages, "--owner", "ada", "--json")
    files = json.loads(done.stdout)["totals"]["files"]
    assert (done.returncode, files["imported"] + files["here"], files["here"] > 0) == (0, MANY, True)
