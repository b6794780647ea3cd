"""Keyhouse and its peers as child processes, each pinned to the same processor, each on a folder of its own."""

from __future__ import annotations

import base64
import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]
PEERS = ROOT / ".venv-bench" / "bin"
SERVER_CPU = "0"
LOAD_CPU = "1"


@dataclass(frozen=True)
class Server:
    """A running server: where it listens, its process, its folder, and how to publish there.

    `login` is `name:secret` as twine sends it, `legacy` the path of the upload form below `url`.
    """

    url: str
    process: subprocess.Popen[bytes]
    folder: Path
    login: str = ""
    legacy: str = "/"


def free_port() -> int:
    """Return a port nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def pinned(*command: str) -> list[str]:
    """Return the command, held on the server's processor where `taskset` is there."""
    return ["taskset", "-c", SERVER_CPU, *command] if shutil.which("taskset") else list(command)


def wait_until_up(url: str, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Wait until the address answers anything below 500, or raise RuntimeError."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        try:
            with urlopen(url, timeout=2) as answer:  # noqa: S310 - our own server
                if answer.status < 500:
                    return
        except URLError as error:
            if getattr(error, "code", 500) < 500:
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"{url} did not come up")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(35)
    except subprocess.TimeoutExpired:
        process.kill()


def keyhouse_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a Keyhouse for measurements: the test doors open, no limits."""
    return {
        **{name: value for name, value in os.environ.items() if not name.startswith("KEYHOUSE_")},
        "KEYHOUSE_ENVIRONMENT": "test",
        "KEYHOUSE_RATE_LIMITS": "off",
        "KEYHOUSE_FILE_LIMIT": str(2**30),
        "KEYHOUSE_DATA": str(folder),
    }


def seed(folder: Path, document: Mapping[str, Any], **environment: str) -> dict[str, Any]:
    """Seed a data folder by the product's own door and return what it tells."""
    command = [str(ROOT / "run"), "keyhouse", "dev", "seed", "-"]
    done = subprocess.run(
        command,
        input=json.dumps(document).encode(),
        env={**keyhouse_environment(folder), **environment},
        stdout=subprocess.PIPE,
        check=True,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@contextmanager
def keyhouse(folder: Path, token: str = "", **environment: str) -> Iterator[Server]:
    """Run Keyhouse with one worker."""
    port = free_port()
    env = {**keyhouse_environment(folder), **environment}
    command = pinned(str(ROOT / "run"), "serve", "--port", str(port))
    with (folder.parent / f"{folder.name}.log").open("wb") as log:
        process = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/health/ready", process)
        yield Server(f"http://127.0.0.1:{port}", process, folder, f"__token__:{token}", "/legacy/")
    finally:
        _stop(process)


@contextmanager
def nginx(root: Path) -> Iterator[Server]:
    """Run nginx with one worker over prerendered pages (`gzip_static`) and files."""
    port = free_port()
    work = root.parent / "nginx-work"
    work.mkdir(exist_ok=True)
    (work / "nginx.conf").write_text(_NGINX.format(work=work, port=port, root=root))
    process = subprocess.Popen(pinned("nginx", "-c", str(work / "nginx.conf"), "-e", str(work / "error.log")))
    try:
        wait_until_up(f"http://127.0.0.1:{port}/", process)
        yield Server(f"http://127.0.0.1:{port}", process, root)
    finally:
        _stop(process)


_NGINX = """
daemon off; worker_processes 1; pid {work}/pid; user root;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000; open_file_cache max=2000;
  types {{ application/vnd.pypi.simple.v1+json json; application/octet-stream whl; }}
  client_body_temp_path {work}/b; proxy_temp_path {work}/p; fastcgi_temp_path {work}/f;
  uwsgi_temp_path {work}/u; scgi_temp_path {work}/s;
  server {{ listen 127.0.0.1:{port}; root {root}; index index.json; gzip_static on; gzip_vary on; }}
}}
"""


@contextmanager
def devpi(folder: Path) -> Iterator[Server]:
    """Run devpi-server as it comes, with a user `bench` and an index `bench/bench`.

    Uploads carry a login token, as devpi's own client sends it: a password would cost an Argon2 hash each time.
    """
    port = free_port()
    init = [str(PEERS / "devpi-init"), "--serverdir", str(folder), "--root-passwd", "bench"]
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    command = [str(PEERS / "devpi-server"), "--serverdir", str(folder), "--port", str(port), "--offline-mode"]
    process = subprocess.Popen(pinned(*command), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_up(f"{url}/+api", process)
        yield Server(f"{url}/bench/bench", process, folder, f"bench:{_prepare_devpi(url)}")
    finally:
        _stop(process)


def _prepare_devpi(url: str) -> str:
    """Make the user and the index; return the login token."""
    _send_json(f"{url}/bench", "PUT", {"password": "bench"})
    who = {"user": "bench", "password": "bench"}
    token = str(_send_json(f"{url}/+login", "POST", who)["result"]["password"])
    proof = {"X-Devpi-Auth": base64.b64encode(f"bench:{token}".encode()).decode()}
    _send_json(f"{url}/bench/bench", "PUT", {"type": "stage", "bases": []}, proof)
    return token


def _send_json(url: str, method: str, document: object, headers: Mapping[str, str] | None = None) -> Any:
    sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    request = Request(url, json.dumps(document).encode(), sent, method=method)  # noqa: S310 - our own server
    with urlopen(request) as answer:  # noqa: S310 - the same
        return json.loads(answer.read())


@contextmanager
def pypiserver(folder: Path) -> Iterator[Server]:
    """Run pypiserver as it comes, without passwords."""
    port = free_port()
    folder.mkdir(parents=True, exist_ok=True)
    options = ["-p", str(port), "-i", "127.0.0.1", "-P", ".", "-a", ".", "-o"]
    command = pinned(str(PEERS / "pypi-server"), "run", *options, str(folder))
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until_up(f"http://127.0.0.1:{port}/", process)
        yield Server(f"http://127.0.0.1:{port}", process, folder, "bench:bench")
    finally:
        _stop(process)


def fetch(url: str, headers: Mapping[str, str] | None = None) -> tuple[bytes, dict[str, str]]:
    """Return body and headers (names in lower case) of one GET."""
    with urlopen(Request(url, headers=dict(headers or {}))) as answer:  # noqa: S310 - our own server
        return answer.read(), {name.lower(): value for name, value in answer.headers.items()}
