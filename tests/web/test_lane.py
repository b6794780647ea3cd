"""The fast lane gives what the ordinary way gives, byte for byte, and nothing that it would not."""

from __future__ import annotations

import dataclasses
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.index.conftest import Index
from tests.web.served import Answered, Raw, Served, serving

from keyhouse.core import configuration
from keyhouse.core.configuration import Configuration
from keyhouse.index.answers import FileRow, PageItem
from keyhouse.index.lane import LONGEST_REQUEST, Lane, Sent, Source
from keyhouse.projects.models import DownloadCount, File
from keyhouse.projects.pages import refresh_pages
from keyhouse.web import metrics
from keyhouse.web.asgi import Application
from keyhouse.web.asgi_types import Receive, Scope, Send, answer

pytestmark = pytest.mark.by_turns

Open = Callable[..., Served]
PATH = "/simple/alpha/"


async def elsewhere(scope: Scope, receive: Receive, send: Send) -> None:
    del receive
    await answer(send, 200, b"elsewhere " + scope["path"].encode())


@pytest.fixture
def index(transactional_db: None) -> Index:
    made = Index()
    made.publish("alpha", "1.0")
    return made


@pytest.fixture
def open_server(index: Index) -> Iterator[Open]:
    """Serve the read plane on the real server, with settings that differ from the default ones."""
    with ExitStack() as stack:

        def start(*, timeout_keep_alive: int = 30, **changed: Any) -> Served:
            own: Configuration = dataclasses.replace(configuration.current(), **changed)
            from keyhouse.index.asgi import ReadPlane  # noqa: PLC0415 - each server has its own

            app = Application(own, elsewhere, ReadPlane(own), elsewhere)
            return stack.enter_context(serving(app, timeout_keep_alive, "on"))

        yield start
    connection.close()


