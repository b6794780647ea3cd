"""The protocol over real connections."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections.abc import Iterator

import pytest
from tests.web.served import Raw, Served, serving

from keyhouse.web import metrics, server
from keyhouse.web.asgi_types import Message, Receive, Scope, Send, answer

GET = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer by what the path says."""
    match scope["path"]:
        case "/reason":
            await send({"type": "http.response.start", "status": 400, "headers": [], "reason": REASON})
            await send({"type": "http.response.body", "body": b"no\n"})
        case "/early":
            await answer(send, 403, b"refused before the body\n")
        case "/body":
            await answer(send, 200, b"%d bytes" % len(await read(receive)))
        case "/headers":
            await read(receive)
            await answer(send, 200, b" ".join(name for name, _ in scope["headers"]))
        case "/big":
            await answer(send, 200, bytes(32 * 2**20))
        case "/unmeasured" | "/injected" | "/short" | "/long" | "/unchanged" | "/closing":
            await start_oddly(scope["path"], send)
        case "/wait":
            started.set()
            await asyncio.sleep(0.3)
            await answer(send, 200, b"waited")
        case _:
            await answer(send, 200, scope["path"].encode())


async def start_oddly(path: str, send: Send) -> None:
    """Answer in ways that test the framing."""
    status, headers, parts = ODD_ANSWERS[path]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    for part in parts:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


ODD_ANSWERS: dict[str, tuple[int, list[tuple[bytes, bytes]], list[bytes]]] = {
    "/unmeasured": (200, [], [b"some", b"", b"thing"]),
    "/injected": (200, [(b"x-name", b"value\r\nset-cookie: a=b")], []),
    "/short": (200, [(b"content-length", b"5")], [b"abc"]),
    "/long": (200, [(b"content-length", b"1")], [b"abc"]),
    "/unchanged": (304, [], []),
    "/closing": (200, [(b"content-length", b"0"), (b"connection", b"close")], []),
}
REASON = b"file-exists: File already exists."
started = threading.Event()
seen_end: list[str] = []


async def read(receive: Receive) -> bytes:
    body: bytes = b""
    while True:
        message: Message = await receive()
        if message["type"] == "http.disconnect":
            seen_end.append("disconnect")
            return body
        body += bytes(message["body"])
        if not message["more_body"]:
            return body


@pytest.fixture(scope="module")
def edge() -> Iterator[Served]:
    with serving(echo) as served:
        yield served


