"""Asking another index through a proxy, as the environment names it."""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tests.oidc_issuer import make_certificate
from tests.publishing.importing.site import Site, send

from keyhouse.core.errors import Refusal
from keyhouse.publishing.importing.client import Client, Patience
from keyhouse.publishing.importing.proxies import Proxy, proxy_for

QUICK = Patience(silence=2, page_seconds=4, tries=1, pause=0.0)
GRANTED = "Basic " + base64.b64encode(b"mara:s cret").decode()


@dataclass
class Passing:
    """A proxy that passes on what it is asked for with the right password, and notes what that was."""

    port: int
    asked: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)  # the whole of every head that came


@pytest.fixture
def passing() -> Iterator[Passing]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def is_known(self) -> bool:
            proxy.asked.append(f"{self.command} {self.path}")
            proxy.told.append(str(self.headers))
            if self.headers.get("Proxy-Authorization") == GRANTED:
                return True
            send(self, 407, {"Content-Length": "0"})
            return False

        def do_GET(self) -> None:
            if self.is_known():
                host = urlsplit(self.path).netloc
                send(self, 200, {"Content-Length": str(len(host))}, host.encode())

        def do_CONNECT(self) -> None:
            if not self.is_known():
                return
            host, _, port = self.path.rpartition(":")
            with socket.create_connection((host, int(port))) as there:
                self.wfile.write(b"HTTP/1.1 200 OK\r\n\r\n")
                _pass_on(self.connection, there)
            self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    proxy = Passing(server.server_address[1])
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    yield proxy
    server.shutdown()
    server.server_close()


def _pass_on(here: socket.socket, there: socket.socket) -> None:
    while True:
        for one in select.select([here, there], [], [])[0]:
            piece = one.recv(65536)
            if not piece:
                return
            (there if one is here else here).sendall(piece)


def page_of(client: Client, path: str = "/simple/") -> bytes | None:
    page = client.page(client.base + path, "*/*")
    client.forget()
    return page.body if page else None


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, passing: Passing) -> pytest.MonkeyPatch:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HTTP_PROXY", f"http://mara:s%20cret@127.0.0.1:{passing.port}")
    monkeypatch.setenv("HTTPS_PROXY", f"http://mara:s%20cret@127.0.0.1:{passing.port}")
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_a_page_is_asked_of_the_proxy_by_its_whole_address(passing: Passing) -> None:
    client = Client("http://ada:hers@packages.example:8080", patience=QUICK)
    assert page_of(client) == b"packages.example:8080"
    assert passing.asked == ["GET http://packages.example:8080/simple/"]
    assert "Host: packages.example:8080" in passing.told[0]


@pytest.mark.usefixtures("environment")
def test_an_https_source_is_asked_through_a_tunnel_that_shows_nothing(
    passing: Passing, site: Site, tmp_path: Path
) -> None:
    site.page("/simple/", "here")
    certificate, key = make_certificate(tmp_path)
    with tls_before(site, certificate, key) as port:
        client = Client(f"https://ada:hers@localhost:{port}", ca_file=certificate, patience=QUICK)
        assert page_of(client) == b"here"
    assert passing.asked == [f"CONNECT localhost:{port}"]
    hers = base64.b64encode(b"ada:hers").decode()
    assert hers not in passing.told[0]
    assert site.asked == [("/simple/", f"Basic {hers}")]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_refuses_us_is_told_without_its_password(
    environment: pytest.MonkeyPatch, passing: Passing, scheme: str
) -> None:
    environment.setenv(f"{scheme.upper()}_PROXY", f"http://mara:wrong@127.0.0.1:{passing.port}")
    with pytest.raises(Refusal) as refusal:
        page_of(Client(f"{scheme}://packages.example", patience=QUICK))
    assert refusal.value.code == "source-unanswered"
    assert "407" in refusal.value.line
    assert "wrong" not in refusal.value.line


def test_hosts_of_no_proxy_are_asked_directly(
    environment: pytest.MonkeyPatch, passing: Passing, site: Site
) -> None:
    site.page("/simple/", "here")
    environment.setenv("NO_PROXY", "127.0.0.1,.internal")
    assert page_of(Client(site.url, patience=QUICK)) == b"here"
    assert passing.asked == []
    assert proxy_for("https", "devpi.internal", 443) is None
    assert proxy_for("https", "packages.example", 443) is not None


def test_one_proxy_for_all(environment: pytest.MonkeyPatch) -> None:
    environment.delenv("HTTP_PROXY")
    environment.delenv("HTTPS_PROXY")
    assert proxy_for("http", "packages.example", 80) is None
    environment.setenv("all_proxy", "proxy.example:3128")
    assert proxy_for("http", "packages.example", 80) == Proxy("proxy.example", 3128)
    assert proxy_for("https", "packages.example", 443) == Proxy("proxy.example", 3128)


@pytest.mark.parametrize(
    "address", ["socks5://127.0.0.1:1", "https://proxy.example", "http://", "http://[::1", "http://proxy:0x1"]
)
def test_a_proxy_of_another_kind_is_never_passed_by(
    environment: pytest.MonkeyPatch, site: Site, address: str
) -> None:
    environment.setenv("HTTP_PROXY", address)
    with pytest.raises(Refusal) as refusal:
        page_of(Client(site.url, patience=QUICK))
    assert refusal.value.code == "source-unanswered"
    assert "http://proxy.example:3128" in refusal.value.line
    assert site.asked == []


class tls_before:  # noqa: N801 - used as a function is
    """Put TLS before a site; gives the port."""

    def __init__(self, site: Site, certificate: Path, key: Path) -> None:
        self._port = urlsplit(site.url).port or 0
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(certificate, key)
        self._listening = socket.create_server(("127.0.0.1", 0))

    def __enter__(self) -> int:
        threading.Thread(target=self._serve, daemon=True).start()
        return int(self._listening.getsockname()[1])

    def __exit__(self, *_: object) -> None:
        self._listening.close()

    def _serve(self) -> None:
        here, _ = self._listening.accept()
        with (
            self._context.wrap_socket(here, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", self._port)) as there,
        ):
            _pass_on(inside, there)