def tries() -> Iterator[None]:
    """Go on for as long as a busy machine may need until one of its threads tells another."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        yield
        time.sleep(0.002)


def get(path: str = PATH, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: x", *headers, "", ""]
    return "\r\n".join(lines).encode()


def told(found: Answered) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """Return an answer without the time of day."""
    assert re.fullmatch(rb"\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT", found.headers.pop(b"date"))
    return found.line, found.headers, found.body


def twice(raw: Raw, request: bytes) -> list[tuple[bytes, dict[bytes, bytes], bytes]]:
    answers = []
    for _ in range(2):
        raw.send(request)
        answers.append(told(raw.read()))
    return answers


def known_to(served: Served) -> dict[bytes, Any]:
    lane = served.app._index.lane
    return {} if lane is None else lane._known


def learnt(served: Served, raw: Raw, request: bytes) -> list[tuple[bytes, dict[bytes, bytes], bytes]]:
    """Ask until the lane knows it: what the test made itself may be told of late, and the lane forgets then."""
    answers = []
    for _ in tries():
        answers += twice(raw, request)
        if request in known_to(served):
            return answers
    pytest.fail("the lane never knew it")


REQUESTS = [
    get(),
    get("/simple/"),
    get(PATH, "Accept: application/vnd.pypi.simple.v1+json"),
    get(PATH, "Accept: text/html", "Accept-Encoding: gzip, zstd"),
    get(PATH, "Accept-Encoding: identity", "User-Agent: pip/26.2"),
    get("/pypi/alpha/json"),
    get("/rss/updates.xml"),
    get(PATH, "Connection: keep-alive"),
]


@pytest.mark.parametrize("request_", REQUESTS)
def test_the_second_answer_is_the_first_and_that_of_a_server_without_a_lane(
    open_server: Open, request_: bytes
) -> None:
    with_lane, without = open_server(), open_server(fast_lane="off")
    with without.connect() as raw:
        plain = twice(raw, request_)
    with with_lane.connect() as raw:
        first = learnt(with_lane, raw, request_)
    with with_lane.connect() as raw:  # on a fresh connection, too
        later = twice(raw, request_)
    assert {str(one) for one in (*plain, *first, *later)} == {str(plain[0])}
    assert known_to(without) == {}


def test_a_small_file_goes_by_the_lane_and_is_counted_each_time(open_server: Open) -> None:
    file = File.objects.get()
    served, request = open_server(), get(f"/files/{file.path}", "User-Agent: uv/0.13")
    with served.connect() as raw:
        answers = learnt(served, raw, request) + twice(raw, request)
    assert len({str(one) for one in answers}) == 1
    served.stop()
    assert DownloadCount.objects.get().count == len(answers)


def test_nothing_changed_and_head_are_remembered_as_they_are(open_server: Open) -> None:
    served = open_server()
    with served.connect() as raw:
        etag = twice(raw, get())[0][1][b"etag"].decode()
        unchanged = twice(raw, get(PATH, f"If-None-Match: {etag}"))
        assert unchanged[0] == unchanged[1]
        assert unchanged[0][0].split()[1] == b"304"
    head = get(PATH, method="HEAD")
    with served.connect() as raw:
        raw.send(head)
        raw._more()
        first, raw._left = raw._left, b""
        raw.send(head)
        raw._more()
        without_date = [re.sub(rb"date: [^\r]*", b"", one) for one in (first, raw._left)]
    assert without_date[0] == without_date[1]
    assert without_date[0].endswith(b"\r\n\r\n")


def test_a_new_release_is_seen_at_once(open_server: Open, index: Index) -> None:
    served = open_server()
    with served.connect() as raw:
        assert b"alpha-2.0" not in twice(raw, get())[1][2]
        index.publish("alpha", "2.0")
        for _ in tries():
            raw.send(get())
            if b"alpha-2.0" in raw.read().body:
                break
        else:
            pytest.fail("the new release never came")


def test_a_file_in_quarantine_is_no_longer_sent(open_server: Open, index: Index) -> None:
    served, file = open_server(), File.objects.get()
    request = get(f"/files/{file.path}")
    with served.connect() as raw:
        learnt(served, raw, request)
        with transaction.atomic():
            File.objects.update(is_quarantined=True, quarantine_reason="x")
            refresh_pages(file.project)
        for _ in tries():
            raw.send(request)
            if raw.read().status == 403:
                break
        else:
            pytest.fail("the file is still sent")


NOT_REMEMBERED = [
    get("/simple/nothing-here/"),
    get("/simple/Alpha/"),
    get(PATH + "?format=text/html"),
    get(PATH, "Authorization: Basic eDp5"),
    get(PATH, "Cookie: a=b"),
    get(PATH, "Connection: close"),
    get(PATH, version="1.0"),
    get(PATH, "Expect: 100-continue"),
    get(PATH, "Accept: image/png"),
    get("/health/live"),
    get("/somewhere/else"),
    get(PATH, method="OPTIONS"),
    get(PATH, "X-Long: " + "x" * LONGEST_REQUEST),
    b"GET /simple/alpha/ HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx",
]


@pytest.mark.parametrize("request_", NOT_REMEMBERED, ids=range(len(NOT_REMEMBERED)))
def test_what_is_unusual_goes_the_ordinary_way(open_server: Open, request_: bytes) -> None:
    served = open_server()
    for _ in range(2):
        with served.connect() as raw:
            raw.send(request_)
            raw.read()
    assert known_to(served) == {}


@pytest.mark.parametrize("changed", [{"reads": "private"}, {"trusted_proxies": ("x",)}, {"fast_lane": "off"}])
def test_some_indexes_have_no_lane(index: Index, changed: dict[str, Any]) -> None:
    from keyhouse.index.asgi import ReadPlane  # noqa: PLC0415 - beside the fixtures

    assert ReadPlane(dataclasses.replace(configuration.current(), **changed)).lane is None


def test_requests_in_pieces_or_in_a_row_are_read(open_server: Open) -> None:
    served = open_server()
    with served.connect() as raw:
        first = twice(raw, get())[0]
        raw.send(get() + get())
        assert [told(raw.read()), told(raw.read())] == [first, first]
        for piece in (get()[:20], get()[20:]):
            raw.send(piece)
        assert told(raw.read()) == first


def test_the_port_of_measurements_has_no_lane(open_server: Open) -> None:
    served = open_server()
    with served.connect() as raw:
        twice(raw, get())
    app: Any = served.app
    app._private_port = served.port
    assert app.find_lane(served.port) is None
    with served.connect() as raw:
        raw.send(get())
        assert raw.read().status == 404


def test_reads_by_the_lane_are_counted(open_server: Open) -> None:
    served = open_server()
    with served.connect() as raw:
        twice(raw, get())
        before = metrics.reads[200]
        for _ in range(5):
            raw.send(get())
            raw.read()
    assert metrics.reads[200] == before + 5


def test_an_idle_connection_is_closed_after_the_lane_as_well(open_server: Open) -> None:
    served = open_server(timeout_keep_alive=1)
    with served.connect() as raw:
        twice(raw, get())
        assert raw.is_closed()


HEADERS = st.sampled_from(
    [
        "Accept: */*",
        "Accept: text/html;q=0.5, application/vnd.pypi.simple.v1+json",
        "Accept-Encoding: gzip",
        "accept-encoding:  zstd ",
        "If-None-Match: *",
        'If-None-Match: "x"',
        "Range: bytes=0-3",
        "User-Agent: pip/26.2",
        "X-Odd: \t",
        "Connection: keep-alive",
        "Connection: close",
        "Cookie: a=b",
    ]
)
PATHS = st.sampled_from(
    [PATH, "/simple/", "/simple/alpha", "/simple/ALPHA/", "/pypi/alpha/json", "/simple/%61lpha/", "/"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    requests=st.lists(
        st.tuples(PATHS, st.lists(HEADERS, max_size=4), st.sampled_from(["GET", "GET", "POST"])),
        min_size=1,
        max_size=4,
    )
)
def test_both_ways_answer_alike_whatever_is_asked(
    open_pair: tuple[Served, Served], requests: list[tuple[str, list[str], str]]
) -> None:
    for path, headers, method in (*requests, *requests):
        request = get(path, *headers, method=method)
        with_lane, without = (served.ask(request) for served in open_pair)
        assert told(with_lane) == told(without), request


@pytest.fixture
def open_pair(open_server: Open) -> tuple[Served, Served]:
    return open_server(), open_server(fast_lane="off")


# ---- what is remembered


def sent(number: int, size: int = 10) -> Sent:
    return Sent(b"%d" % number, 200, b"HTTP/1.1 200 OK", b"\r\n", bytes(size))


def test_the_oldest_go_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keyhouse.index.lane.MOST_BYTES", 100)
    item = PageItem(has_forms=False)
    lane = Lane(lambda: None, lambda _: item, lambda *_: None)
    for number in range(20):
        lane.learn(sent(number), Source("/", item, None, b""))
        lane.learn(sent(number), Source("/", item, None, b""))
    assert sum(one.weight for one, _ in lane._known.values()) == lane._weight <= 100
    assert lane.find(b"19", "") is not None
    assert lane.find(b"0", "") is None
    lane.learn(sent(99, 1000), Source("/", item, None, b""))
    assert lane.find(b"99", "") is None


def test_what_came_from_something_else_is_forgotten() -> None:
    held = [PageItem(has_forms=False)]
    lane = Lane(lambda: None, lambda _: held[0], lambda *_: None)
    lane.learn(sent(1), Source("/", held[0], None, b""))
    assert lane.find(b"1", "") is not None
    held[0] = PageItem(has_forms=False)
    assert lane.find(b"1", "") is None
    assert (lane._known, lane._weight) == ({}, 0)


def test_changes_are_looked_for_before_anything_is_given() -> None:
    held: list[PageItem | None] = [PageItem(has_forms=False)]
    lane = Lane(lambda: held.__setitem__(0, None), lambda _: held[0], lambda *_: None)
    lane.learn(sent(1), Source("/", PageItem(has_forms=False), None, b""))
    assert lane.find(b"1", "") is None


def test_downloads_are_counted_by_whom_they_are_for() -> None:
    counted: list[tuple[FileRow, bytes, str]] = []
    item, row = PageItem(has_forms=False), FileRow(1, 1, 1, "alpha", "b", "f", 1, "", None)
    lane = Lane(lambda: None, lambda _: item, lambda *one: counted.append(one))
    lane.learn(sent(1), Source("/", item, row, b"pip"))
    lane.find(b"1", "192.0.2.1")
    assert counted == [(row, b"pip", "192.0.2.1")]
