"""What shells ask for completions, and what they get."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.started import keyhouse


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
    ],
)
def test_commands_and_options_are_completed_where_there_is_no_index(
    tmp_path: Path, typed: str, offered: set[str]
) -> None:
    asked = {"_KEYHOUSE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = keyhouse(cwd=None, KEYHOUSE_DATA=str(tmp_path / "none"), **asked)
    assert {line.partition(",")[2] for line in done.stdout.splitlines()} == offered, done.stderr
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("typed", ["keyhouse import pack", "keyhouse import run pack"])
def test_the_shell_completes_the_folder_of_an_import(tmp_path: Path, typed: str) -> None:
    asked = {"_KEYHOUSE_COMPLETE": "bash_complete", "COMP_WORDS": typed, "COMP_CWORD": str(typed.count(" "))}
    done = keyhouse(cwd=None, KEYHOUSE_DATA=str(tmp_path / "none"), **asked)
    assert done.stdout.splitlines() == ["dir,pack"], done.stderr
