"""A real server from `./run serve`, real clients, a real browser."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

import pytest
from demo.chromium import OPTIONS
from playwright.sync_api import Browser, sync_playwright
from tests import forked, ready
from tests.conftest import skip_or_fail

ROOT = Path(__file__).parents[2]
OLD_PIP = ROOT / "locks" / "old-pip.txt"
CHROMIUM = next(
    (path for name in ("chromium", "chromium-browser", "google-chrome") if (path := shutil.which(name))), None
)
START = datetime(2031, 3, 4, 5, 6, 7, tzinfo=UTC)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.journey)


@dataclass
class Server:
    """A running Keyhouse: its address, its data folder, what it printed, and the environment it runs in."""

    url: str
    data: Path
    log: Path
    process: subprocess.Popen[bytes]
    environment: dict[str, str] = field(repr=False)

    def keyhouse(self, *words: str, stdin: str = "") -> str:
        """Run the command line against this server's data folder and return what it printed."""
        command = ["-m", "keyhouse", *words]
        done = forked.run(command, environment=self.environment, seconds=ready.SECONDS, typed=stdin)
        assert done.returncode == 0, f"keyhouse {' '.join(words)}: {done.stdout}{done.stderr}"
        return done.stdout

    def seed(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Seed through the product's own door."""
        answer: dict[str, Any] = json.loads(self.keyhouse("dev", "seed", "-", stdin=json.dumps(document)))
        return answer

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        """Return status and body of one GET."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            with urlopen(Request(self.url + path, headers=named), timeout=20) as answer:  # noqa: S310 - our own server
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def stop(self) -> int:
        """Ask the server to stop and return its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(40)


class Moment:
    """The clock file of an index."""

    def __init__(self, path: Path) -> None:
        self.path, self.now = path, START
        self.go(timedelta(0))

    def go(self, span: timedelta) -> None:
        self.now += span
        draft = self.path.with_suffix(".new")
        draft.write_text(self.now.isoformat().replace("+00:00", "Z"))
        draft.rename(self.path)


def bare_environment() -> dict[str, str]:
    """Return the environment without anything that leads clients to other indexes or settings."""
    dropped = (
        "KEYHOUSE_",
        "PIP_",
        "UV_",
        "TWINE_",
        "HATCH_",
        "POETRY_",
        "FLIT_",
        "PYTHON",
        "DJANGO_",
        "VIRTUAL_ENV",
    )
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_server(data: Path, *options: str, **settings: str) -> Server:
    """Start `./run serve` on that folder, a new one being laid ready, and wait until it is ready."""
    ready.lay(data, settings)
    port = free_port()
    environment = {
        **bare_environment(),
        "KEYHOUSE_ENVIRONMENT": "test",
        "KEYHOUSE_DATA": str(data),
        **settings,
    }
    log = data.parent / f"{data.name}-{port}.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [str(ROOT / "run"), "serve", "--port", str(port), *options],
            env={**environment, "PYTHONUNBUFFERED": "1"},
            stdout=out,
            stderr=out,
            stdin=subprocess.DEVNULL,
            cwd=data.parent,
        )
    scheme = "https" if "--tls-cert" in options else "http"
    environment["KEYHOUSE_BASE_URL"] = settings.get("KEYHOUSE_BASE_URL", f"{scheme}://localhost:{port}")
    server = Server(f"{scheme}://localhost:{port}", data, log, process, environment)
    _wait_until_ready(server)
    return server


def _wait_until_ready(server: Server) -> None:
    for _ in range(600):
        if server.process.poll() is not None:
            break
        try:
            if server.get("/health/ready")[0] == 200:
                return
        except (URLError, OSError):
            pass
        time.sleep(0.1)
    pytest.fail(f"the server did not come up:\n{server.log.read_text()}")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture
def server(data: Path) -> Iterator[Server]:
    running = start_server(data)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        skip_or_fail("chromium", "no Chromium on this machine")
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=list(OPTIONS))
        yield started
        started.close()


@pytest.fixture(scope="session")
def clients() -> Path:
    """Return the folder of programs of the real clients, set up from their lock the first time."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "locks" / "set_up.py"), "clients"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        skip_or_fail("clients", f"the clients could not be installed: {done.stderr[-500:]}")
    return ROOT / ".venv-clients" / "bin"


@pytest.fixture(scope="session")
def old_pip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an old pip, in an environment of its own."""
    folder = tmp_path_factory.mktemp("old-pip") / "venv"
    venv.create(folder, with_pip=True)
    pip = [str(folder / "bin" / "python"), "-m", "pip"]
    install = [*pip, "install", "--quiet", "--require-hashes", "-r", str(OLD_PIP)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    if done.returncode:
        skip_or_fail("clients", f"the old pip could not be installed: {done.stderr[-500:]}")
    return folder / "bin" / "pip"
