"""A disk that is full: writers are told why, readers notice nothing."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.places import Place
from tests.conftest import skip_or_fail
from tests.distfiles.builders import build_wheel
from tests.faults.conftest import Index

from keyhouse.core import configuration

YANK = "/manage/project/alpha/release/1.0/yank/"
FILES = {f"alpha-{version}-py3-none-any.whl" for version in ("1.0", "2.0")}


def mount(*words: str | Path) -> bool:
    return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0


@pytest.fixture
def volume(tmp_path: Path) -> Iterator[Path]:
    """Return a small volume of its own."""
    folder = tmp_path / "volume"
    folder.mkdir()
    if not mount("-t", "tmpfs", "-o", "size=24m", "keyhouse-test", folder):
        skip_or_fail("mount", "this user can't mount a volume")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.fixture
def small(template: tuple[Place, dict[str, Any]], volume: Path) -> Index:
    """Return an index that lives wholly on that volume."""
    original, told = template
    if configuration.current().database_url:
        pytest.skip("this is about SQLite and files on one volume")
    subprocess.run(["cp", "-a", original.data, volume / "data"], check=True)
    name, _, value = told["cookie"].partition("=")
    return Index(Place(volume / "data"), told["token"], (name, value), told["csrf"])


def require_readable(index: Index) -> None:
    """See that everything that installers and people read is there."""
    assert set(index.shown("alpha")) == FILES
    for path in ("/simple/", "/project/alpha/", "/", "/health/ready", "/rss/updates.xml"):
        assert index.get(path).status_code == 200, path


def require_refused(index: Index, wheel: Path, codes: set[str]) -> None:
    """See that writers are refused with a reason, on both ways in, and that it changed nothing."""
    answer = index.upload(wheel)
    assert answer.status_code == 503, answer.text
    assert answer.text.partition(":")[0] in codes
    assert answer.reason.startswith(answer.text.partition(":")[0])
    assert index.post(YANK, reason="broken").status_code == 503
    time.sleep(1.1)  # what was found about the disk is kept for a second
    assert index.get("/health/ready?for=writes").status_code == 503


def require_recovered(index: Index, wheel: Path) -> None:
    answer = index.upload(wheel)
    assert answer.status_code == 200, answer.text
    assert index.post(YANK, reason="broken").status_code == 302
    assert set(index.shown("alpha")) == FILES | {wheel.name}
    index.require_whole()


def fill_up(ballast: Path) -> None:
    """Take every byte that is left."""
    with ballast.open("wb", buffering=0) as file:
        for size in (2**20, 2**12, 1):
            with contextlib.suppress(OSError):
                while True:
                    file.write(bytes(size))


def test_a_full_disk_stops_writers_only_and_only_while_it_is_full(small: Index, tmp_path: Path) -> None:
    wheel = build_wheel(tmp_path, version="3.0", files={"alpha.py": bytes(range(256)) * 512})
    ballast = small.place.data.parent / "ballast"
    with small.served():
        require_readable(small)
        fill_up(ballast)
        require_refused(small, wheel, {"storage-full"})
        require_readable(small)
        ballast.unlink()
        require_recovered(small, wheel)
