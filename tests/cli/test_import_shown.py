"""What an import shows while it runs and when it has ended, on a terminal and where nobody watches; and its memory."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.cli.places import Place
from tests.cli.started import environment
from tests.distfiles.builders import build_sdist, build_wheel, metadata_bytes

from keyhouse.cli import import_
from keyhouse.publishing.importing.rows import IMPORTED, REFUSED, Row

pytestmark = pytest.mark.by_turns

CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
FEW, MANY = 200, 1000
ROOM = 12 * 1024  # KiB: 15 for each file more would be too much, and what is held of all is a fifth of that


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    """Return a folder with one good file and others that are refused, each for another reason."""
    folder = tmp_path / "packages"
    folder.mkdir()
    build_wheel(folder, "good")
    build_wheel(folder, "odd", metadata_extra="Classifier: No :: Such\nRequires-Python: three")
    build_wheel(folder, "older", metadata=metadata_bytes("older", metadata_version="2.0"))
    build_wheel(folder, "evil", extra_members=[("../evil.py", b"")])
    build_sdist(folder, "broken", metadata=b"x")
    (folder / "x-[red]1.0.egg").write_bytes(b"")
    return folder


REASONS = {
    "odd": ("odd-1.0-py3-none-any.whl", "metadata-requires-python"),
    "older": ("older-1.0-py3-none-any.whl", "metadata-version-unsupported"),
    "evil": ("evil-1.0-py3-none-any.whl", "archive-path"),
    "broken": ("broken-1.0.tar.gz", "metadata-"),
    "x": ("x-[red]1.0.egg", "filename-"),
}
FORGIVEN = {"odd", "older"}


def test_a_dry_run_tells_what_would_be_refused_and_why_and_changes_nothing(
    filled: Place, packages: Path, tmp_path: Path
) -> None:
    before = (filled.keyhouse("project", "list"), sorted((filled.data / "files").rglob("*.*")))
    report = tmp_path / "report.json"
    words = ("import", packages, "--owner", "ada", "--dry-run", "--report", report)
    tried = filled.run(*words)
    assert (tried.returncode, "Traceback" in tried.stderr) == (1, False)
    *lines, sums = tried.stdout.splitlines()
    assert len(lines) == len(REASONS)
    for filename, code in REASONS.values():
        [line] = [line for line in lines if f"  {filename}  {code}" in line]
        assert re.search(r": [A-Z].*\.", line)  # a sentence
    assert sums.startswith("1 files would be imported (")
    assert "5 refused" in sums
    found = json.loads(report.read_text())
    assert (found["dry_run"], found["lenient"], found["totals"]["files"]["refused"]) == (True, False, 5)
    assert {row["filename"] for row in found["files"] if row["outcome"] == "refused"} == {
        name for name, _ in REASONS.values()
    }

    tried = filled.run(*words, "--lenient")
    assert "forgiven: metadata-classifier (1 files)" in tried.stdout
    assert "forgiven: metadata-version-unsupported (1 files)" in tried.stdout
    assert all(REASONS[name][0] not in tried.stdout for name in FORGIVEN)
    assert "3 files would be imported (" in tried.stdout
    rows = {row["filename"]: row for row in json.loads(report.read_text())["files"]}
    for name in FORGIVEN:
        row = rows[REASONS[name][0]]
        assert row["outcome"] == "imported"
        assert any(REASONS[name][1] in told for told in map(str, row["forgiven"]))
    after = (filled.keyhouse("project", "list"), sorted((filled.data / "files").rglob("*.*")))
    assert after == before


def test_on_a_terminal_there_is_a_bar_and_a_table(filled: Place, packages: Path) -> None:
    words = ("import", str(packages), "--owner", "ada", "--dry-run", "--workers", "1")
    code, out, err = on_terminal(filled, words)
    assert code == 1
    assert "Importing" in err
    assert "files, " in CONTROL.sub("", err)
    assert CONTROL.search(err)  # it is drawn anew, and gone at the end
    table = CONTROL.sub("", out)
    assert re.search(r"Project .* File .* Why", table)
    for project, (filename, reason) in REASONS.items():
        [line] = [line for line in table.splitlines() if f" {filename} " in line]
        assert reason in line
        assert project in line
    assert "1 files would be imported (" in table


def test_where_nobody_watches_there_is_a_line_now_and_then(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = import_._Shown(is_dry=True)
    shown.add(Row("alpha", "alpha-1.0.tar.gz", IMPORTED))
    assert capsys.readouterr().err == ""  # not for each file
    monkeypatch.setattr(import_, "LINE_SECONDS", 0.0)
    shown.add(Row("alpha", "alpha-2.0.tar.gz", IMPORTED))
    shown.add(Row("beta", "beta-1.0.tar.gz", REFUSED, code="archive-path", sentence="It leads outside."))
    assert capsys.readouterr().err == "2 files, alpha\n3 files, beta\n"


def test_what_is_too_much_for_a_table_is_counted(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(import_, "MOST_SHOWN", 3)
    shown = import_._Shown(is_dry=True)
    for number in range(5):
        shown.add(Row("alpha", f"alpha-{number}.zip", REFUSED, code="filename-extension", sentence="No."))
    shown._print_refused()
    *lines, more = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["alpha-0.zip", "alpha-1.zip", "alpha-2.zip"]
    assert more == "and 2 more; --report FILE tells all."


def on_terminal(place: Place, words: tuple[str, ...]) -> tuple[int, str, str]:
    """Run a command whose output and errors each go to a terminal of their own."""
    settings = {**environment(**place.environment), "TERM": "xterm", "COLUMNS": "300", "LINES": "60"}
    with read_terminal() as (out, out_end), read_terminal() as (err, err_end):
        done = subprocess.run(
            [sys.executable, "-m", "keyhouse", *words],
            env=settings, stdin=subprocess.DEVNULL, stdout=out_end, stderr=err_end, timeout=60, check=False,
        )  # fmt: skip
    return done.returncode, b"".join(out).decode(), b"".join(err).decode()


@contextmanager
def read_terminal() -> Iterator[tuple[list[bytes], int]]:
    """Give what a new terminal shows, whole behind the block, and the end that a program writes to."""
    ours, theirs = pty.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while piece := os.read(ours, 4096):
                shown.append(piece)
        except OSError:  # how Linux says that nobody has the other end any more
            return

    reader = threading.Thread(target=read)
    reader.start()
    try:
        yield shown, theirs
    finally:
        os.close(theirs)
        reader.join(10)
        os.close(ours)


def test_five_times_the_files_take_no_more_memory(filled: Place, tmp_path: Path) -> None:
    """The most that one process of the whole command held; its first hundred files fill what is held of all others."""
    few, many = (peak_of_import(filled, tmp_path / str(count), count) for count in (FEW, MANY))
    assert many - few < ROOM, (few, many)


def peak_of_import(place: Place, folder: Path, count: int) -> int:
    folder.mkdir()
    for number in range(count):
        build_wheel(folder, f"made-{count}-{number // 20}", f"1.{number % 20}")
    command = [
        sys.executable,
        "-m",
        "keyhouse",
        "import",
        str(folder),
        "--owner",
        "ada",
        "--workers",
        "2",
        "--json",
    ]
    with subprocess.Popen(
        command, env=environment(**place.environment), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as running:
        assert running.stdout
        told = json.loads(running.stdout.read())
        _, status, used = os.wait4(running.pid, 0)
        running.returncode = os.waitstatus_to_exitcode(status)
    assert (running.returncode, told["totals"]["files"]["imported"]) == (0, count)
    return used.ru_maxrss
