"""A running server, and what its doors answer: uploads, pages, old addresses, dry runs, real clients."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from socket import socket
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPRedirectHandler, Request, build_opener

from tests.distfiles.builders import build_wheel
from tests.publishing.driver import BOUNDARY, build_body

from keyhouse.accounts.cookies import cookie_name
from keyhouse.accounts.models import User
from keyhouse.accounts.sessions import start_session
from keyhouse.core import clock

ROOT: Final = Path(__file__).parents[2]
_PATIENCE: Final = 60.0


class _Stay(HTTPRedirectHandler):
    """Follows nothing: where a door leads to is its answer."""

    def redirect_request(self, *_: Any) -> None:
        """Stay."""
        return


_opener = build_opener(_Stay)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a door said: the status, and the code of a refusal."""

    status: int
    code: str
    text: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it let the act through."""
        return not self.code and self.status < 400

    def __str__(self) -> str:
        """Return it as the table shows it."""
        return self.code or str(self.status)


class Server:
    """`keyhouse serve` on a folder, until it is stopped."""

    def __init__(self, surroundings: dict[str, str], log: Path) -> None:
        """Start it and wait until it answers."""
        self.port = _free_port()
        self.url = f"http://localhost:{self.port}"
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "keyhouse", "serve", "--port", str(self.port)],
                env=surroundings | {"KEYHOUSE_BASE_URL": self.url},
                cwd=ROOT,
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
            )
        self._wait(log)

    def _wait(self, log: Path) -> None:
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until and self._process.poll() is None:
            try:
                self.ask("/_/health")
            except URLError:
                time.sleep(0.1)
            else:
                return
        raise RuntimeError(f"the server did not start: {log.read_text()[-2000:]}")

    def stop(self) -> None:
        """Stop it."""
        self._process.terminate()
        self._process.wait(40)

    def ask(self, path: str, *, method: str = "GET", data: bytes | None = None, **headers: str) -> Answer:
        """Ask once, and follow nothing."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(self.url + path, data=data, headers=named, method=method)  # noqa: S310 - our own server
        try:
            with _opener.open(request, timeout=60) as answer:
                return Answer(
                    answer.status,
                    answer.headers.get("X-Refusal") or "",
                    answer.read().decode("utf-8", "replace"),
                )
        except HTTPError as error:
            text = error.read().decode("utf-8", "replace")
            return Answer(error.code, error.headers.get("X-Refusal") or _code_in(text), text)

    # ---- uploads

    def upload(self, user: str, secret: str, project: str, version: str, folder: Path) -> Answer:
        """Upload a wheel as twine does, with a name and a secret."""
        body = build_body(build_wheel(folder, name=project, version=version))
        return self.ask(
            "/legacy/",
            method="POST",
            data=body,
            content_type=f"multipart/form-data; boundary={BOUNDARY}",
            authorization="Basic " + b64encode(f"{user}:{secret}".encode()).decode(),
        )

    def dry_run(self, token: str, project: str, at: str) -> str:
        """Ask what an upload by this token will be answered at an instant."""
        query = urlencode({"action": "release.upload", "project": project, "at": at})
        told = json.loads(self.ask(f"/mandate/check?{query}", authorization=f"Bearer {token}").text)
        return str(told["verdict"])

    # ---- pages

    def visit(self, user: User, path: str, *methods: str) -> Answer:
        """Open a page in a session that was proven just now."""
        _, value = start_session(user, methods, at=clock.now())
        return self.ask(path, accept="text/html", cookie=f"{cookie_name()}={value}")

    def act(self, user: User, path: str, fields: dict[str, str], *methods: str) -> Answer:
        """Send a form in such a session."""
        session, value = start_session(user, methods, at=clock.now())
        data = urlencode({"csrfmiddlewaretoken": session.csrf_secret, **fields}).encode()
        return self.ask(
            path,
            method="POST",
            data=data,
            accept="text/html",
            cookie=f"{cookie_name()}={value}",
            origin=self.url,
            content_type="application/x-www-form-urlencoded",
        )


def _code_in(text: str) -> str:
    first = text.partition("\n")[0].partition(":")[0].strip()
    return first if first and first.replace("-", "").isalpha() and first.islower() else ""


def _free_port() -> int:
    with socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def publish_by(program: str, clients: Path, server: Server, token: str, wheel: Path) -> str:
    """Publish a wheel by twine or uv, and return `published` or what it was refused with."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("TWINE_", "UV_", "PYTHON"))
    }
    address = f"{server.url}/legacy/"
    words, secret = (
        ((str(clients / "twine"), "upload", "--non-interactive", "--disable-progress-bar", "--repository-url", address), {"TWINE_USERNAME": "__token__", "TWINE_PASSWORD": token})
        if program == "twine"
        else ((str(clients / "uv"), "publish", "--publish-url", address), {"UV_PUBLISH_TOKEN": token})
    )  # fmt: skip
    done = subprocess.run(
        [*words, str(wheel)], env=kept | secret, capture_output=True, text=True, check=False
    )
    if done.returncode == 0:
        return "published"
    told = " ".join((done.stdout + done.stderr).split())
    codes = ("credential-weak", "second-factor-required", "password-not-accepted", "credential-invalid")
    return next((code for code in codes if code in told), told[-200:])
