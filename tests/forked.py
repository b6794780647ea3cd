"""Pythons that are forked from a process which has read all of Keyhouse (`tests/forking.py`): a tenth of the work.

For what is tried with a command or a server. What is tried about starting one starts it anew.
"""

from __future__ import annotations

import json
import os
import select
import selectors
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO

FORKING = Path(__file__).with_name("forking.py")
IS_POSSIBLE = hasattr(os, "pidfd_open")
READ_AT_START = ("PYTHON", "LC_", "LANG", "LD_", "TZ", "MALLOC_")  # by the interpreter and what it stands on
SOME_POSTGRESQL = {"KEYHOUSE_DATABASE_URL": "postgresql://127.0.0.1/only-its-kind-matters"}
_parents: dict[frozenset[tuple[str, str]], tuple[subprocess.Popen[bytes], socket.socket]] = {}
_one_at_a_time = threading.Lock()


def is_possible(words: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Whether a fork is the same: not outside tests, nor where the command starts processes that import anew."""
    return IS_POSSIBLE and environment.get("KEYHOUSE_ENVIRONMENT") == "test" and "--workers" not in words


class Forked:
    """A running Python, to be treated as a `subprocess.Popen`; `words` begin with `-m` and a module, or `-c` and code."""

    def __init__(
        self,
        words: Sequence[str],
        streams: tuple[int, int, int],
        *,
        environment: Mapping[str, str],
        cwd: Path | None = None,
        is_session: bool = False,
    ) -> None:
        self.args = words
        self.returncode: int | None = None
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        asked = {
            "words": words,
            "env": dict(environment),
            "cwd": str(cwd or Path.cwd()),
            "session": is_session,
        }
        with theirs:
            self._channel.send(json.dumps(asked).encode())
            socket.send_fds(_parent(environment), [b"!"], [theirs.fileno(), *streams])
        self.pid = int(self._channel.recv(100))

    def poll(self) -> int | None:
        """Return the exit code if it has come to an end."""
        return self._ended_within(0)

    def wait(self, timeout: float | None = None) -> int:
        """Wait for its end and return the exit code."""
        code = self._ended_within(timeout)
        if code is None:
            raise subprocess.TimeoutExpired(self.args, timeout or 0)
        return code

    def _ended_within(self, seconds: float | None) -> int | None:
        if self.returncode is None and select.select([self._channel], [], [], seconds)[0]:
            self.returncode = int(self._channel.recv(100))
            self._channel.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it is gone."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def start(
    words: Sequence[str], streams: tuple[int, int, int], *, environment: Mapping[str, str], cwd: Path
) -> subprocess.Popen[bytes] | Forked:
    """Start what goes on beside the test."""
    if is_possible(words, environment):
        return Forked(words, streams, environment=environment, cwd=cwd)
    read, out, err = streams
    return subprocess.Popen(
        [sys.executable, *words], env=environment, cwd=cwd, stdin=read, stdout=out, stderr=err
    )


def run(
    words: Sequence[str],
    *,
    environment: Mapping[str, str],
    seconds: float,
    cwd: Path | None = None,
    typed: str = "",
    encoding: str = "utf-8",
    is_anew: bool = False,
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, as `subprocess.run` does, and return what it wrote; `is_anew` is as somebody types it."""
    if is_anew or not is_possible(words, environment):
        return subprocess.run(
            [sys.executable, *words],
            cwd=cwd,
            env=environment,
            input=typed,
            capture_output=True,
            encoding=encoding,
            check=False,
            timeout=seconds,
        )
    with ExitStack() as stack:
        read = stack.enter_context(tempfile.TemporaryFile())
        read.write(typed.encode(encoding))
        read.seek(0)
        pipes = [os.pipe(), os.pipe()]
        written = [stack.enter_context(os.fdopen(ours, "rb", buffering=0)) for ours, _ in pipes]
        streams = (read.fileno(), pipes[0][1], pipes[1][1])
        process = Forked(words, streams, environment=environment, cwd=cwd)
        stack.callback(process.kill)
        for _, theirs in pipes:
            os.close(theirs)
        out, err = (some.decode(encoding) for some in _read_all(written, time.monotonic() + seconds, words))
        code = process.wait(seconds)
    return subprocess.CompletedProcess(words, code, out, err)


def _read_all(files: Sequence[IO[bytes]], until: float, words: Sequence[str]) -> list[bytes]:
    found = dict.fromkeys(files, b"")
    with selectors.DefaultSelector() as ready:
        for file in files:
            ready.register(file, selectors.EVENT_READ)
        while ready.get_map():
            events = ready.select(until - time.monotonic())
            if not events:
                raise subprocess.TimeoutExpired(words, 0, *found.values())
            for file in [file for file in files if any(key.fileobj is file for key, _ in events)]:
                some = file.read(2**16)
                found[file] += some
                if not some:
                    ready.unregister(file)
    return [*found.values()]


def _parent(environment: Mapping[str, str]) -> socket.socket:
    """Return where to ask: a parent that began with what can't be told later."""
    kind = {name: value for name, value in environment.items() if name.startswith(READ_AT_START)}
    kind |= SOME_POSTGRESQL if environment.get("KEYHOUSE_DATABASE_URL") else {}
    key = frozenset(kind.items())
    with _one_at_a_time:
        if key not in _parents:
            kept = {name: value for name, value in environment.items() if not name.startswith("KEYHOUSE_")}
            _parents[key] = _start({**kept, **kind})
        return _parents[key][1]


def _start(environment: Mapping[str, str]) -> tuple[subprocess.Popen[bytes], socket.socket]:
    ours, theirs = socket.socketpair()
    with theirs:
        number = theirs.fileno()
        command, root = [sys.executable, "-m", f"tests.{FORKING.stem}", str(number)], FORKING.parents[1]
        process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, pass_fds=[number], cwd=root
        )
    if not ours.recv(1):
        raise RuntimeError(f"Nothing can be forked: see what {FORKING.name} said.")
    return process, ours


def clear_away() -> None:
    """Let the parents end; what was forked lives on."""
    while _parents:
        process, control = _parents.popitem()[1]
        control.close()
        process.wait()
