"""Asking another index: bounded, and only where it was allowed to ask."""

from __future__ import annotations

import base64
import threading
import time
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from tests.publishing.importing.site import Answer, Site, breaking_off, send

from keyhouse.core.errors import Refusal
from keyhouse.publishing.importing.client import Client, Patience
from keyhouse.publishing.importing.errors import SourceEntryInvalid

QUICK = Patience(silence=0.3, page_seconds=0.6, page_bytes=1000, file_seconds=0.6, tries=2, pause=0.0)


def code_of(site: Site, path: str = "/", **options: object) -> str:
    client = Client(site.url, patience=QUICK, **options)  # type: ignore[arg-type]  # as the test names them
    with pytest.raises(Refusal) as refusal:
        client.page(site.url + path, "*/*")
    client.forget()
    return refusal.value.code


def dripping(head: bytes, drop: bytes) -> Answer:
    """Send a piece now and then, for ever: no single read takes long."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(head)
        for _ in range(200):
            handler.wfile.write(drop)
            handler.wfile.flush()
            time.sleep(0.05)

    return answer


def saying(text: bytes) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(text)

    return answer


BAD: dict[str, tuple[Answer, str]] = {
    "silent": (lambda handler: time.sleep(1.5), "source-unanswered"),
    "endless headers": (dripping(b"HTTP/1.1 200 OK\r\n", b"X-A: b\r\n"), "source-unanswered"),
    "slow status": (dripping(b"HTTP", b"/"), "source-unanswered"),
    "slow body": (dripping(b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b"a"), "source-unanswered"),
    "short": (breaking_off, "source-unanswered"),
    "broken chunks": (
        saying(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
        "source-unanswered",
    ),
    "no HTTP": (saying(b"SSH-2.0-OpenSSH\r\n\r\n"), "source-unanswered"),
    "huge": (lambda handler: send(handler, 200, {"Content-Length": "5000"}, b"a" * 5000), "source-page-invalid"),
    "compressed": (
        lambda handler: send(handler, 200, {"Content-Length": "3", "Content-Encoding": "gzip"}, b"abc"),
        "source-page-invalid",
    ),
    "failing": (lambda handler: send(handler, 503, {"Content-Length": "0"}), "source-unanswered"),
    "forbidden": (lambda handler: send(handler, 401, {"Content-Length": "0"}), "source-unanswered"),
    "nowhere": (lambda handler: send(handler, 302, {"Content-Length": "0"}), "source-unanswered"),
    "circle": (lambda handler: send(handler, 302, {"Location": "/", "Content-Length": "0"}), "source-unanswered"),
    "elsewhere": (
        lambda handler: send(handler, 302, {"Location": "http://169.254.169.254/latest", "Content-Length": "0"}),
        "host-not-allowed",
    ),
    "file address": (
        lambda handler: send(handler, 302, {"Location": "file:///etc/passwd", "Content-Length": "0"}),
        "host-not-allowed",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(BAD))
def test_a_bad_answer_is_one_refusal_after_a_bounded_time(name: str, site: Site) -> None:
    answer, code = BAD[name]
    site.answers["/"] = answer
    assert code_of(site) == code


def test_nobody_listens(site: Site) -> None:
    client = Client("http://127.0.0.1:1/", patience=QUICK)
    with pytest.raises(Refusal) as refusal:
        client.page("http://127.0.0.1:1/", "*/*")
    assert refusal.value.code == "source-unanswered"


def test_a_missing_page_is_none_and_a_good_one_keeps_its_connection(site: Site) -> None:
    client = Client(site.url, patience=QUICK)
    site.page("/a", "hello")
    assert client.page(site.url + "/gone", "*/*") is None
    found = [client.page(site.url + "/a", "*/*") for _ in range(3)]
    assert [page and page.body for page in found] == [b"hello"] * 3
    assert b"".join(client.pieces(site.url + "/a", 100)) == b"hello"
    assert len(vars(client._mine)["open"]) == 1


def test_a_failure_that_passes_is_tried_again(site: Site) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        send(handler, 503 if len(site.asked) == 1 else 200, {"Content-Length": "2"}, b"ok")

    site.answers["/"] = answer
    page = Client(site.url, patience=QUICK).page(site.url + "/", "*/*")
    assert page is not None
    assert page.body == b"ok"


def test_whoever_waits_is_woken_when_it_is_stopped(site: Site) -> None:
    begun, ended = threading.Event(), threading.Event()

    def answer(handler: BaseHTTPRequestHandler) -> None:
        begun.set()
        ended.wait(60)

    site.answers["/"] = answer
    client = Client(site.url, patience=Patience(silence=60, page_seconds=60))
    refusals: list[str] = []

    def ask() -> None:
        try:
            client.page(site.url + "/", "*/*")
        except Refusal as refusal:
            refusals.append(refusal.code)

    waiting = threading.Thread(target=ask)
    waiting.start()
    begun.wait(20)
    client.stop()
    waiting.join(20)
    ended.set()
    assert refusals == ["source-unanswered"]
    assert code_of_stopped(client) == "import-stopped"


def code_of_stopped(client: Client) -> str:
    with pytest.raises(Refusal) as refusal:
        client.page(client.base, "*/*")
    return refusal.value.code


def test_a_file_stops_behind_what_may_come(site: Site) -> None:
    site.page("/f", b"a" * 2_000_000)
    assert sum(map(len, Client(site.url).pieces(site.url + "/f", 1000))) < 600_000


def test_the_password_goes_to_the_named_origin_only(
    site: Site, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    port = site.url.rpartition(":")[2]
    site.redirect("/", f"http://localhost:{port}/there")
    site.page("/there", "ok")
    named = site.url.replace("//", "//ada:s%3Acret@")
    client = Client(named, allowed_hosts=["localhost"], patience=QUICK)
    assert client.base == site.url
    client.page(site.url + "/", "*/*")
    proof = "Basic " + base64.b64encode(b"ada:s:cret").decode()
    assert site.asked == [("/", proof), ("/there", "")]
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login bob password pw\n")
    (tmp_path / ".netrc").chmod(0o600)
    Client(site.url, patience=QUICK).page(site.url + "/there", "*/*")
    assert site.asked[-1][1] == "Basic " + base64.b64encode(b"bob:pw").decode()


@pytest.mark.parametrize(
    ("base", "url", "may"),
    [
        ("https://a.example/simple/", "https://a.example/x", True),
        ("https://a.example/simple/", "https://A.EXAMPLE:443/x", True),
        ("https://a.example/simple/", "http://a.example/x", False),
        ("http://a.example/simple/", "https://a.example/x", True),
        ("http://a.example:8080/", "http://a.example/x", False),
        ("https://a.example/", "https://files.example/x", True),
        ("https://a.example/", "http://files.example/x", False),
        ("https://a.example/", "https://files.example.evil/x", False),
        ("https://a.example/", "https://files.example@evil.example/x", False),
        ("https://a.example/", "https://a.example.@evil.example/x", False),
        ("https://a.example/", "https://evil.example\\@a.example/x", False),
        ("https://a.example/", "ftp://a.example/x", False),
        ("https://a.example/", "file:///x", False),
        ("https://a.example/", "https://a.example:99999/x", False),
        ("https://a.example/", "https://[::1/x", False),
        ("https://a.example/", "", False),
        ("https://a.example/", "https://a.example/\r\nX: y", False),
    ],
)
def test_only_the_named_origin_and_allowed_hosts_are_asked(base: str, url: str, may: bool) -> None:
    assert Client(base, allowed_hosts=["Files.example"]).may_ask(url) is may


@pytest.mark.parametrize(
    "base", ["ftp://a.example/", "https://", "http://[", "https://a.example:x/", "gopher://x"]
)
def test_an_address_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(SourceEntryInvalid):
        Client(base)
