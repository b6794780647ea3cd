"""A server of its own process, as somebody starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from tests import forked, ready
from tests.forked import Forked

SECONDS = 60
NEW = {"KEYHOUSE_ENVIRONMENT": "test"}  # as it is anyway: with it a server makes its folder itself


def environment(**settings: str) -> dict[str, str]:
    """Return the environment of a child: nothing of ours but what is said."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYHOUSE_")}
    return {**kept, "KEYHOUSE_ENVIRONMENT": "test", **settings}


def keyhouse(
    *words: str | Path, cwd: Path | None = None, typed: str = "", **settings: str
) -> subprocess.CompletedProcess[str]:
    """Run a command of the command line to its end; forked where that is the same."""
    told = ["-m", "keyhouse", *map(str, words)]
    return forked.run(told, environment=environment(**settings), seconds=SECONDS, cwd=cwd, typed=typed)


@dataclass
class Started:
    process: subprocess.Popen[bytes] | Forked
    url: str
    log: Path

    @property
    def port(self) -> int:
        return int(self.url.rpartition(":")[2])

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def get(self, path: str, **headers: str) -> tuple[int, bytes]:
        request = Request(self.url + path, headers=headers)  # noqa: S310 - our own server
        try:
            with urlopen(request, timeout=20) as answer:  # noqa: S310 - the same
                return answer.status, answer.read()
        except HTTPError as error:
            return error.code, error.read()

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(40)


def start(data: Path, *words: str, cwd: Path | None = None, **settings: str) -> Started:
    """Start a server on a free port and wait until it says where it is; forked where that is the same.

    A folder that isn't there is laid ready, unless the settings say what `ready` can't stand for, as `NEW` does.
    """
    ready.lay(data, settings)
    log = data.with_name(f"{data.name}.log")
    words = ("-m", "keyhouse", "serve", "--port", "0", "--data", str(data), *words)
    with log.open("wb") as out, Path(os.devnull).open("rb") as nothing:
        streams = (nothing.fileno(), out.fileno(), out.fileno())
        process = forked.start(words, streams, environment=environment(**settings), cwd=cwd or Path.cwd())
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None:
        url = find_address(log)
        if url:
            return Started(process, url, log)
        time.sleep(0.02)
    process.kill()
    raise AssertionError(log.read_text())


def find_address(log: Path) -> str:
    for line in log.read_text().splitlines():
        if '"event": "serving"' in line:
            return str(json.loads(line)["address"])
    return ""


@contextmanager
def serving(data: Path, *words: str, cwd: Path | None = None, **settings: str) -> Iterator[Started]:
    started = start(data, *words, cwd=cwd, **settings)
    try:
        yield started
    finally:
        if started.process.poll() is None and started.stop() != 0:
            raise AssertionError(started.log.read_text())
