"""A process that has read all of Keyhouse and forks one Python after the other: `tests/forked.py` starts it and asks.

To import everything takes ten times as long as most commands. What comes out of here is a process of its own all the
same, with its own arguments, environment, folder, standard streams, signals and exit code, and its interpreter ends as
any does. What it shares with the others is only what imports leave, which depends on no setting: the configuration,
Django's settings, the keys and the connections to the database are read anew in each. Each kind of database has a
parent of its own. And hashing costs nothing in them, as in the tests themselves.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import shutil
import signal
import socket
import sys
import tempfile
import threading
from dataclasses import dataclass
from typing import Any

LONGEST = 2**18  # bytes of one request
STREAMS = 3
BACKENDS = ("django.db.backends.sqlite3.base", "django.db.backends.postgresql.base", "psycopg_pool")
FIRST = (
    "keyhouse.cli.serve",
    "keyhouse.web.asgi",
    "keyhouse.web.urls",
)  # what the rest of the addresses stands on


@dataclass(frozen=True)
class Request:
    """Somebody who wants a command: where the answers go, the three streams, and what was asked."""

    channel: socket.socket
    streams: list[int]
    asked: dict[str, Any]


def load() -> None:
    """Read all code, with settings that belong to nobody and are then forgotten."""
    folder = tempfile.mkdtemp(prefix="keyhouse-forking-")
    os.environ |= {"KEYHOUSE_ENVIRONMENT": "test", "KEYHOUSE_DATA": folder}

    from keyhouse.cli import surroundings  # noqa: PLC0415 - needs the settings

    surroundings.load_features()
    import keyhouse  # noqa: PLC0415 - the same

    left_out = {"keyhouse.__main__", "keyhouse.settings.test"}
    found = {module.name for module in pkgutil.walk_packages(keyhouse.__path__, "keyhouse.")}
    for name in [*BACKENDS, *FIRST, *sorted(found - left_out)]:
        importlib.import_module(name)
    from tests import costs  # noqa: PLC0415 - the same

    costs.become(costs.QUICK)
    shutil.rmtree(folder)
    forget_settings()
    gc.collect()
    gc.freeze()  # so that no collection touches, and thereby copies, what is shared


def forget_settings() -> None:
    """Let whoever asks next read configuration, settings and keys; nothing may have been opened by them yet."""
    from django import conf  # noqa: PLC0415 - after `load`
    from django.db import connections  # noqa: PLC0415 - the same
    from django.utils import functional  # noqa: PLC0415 - the same

    from keyhouse.core import clock, configuration, keys  # noqa: PLC0415 - the same

    is_connected = connections["default"].connection is not None
    if is_connected or threading.active_count() > 1:
        raise RuntimeError(f"Importing Keyhouse did more than that: {is_connected}, {threading.enumerate()}.")
    # models ask how long a name may be: of a kind of database, not of this one
    del connections["default"], connections.settings
    connections._settings = None  # type: ignore[attr-defined] # what a handler begins with
    conf.settings._wrapped = functional.empty
    del sys.modules["keyhouse.settings.base"]
    configuration._current = None
    keys._cached = None
    clock.follow_file(None)


class Parent:
    """Takes requests from `control` until nobody is left who could send one."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._ready = selectors.DefaultSelector()
        self._ready.register(control, selectors.EVENT_READ)
        self._children: dict[int, tuple[int, socket.socket]] = {}  # pid and channel by the file descriptor

    def serve(self) -> Request | None:
        """Fork; return in each child what it was asked, and None in the end."""
        while True:
            for key, _ in self._ready.select():
                if key.fileobj is not self._control:
                    self._bury(key.fd)
                    continue
                request = self._take()
                if request is None:
                    return None
                pid = os.fork()
                if pid == 0:
                    self._let_go()
                    return request
                self._watch(pid, request)

    def _take(self) -> Request | None:
        told, handed, _, _ = socket.recv_fds(self._control, 1, 1 + STREAMS)
        if not told:
            return None
        channel = socket.socket(fileno=handed[0])
        return Request(channel, handed[1:], json.loads(channel.recv(LONGEST)))

    def _watch(self, pid: int, request: Request) -> None:
        for stream in request.streams:
            os.close(stream)
        alive = os.pidfd_open(pid)
        self._children[alive] = (pid, request.channel)
        self._ready.register(alive, selectors.EVENT_READ)
        self._tell(request.channel, pid)

    def _bury(self, alive: int) -> None:
        pid, channel = self._children.pop(alive)
        self._ready.unregister(alive)
        os.close(alive)
        _, status = os.waitpid(pid, 0)
        self._tell(channel, os.waitstatus_to_exitcode(status))
        channel.close()

    def _tell(self, channel: socket.socket, number: int) -> None:
        try:
            channel.send(str(number).encode())
        except OSError:
            return  # who asked is gone, or does not want to know

    def _let_go(self) -> None:
        """Keep nothing open that a process which was started anew would not have."""
        self._ready.close()
        self._control.close()
        for alive, (_, channel) in self._children.items():
            os.close(alive)
            channel.close()


def become(request: Request) -> None:
    """Turn into what was asked for."""
    request.channel.close()
    for number, stream in enumerate(request.streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request.asked["cwd"])
    os.environ.clear()
    os.environ.update(request.asked["env"])
    if request.asked["session"]:
        os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.stdout.reconfigure(line_buffering=sys.stdout.isatty())  # type: ignore[union-attr] # a text stream, as ever
    kind, what, *sys.argv[1:] = request.asked["words"]
    if kind == "-m":
        sys.path[0] = request.asked["cwd"]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv[0], sys.path[0] = "-c", ""
        exec(compile(what, "<string>", "exec"), vars(sys.modules["__main__"]))  # noqa: S102 - as the interpreter does


def main() -> None:
    """Load, say so, serve."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # meant for those who are forked
    control = socket.socket(fileno=int(sys.argv[1]))
    load()
    control.send(b"!")
    request = Parent(control).serve()
    if request is not None:
        become(request)


if __name__ == "__main__":
    main()
