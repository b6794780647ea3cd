"""An ASGI callable on the real server in a thread, and a raw connection to it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import uvicorn

from keyhouse.web.asgi_types import App
from keyhouse.web.server import Protocol


@dataclass
class Answered:
    line: bytes
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def status(self) -> int:
        return int(self.line.split(b" ")[1])


@dataclass
class Raw:
    """One connection, spoken to byte by byte."""

    socket: socket.socket
    _left: bytes = field(default=b"")

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def read(self) -> Answered:
        """Read one answer with a content length, or until the end."""
        while b"\r\n\r\n" not in self._left:
            self._more()
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        line, *lines = head.split(b"\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(b": ") for line in lines)}
        length = int(headers.get(b"content-length", b"0"))
        while len(self._left) < length:
            self._more()
        body, self._left = self._left[:length], self._left[length:]
        return Answered(line, headers, body)

    def is_closed(self) -> bool:
        """Wait for the other side to close; anything it still says is an error."""
        try:
            return self.socket.recv(1000) == b""
        except ConnectionResetError:
            return True

    def _more(self) -> None:
        data = self.socket.recv(65536)
        if not data:
            raise EOFError(self._left)
        self._left += data


@dataclass
class Served:
    port: int
    app: Any = None
    server: uvicorn.Server | None = None
    thread: threading.Thread | None = None

    def stop(self) -> None:
        """Stop the server, so that what it kept in memory is written."""
        if self.server is not None and self.thread is not None:
            self.server.should_exit = True
            self.thread.join(10)

    @contextmanager
    def connect(self, *, buffer: int | None = None) -> Iterator[Raw]:
        with socket.socket() as made:
            if buffer:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
            made.settimeout(10)
            made.connect(("127.0.0.1", self.port))
            yield Raw(made)

    def ask(self, data: bytes) -> Answered:
        with self.connect() as raw:
            raw.send(data)
            return raw.read()


@contextmanager
def serving(
    app: App, timeout_keep_alive: int = 30, lifespan: Literal["on", "off"] = "off"
) -> Iterator[Served]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(100)
        config = uvicorn.Config(
            app,
            http=Protocol,
            loop="uvloop",
            lifespan=lifespan,
            ws="none",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            log_config=None,
            timeout_graceful_shutdown=1,
            timeout_keep_alive=timeout_keep_alive,
        )
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, args=([listener],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        served = Served(listener.getsockname()[1], app, server, thread)
        yield served
        served.stop()