def test_the_application_gives_the_reason_phrase(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(b"GET /reason HTTP/1.1\r\nHost: x\r\n\r\n" + GET)
        assert raw.socket.recv(100).startswith(b"HTTP/1.1 400 file-exists: File already exists.\r\n")


def test_a_reason_phrase_can_neither_be_long_nor_end_the_line(
    edge: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "REASON", b"bad\r\nSet-Cookie: a=b \xc3\xa9 " + b"x" * 500)
    with edge.connect() as raw:
        raw.send(b"GET /reason HTTP/1.1\r\nHost: x\r\n\r\n")
        line, _, rest = raw.socket.recv(1000).partition(b"\r\n")
        assert line.startswith(b"HTTP/1.1 400 bad??Set-Cookie: a=b ?? xxx")
        assert len(line) == len(b"HTTP/1.1 400 ") + 200
        assert b"cookie" not in rest.lower()


def test_requests_on_one_connection_are_answered_in_order(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n" + GET + b"GET /third HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [raw.read().body for _ in range(3)] == [b"waited", b"/", b"/third"]


def test_a_large_header_is_refused(edge: Served) -> None:
    found = edge.ask(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 70_000 + b"\r\n\r\n")
    assert (found.status, found.headers[b"connection"]) == (431, b"close")
    many = b"".join(b"X-%d: y\r\n" % number for number in range(9000))
    assert edge.ask(b"GET / HTTP/1.1\r\nHost: x\r\n" + many + b"\r\n").status == 431


def test_a_header_that_never_ends_is_refused_while_it_comes(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 66_000)
        assert raw.read().status == 431


def test_a_long_address_is_refused(edge: Served) -> None:
    assert edge.ask(b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n").status == 414
    with edge.connect() as raw:
        raw.send(b"GET /" + b"a" * 100_000)
        assert raw.read().status == 414


def test_a_header_under_the_bound_passes(edge: Served) -> None:
    assert edge.ask(b"GET / HTTP/1.1\r\nHost: x\r\nA: " + b"a" * 60_000 + b"\r\n\r\n").status == 200


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 3\r\nContent-Length: 4\r\n",
        b"Content-Length: abc\r\n",
        b"Content-Length: -1\r\n",
        b"Content-Length: +3\r\n",
        b"Transfer-Encoding: chunked, gzip\r\n",
        b"Transfer-Encoding: xchunked\r\n",
        b"Bad Name: x\r\n",
        b"Name : x\r\n",
        b"A: x\r\n folded\r\n",
        b"A: nul\x00\r\n",
    ],
)
def test_a_header_block_that_can_be_read_in_two_ways_is_refused(edge: Served, head: bytes) -> None:
    found = edge.ask(b"POST /body HTTP/1.1\r\nHost: x\r\n" + head + b"\r\nabc")
    assert found.status == 400
    assert found.body.startswith(b"request-malformed: ")


@pytest.mark.parametrize(
    "line",
    [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc", b"GET / HTTP/9.9\r\n\r\n", b"GET \r\n\r\n"],
)
def test_what_is_no_request_is_refused(edge: Served, line: bytes) -> None:
    assert edge.ask(line).status == 400


CHUNKED = b"POST /body HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


@pytest.mark.parametrize("chunk", [b"-5\r\n", b"0x5\r\n", b"5\n", b"f" * 20 + b"\r\n", b"5\r\nhelloX"])
def test_a_body_that_cannot_be_read_is_refused_with_a_reason(edge: Served, chunk: bytes) -> None:
    with edge.connect() as raw:
        raw.send(CHUNKED + chunk)
        found = raw.read()
        assert found.status == 400
        assert found.body.startswith(b"request-malformed: ")
        assert raw.is_closed()


@pytest.mark.parametrize("begin", [b"", b"A: "])
def test_trailers_without_an_end_are_refused_while_they_come(edge: Served, begin: bytes) -> None:
    piece = b"a" * 1000 if begin else b"A: " + b"a" * 995 + b"\r\n"
    with edge.connect() as raw:
        raw.send(CHUNKED + b"0\r\n" + begin)
        raw.send(piece * 600)  # more than the server reads at once
        assert raw.read().status == 431


def test_a_body_of_small_chunks_has_no_such_bound(edge: Served) -> None:
    count = server.HEAD_LIMIT
    with edge.connect() as raw:
        raw.send(CHUNKED + b"1\r\na\r\n" * count + b"0\r\nA: b\r\n\r\n")
        assert raw.read().body == b"%d bytes" % (count + 5)


def test_trailers_are_no_headers(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(CHUNKED.replace(b"/body", b"/headers") + b"0\r\nA_B: c\r\nCookie: d=e\r\n\r\n")
        assert raw.read().body == b"host transfer-encoding"


def test_a_refusal_never_lands_in_the_middle_of_another_answer(edge: Served) -> None:
    with edge.connect() as raw:
        started.clear()
        raw.send(b"GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
        assert started.wait(5)
        raw.send(b"GARBAGE\r\n\r\n")
        assert raw.is_closed()


def test_an_early_answer_reaches_a_client_that_sends_everything_first(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(b"POST /early HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n")
        for _ in range(50):
            raw.send(bytes(1_000_000))
        found = raw.read()
        assert (found.status, found.body) == (403, b"refused before the body\n")
        assert found.headers[b"connection"] == b"close"
        assert raw.is_closed()


def test_a_client_that_waits_for_100_continue_is_not_asked_for_the_body(edge: Served) -> None:
    with edge.connect() as raw:
        head = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        raw.send(b"POST /early" + head)
        assert raw.read().status == 403
    with edge.connect() as raw:
        raw.send(b"POST /body" + head)
        assert raw.read().status == 100
        raw.send(b"hello")
        assert raw.read().body == b"5 bytes"


def test_a_connection_that_says_nothing_is_closed(monkeypatch: pytest.MonkeyPatch, edge: Served) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.2)
    with edge.connect() as raw:
        assert raw.is_closed()
    with edge.connect() as raw:
        raw.send(b"\r\n\r\n")
        assert raw.is_closed()


def test_a_header_that_trickles_is_refused(monkeypatch: pytest.MonkeyPatch, edge: Served) -> None:
    monkeypatch.setattr(server, "HEAD_SECONDS", 0.3)
    with edge.connect() as raw:
        for piece in (b"GET / HT", b"TP/1.1\r\n", b"Host: x\r\n"):
            raw.send(piece)
        assert raw.read().status == 408
        assert raw.is_closed()


def test_a_body_that_stops_coming_ends_the_request(monkeypatch: pytest.MonkeyPatch, edge: Served) -> None:
    monkeypatch.setattr(server, "BODY_IDLE_SECONDS", 0.2)
    seen_end.clear()
    with edge.connect() as raw:
        raw.send(b"POST /body HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab")
        assert raw.is_closed()
    assert seen_end == ["disconnect"]


def test_a_reader_that_stops_reading_is_given_up(monkeypatch: pytest.MonkeyPatch, edge: Served) -> None:
    monkeypatch.setattr(server, "STALLED_SECONDS", 0.2)
    with edge.connect(buffer=4096) as raw:
        raw.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
        threading.Event().wait(1.0)
        assert 0 < drained(raw) < 32 * 2**20


def drained(raw: Raw) -> int:
    """Read until the connection ends, however it does, and return how much came."""
    received = 0
    with contextlib.suppress(ConnectionResetError):
        while data := raw.socket.recv(2**20):
            received += len(data)
    return received


def test_a_client_that_leaves_with_requests_waiting_is_no_defect(
    edge: Served, caplog: pytest.LogCaptureFixture
) -> None:
    before = metrics.reads[200]
    with edge.connect(buffer=1024) as raw:
        raw.send(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n" + GET * 3)
        while metrics.reads[200] == before:
            time.sleep(0.01)
        raw.socket.recv(1)  # the second answer waits for a reader by now
    assert edge.ask(GET).status == 200
    time.sleep(0.2)
    assert not caplog.records


def test_an_offer_of_another_protocol_is_answered_as_http(edge: Served) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    found = edge.ask(head)
    assert (found.status, found.headers[b"connection"]) == (200, b"close")


@pytest.mark.parametrize(
    "path", [b"/%2e%2e/%2e%2e/etc/passwd", b"/%00", b"/%ff%fe", b"//", b"/a%0d%0ab", b"/?" + b"q" * 9000]
)
def test_odd_addresses_reach_the_application_whole(edge: Served, path: bytes) -> None:
    assert edge.ask(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n").status == 200


@pytest.mark.parametrize("target", [b"*", b"x:443", b"http://", b"/\xff\xfe"])
def test_targets_that_are_no_path_are_refused(edge: Served, target: bytes) -> None:
    assert edge.ask(b"OPTIONS " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n").status == 400


def test_an_answer_of_unknown_length_is_sent_in_pieces(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(b"GET /unmeasured HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        head, _, body = everything(raw).partition(b"\r\n\r\n")
    assert b"transfer-encoding: chunked" in head
    assert body == b"4\r\nsome\r\n5\r\nthing\r\n0\r\n\r\n"


def test_an_old_client_gets_it_until_the_connection_ends(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(b"GET /unmeasured HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
        head, _, body = everything(raw).partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert b"connection: close" in head
    assert body == b"something"


def test_the_end_of_a_connection_is_said_once(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(b"GET /closing HTTP/1.1\r\nHost: x\r\n\r\n")
        head, _, rest = everything(raw).partition(b"\r\n\r\n")
    assert head.count(b"connection: close") == 1
    assert rest == b""


def everything(raw: Raw) -> bytes:
    found = b""
    while data := raw.socket.recv(65536):
        found += data
    return found


def test_a_head_asked_for_alone_comes_alone(edge: Served) -> None:
    with edge.connect() as raw:
        raw.send(b"HEAD /abc HTTP/1.1\r\nHost: x\r\n\r\n" + b"GET /unchanged HTTP/1.1\r\nHost: x\r\n\r\n")
        raw.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = everything(raw).split(b"HTTP/1.1 ")
    assert [answer[:3] for answer in answers] == [b"", b"200", b"304", b"200"]
    assert b"content-length: 4\r\n" in answers[1]
    assert answers[1].endswith(b"\r\n\r\n")
    assert b"transfer-encoding" not in answers[2]


def test_a_header_cannot_be_smuggled_into_an_answer(edge: Served) -> None:
    found = edge.ask(b"GET /injected HTTP/1.1\r\nHost: x\r\n\r\n")
    assert found.status == 500
    assert b"set-cookie" not in found.headers


@pytest.mark.parametrize("path", [b"/short", b"/long"])
def test_an_answer_that_is_not_as_long_as_it_says_ends_the_connection(edge: Served, path: bytes) -> None:
    with edge.connect() as raw:
        raw.send(b"GET " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert everything(raw).partition(b"\r\n\r\n")[2] in {b"", b"abc"}


def test_a_connection_without_requests_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(echo, timeout_keep_alive=1) as served, served.connect() as raw:
        for _ in range(3):
            raw.send(GET)
            assert raw.read().status == 200
        assert raw.is_closed()


def test_reads_are_counted(edge: Served) -> None:
    before = metrics.reads[200]
    assert edge.ask(GET).status == 200
    assert metrics.reads[200] == before + 1
