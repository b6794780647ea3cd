"""A CDN for tests, as far as it is told what to forget: it writes down what it is handed, and can be in a bad mood."""

from __future__ import annotations

import json
import ssl
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self


@dataclass
class Cdn:
    """Listens on this machine, by TLS where there is a certificate. `status` is what it answers, `seconds` how late, `member`
    where the keys are.
    """

    certificate: tuple[Path, Path] | None = None
    status: int = 200
    seconds: float = 0.0
    member: str = "surrogate_keys"
    told: list[list[str]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        cdn = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                assert list(body) == [cdn.member]
                cdn.paths.append(self.path)
                cdn.headers.append(dict(self.headers.items()))
                cdn.told.append(body[cdn.member])
                time.sleep(cdn.seconds)
                self.send_response(cdn.status)
                self.send_header("Location", cdn.url)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
                del format, args

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self.certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*self.certificate)
            self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self.certificate else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._server.server_port}/purge?zone=1"

    def all_keys(self) -> set[str]:
        return {key for keys in self.told for key in keys}

    def wait_for(self, key: str, seconds: float = 30.0) -> None:
        until = time.monotonic() + seconds
        while key not in self.all_keys():
            assert time.monotonic() < until, f"nobody tells of {key}, only of {self.all_keys()}"
            time.sleep(0.02)
