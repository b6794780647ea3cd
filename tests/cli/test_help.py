"""Every command tells what it does, also where there is no index."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.cli.started import keyhouse

from keyhouse.cli.main import COMMANDS


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_gives_help_where_there_is_no_index(name: str, tmp_path: Path) -> None:
    done = keyhouse(name, "--help", KEYHOUSE_DATA=str(tmp_path / "none"))
    assert done.returncode == 0, done.stderr
    assert "Usage: keyhouse" in done.stdout
    assert not (tmp_path / "none").exists()
