"""What is handed to operators to start from names only what there is."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import skip_or_fail

from keyhouse.core.configuration import SETTINGS

ROOT = Path(__file__).parents[2]
FILES = [path for path in (ROOT / "deploy").iterdir() if path.is_file()] + [ROOT / "Containerfile"]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_settings_in_it_exist(path: Path) -> None:
    named = set(re.findall(r"KEYHOUSE_[A-Z_]+", path.read_text()))
    assert named
    assert named <= {setting.name for setting in SETTINGS}


def test_what_the_image_copies_is_in_the_repository_and_let_in() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (ROOT / "Containerfile").read_text(), re.MULTILINE)
    named = {name for line in copied for name in line.split()}
    assert named == let_in
    assert all((ROOT / name).exists() for name in named)


def test_the_unit_is_one_to_systemd(tmp_path: Path) -> None:
    if shutil.which("systemd-analyze") is None:
        skip_or_fail("systemd", "systemd-analyze is not installed")
    text = (ROOT / "deploy" / "keyhouse.service").read_text()
    unit = tmp_path / "keyhouse.service"
    unit.write_text(text.replace("/srv/keyhouse/run", "/bin/true").replace("User=keyhouse", "User=root"))
    done = subprocess.run(
        ["systemd-analyze", "verify", str(unit)], capture_output=True, text=True, check=False
    )
    about = [
        line
        for line in done.stderr.splitlines()
        if "keyhouse.service" in line and "Documentation" not in line
    ]
    assert about == []
