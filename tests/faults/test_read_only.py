"""A data folder that can't be written to any more: writers are told why, readers notice nothing."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests import forked
from tests.conftest import skip_or_fail
from tests.distfiles.builders import build_wheel
from tests.faults.conftest import Index

from keyhouse.core import configuration

pytestmark = pytest.mark.by_turns

FILES = {f"alpha-{version}-py3-none-any.whl" for version in ("1.0", "2.0")}
# root may write everywhere unless its programs lose these
ABOVE_MODES = "-dac_override,-dac_read_search"


@pytest.fixture
def _heeding_modes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let servers be bound by the modes of files, also where root runs the tests."""
    monkeypatch.setattr(forked, "IS_POSSIBLE", False)  # a fork keeps the rights of its parent
    if os.geteuid() != 0:
        return
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        skip_or_fail("setpriv", "root is bound by no file's mode without it")
    python = tmp_path / "python"
    python.write_text(
        f'#!/bin/sh\nexec {setpriv} --bounding-set={ABOVE_MODES} --inh-caps={ABOVE_MODES} {sys.executable} "$@"\n'
    )
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    modes = {path: path.stat().st_mode for path in [folder, *folder.rglob("*")]}
    try:
        for path, mode in modes.items():
            path.chmod(mode & ~0o222)
        yield
    finally:
        for path, mode in modes.items():
            path.chmod(mode)


@pytest.mark.usefixtures("_heeding_modes")
def test_a_read_only_data_folder_stops_writers_only_and_only_while_it_is_one(
    index: Index, tmp_path: Path
) -> None:
    wheel = build_wheel(tmp_path, version="3.0")
    with index.served():
        with read_only(index.place.data):
            time.sleep(1.1)  # what was found about the disk is kept for a second
            answer = index.upload(wheel)
            assert (answer.status_code, answer.text.partition(":")[0]) == (503, "storage-read-only")
            assert answer.reason.startswith("storage-read-only")
            assert index.get("/health/ready?for=writes").status_code == 503
            assert set(index.shown("alpha")) == FILES
            for path in ("/simple/", "/project/alpha/", "/", "/health/ready", "/rss/updates.xml"):
                assert index.get(path).status_code == 200, path
        assert index.upload(wheel).status_code == 200
        assert set(index.shown("alpha")) == FILES | {wheel.name}
        index.require_whole()


@pytest.mark.usefixtures("_heeding_modes")
def test_nobody_yanks_on_a_read_only_database(index: Index) -> None:
    if configuration.current().database_url:
        pytest.skip("the database lives elsewhere")
    with index.served():
        with read_only(index.place.data):
            assert index.post("/manage/project/alpha/release/1.0/yank/", reason="broken").status_code == 503
        assert set(index.shown("alpha").values()) == {False}
    assert index.records("release.yank") == []
