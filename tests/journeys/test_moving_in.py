"""A devpi-server and a pypiserver, filled and moved in from: pip gets from Keyhouse what it got from them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from bench import servers
from bench.uploads import upload_by_form
from tests.conftest import skip_or_fail
from tests.distfiles.builders import build_sdist, build_wheel
from tests.journeys.conftest import ROOT, Server, bare_environment

pytestmark = pytest.mark.by_turns

ADA = {"username": "ada", "email": "ada@example.org", "second_factors": ["totp"]}


@pytest.fixture(scope="session")
def peers() -> Path:
    """Return the folder of programs of the other indexes, set up from their lock the first time."""
    command = [sys.executable, str(ROOT / "locks" / "set_up.py"), "bench"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        skip_or_fail("clients", f"the other indexes could not be installed: {done.stderr[-500:]}")
    return servers.PEERS


@pytest.fixture
def dist(tmp_path: Path) -> list[Path]:
    """Make two projects, one of which needs the other, in several releases and kinds of files."""
    folder = tmp_path / "dist"
    folder.mkdir()
    return [
        build_wheel(folder, "alpha", "1.0"),
        build_sdist(folder, "alpha", "1.0"),
        build_wheel(folder, "alpha", "2.0", metadata_extra="Requires-Python: >=3.8"),
        build_wheel(folder, "beta.two", "0.1", metadata_extra="Requires-Dist: alpha<2"),
    ]


@pytest.fixture
def keyhouse(server: Server) -> Iterator[Server]:
    server.seed({"users": [ADA]})
    yield server
    assert json.loads(server.keyhouse("storage", "verify", "--json"))["differences"] == []


Install = Callable[[str], dict[str, str]]


@pytest.fixture
def install(peers: Path, tmp_path: Path) -> Install:
    """Install by pip from an index and return the SHA-256 of what it took, by file name."""

    def run(index: str) -> dict[str, str]:
        report = tmp_path / "pip.json"
        command = [
            str(peers / "pip"), "install", "--no-cache-dir", "--ignore-installed", "--dry-run", "--report", str(report),
            "--index-url", index, "beta-two",
        ]  # fmt: skip
        done = subprocess.run(command, env=bare_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        taken = [one["download_info"] for one in json.loads(report.read_text())["install"]]
        return {
            urlsplit(one["url"]).path.rpartition("/")[2]: one["archive_info"]["hashes"]["sha256"]
            for one in taken
        }

    return run


def moved(keyhouse: Server, *words: str) -> dict[str, int]:
    """Import and return the totals of files."""
    files: dict[str, int] = json.loads(keyhouse.keyhouse("import", "--json", "--owner", "ada", *words))[
        "totals"
    ]["files"]
    return files


def listed(keyhouse: Server, project: str) -> dict[str, str]:
    """Return the upload times of a project's files."""
    page = json.loads(keyhouse.get(f"/simple/{project}/", Accept="application/vnd.pypi.simple.v1+json")[1])
    return {file["filename"]: file["upload-time"] for file in page["files"]}


def test_a_devpi_index_moves_in(
    keyhouse: Server, dist: list[Path], install: Install, peers: Path, tmp_path: Path
) -> None:
    with servers.devpi(tmp_path / "devpi") as devpi:
        for path in dist:
            upload_by_form(devpi, path)
        before = install(f"{devpi.url}/+simple/")
        assert moved(keyhouse, devpi.url) == {
            "imported": 4,
            "here": 0,
            "left-out": 0,
            "refused": 0,
            "failed": 0,
        }
        told = json.loads(servers.fetch(f"{devpi.url}/alpha", {"Accept": "application/json"})[0])["result"]
        assert moved(keyhouse, f"{devpi.url}/+simple/") == {
            "imported": 0,
            "here": 4,
            "left-out": 0,
            "refused": 0,
            "failed": 0,
        }
    assert set(before) == {dist[0].name, dist[3].name}
    assert install(f"{keyhouse.url}/simple/") == before
    [link] = told["2.0"]["+links"]
    year, month, day, hour, minute, second = link["log"][0]["when"]
    when = f"{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"
    assert listed(keyhouse, "alpha")[dist[2].name].startswith(when)


def test_a_pypiserver_moves_in_by_its_address_and_by_its_folder(
    keyhouse: Server, dist: list[Path], install: Install, peers: Path, tmp_path: Path
) -> None:
    packages = tmp_path / "packages"
    with servers.pypiserver(packages) as running:
        for path in dist:
            upload_by_form(running, path)
        before = install(f"{running.url}/simple/")
        assert moved(keyhouse, running.url, "--include", "alpha")["imported"] == 3
        assert moved(keyhouse, str(packages), "--file-times") == {
            "imported": 1,
            "here": 3,
            "left-out": 0,
            "refused": 0,
            "failed": 0,
        }
    assert install(f"{keyhouse.url}/simple/") == before
    assert len(listed(keyhouse, "alpha")) == 3
