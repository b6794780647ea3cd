"""What shells ask for completions, and what they get."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.cli.started import environment, keyhouse

from keyhouse.core.switches import NAMES


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_its_lines(shell: str) -> None:
    done = keyhouse("completion", shell)
    assert done.returncode == 0
    assert "_KEYHOUSE_COMPLETE" in done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("keyhouse do", {"doctor"}),
        ("keyhouse mail l", {"list"}),
        ("keyhouse mail list --f", {"--failed"}),
        ("keyhouse import --owner-", {"--owner-days"}),
        ("keyhouse import st", {"status"}),
        ("keyhouse import run --owner-", {"--owner-days"}),
        ("keyhouse freeze ", {"set", "list", *NAMES}),
        ("keyhouse freeze u", {"uploads"}),
        ("keyhouse freeze uploads --u", {"--until", "--until-lifted"}),
        ("keyhouse freeze li", {"list"}),
        ("keyhouse quarantine ", {"set", "list", "lift"}),
        ("keyhouse quarantine --re", {"--release", "--reason"}),
        ("keyhouse quarantine alpha --re", {"--release", "--reason"}),
        ("keyhouse quarantine list --re", set()),
        ("keyhouse project people --j", {"--json"}),
    ],
)
def test_commands_and_options_are_completed_where_there_is_no_index(
    tmp_path: Path, typed: str, offered: set[str]
) -> None:
    asked = {"_KEYHOUSE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = keyhouse(cwd=None, KEYHOUSE_DATA=str(tmp_path / "none"), **asked)
    assert {line.partition(",")[2] for line in done.stdout.split()} == offered, done.stderr
    assert not (tmp_path / "none").exists()


def test_what_the_help_shows_puts_the_lines_where_the_shell_reads_them(tmp_path: Path) -> None:
    shown = keyhouse("completion", "--help").stdout.split("Examples:\n")[1].split("\n\n")[0]
    lines = shown.replace("keyhouse completion", f"{sys.executable} -m keyhouse completion")
    subprocess.run(
        ["bash", "-ec", lines], env={**environment(), "HOME": str(tmp_path)}, check=True, timeout=60
    )
    assert (
        len([path for path in tmp_path.rglob("*keyhouse*") if "_KEYHOUSE_COMPLETE" in path.read_text()]) == 3
    )


@pytest.mark.parametrize("typed", ["keyhouse import pack", "keyhouse import run pack"])
def test_the_shell_completes_the_folder_of_an_import(tmp_path: Path, typed: str) -> None:
    asked = {"_KEYHOUSE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = keyhouse(cwd=None, KEYHOUSE_DATA=str(tmp_path / "none"), **asked)
    assert done.stdout.splitlines() == ["dir,pack"], done.stderr
