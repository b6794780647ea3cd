"""The front before Django: nothing slow, large or ambiguous takes a thread."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from tests.web.asgi_client import NEVER, Answer, ask

from keyhouse.core import configuration
from keyhouse.web import control_plane
from keyhouse.web.asgi_types import Message
from keyhouse.web.control_plane import ControlPlane


class Echo:
    """A WSGI application that says what it got."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def __call__(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        self.seen.append(environ)
        body: bytes = environ["wsgi.input"].read()
        start("200 OK", [("Content-Type", "text/plain")])
        return [b"%d" % len(body)]


@pytest.fixture
def echo() -> Echo:
    return Echo()


def plane(app: Any, base_url: str = "https://index.example.org") -> ControlPlane:
    settings = configuration.read({"KEYHOUSE_BASE_URL": base_url})
    return ControlPlane(app, settings)


def test_a_form_reaches_django_whole(echo: Echo) -> None:
    found = ask(plane(echo), "POST", "/account/sign-in/", parts=[b"a=1&", b"b=", b"2"])
    assert (found.status, found.body) == (200, b"7")


def test_a_form_as_large_as_allowed_passes_and_a_larger_one_does_not(echo: Echo) -> None:
    assert ask(plane(echo), "POST", "/", parts=[bytes([97]) * 2**20]).status == 200
    found = ask(plane(echo), "POST", "/", parts=[bytes([97]) * 2**20, b"b"])
    assert (found.status, found.body.splitlines()[0][:10]) == (413, b"too-large:")
    assert len(echo.seen) == 1


def test_a_body_announced_too_large_is_not_received(echo: Echo) -> None:
    found = ask(plane(echo), "POST", "/", parts=[b"x"], headers={"Content-Length": "1048577"})
    assert (found.status, found.parts_taken) == (413, 0)
    assert found.headers["connection"] == "close"


def test_a_body_that_stalls_is_refused_without_taking_a_thread(
    echo: Echo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(control_plane, "BODY_SECONDS", 0.05)
    assert ask(plane(echo), "POST", "/", parts=[b"a", NEVER]).status == 408
    assert echo.seen == []


def test_a_client_that_goes_away_is_not_answered(echo: Echo) -> None:
    assert ask(plane(echo), "POST", "/", parts=[b"a", None]).status == 0
    assert echo.seen == []


@pytest.mark.parametrize(
    ("target", "headers", "body"),
    [
        ("/?q=%00", {}, b""),
        ("/\0", {}, b""),
        ("/?q=\u00e9", {}, b""),
        ("/", {"X_Forwarded_For": "10.0.0.1"}, b""),
        ("/", {"Content-Length": "abc"}, b""),
        ("/", {"Content-Length": "5"}, b"ab"),
        ("/", {}, b"name=a%00b"),
        ("/", {}, b"name=a\0b"),
    ],
)
def test_what_would_have_to_be_guessed_at_is_refused(
    echo: Echo, target: str, headers: dict[str, str], body: bytes
) -> None:
    found = ask(plane(echo), "POST", target, parts=[body], headers=headers)
    assert found.status == 400
    assert found.body.startswith(b"request-malformed: ")
    assert echo.seen == []


def test_more_waiting_than_can_be_served_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control_plane, "MOST_WAITING", 1)
    begun, over = threading.Event(), threading.Event()

    def slow(environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        begun.set()
        over.wait(10)
        return Echo()(environ, start)

    app = plane(slow)
    found: list[Answer] = []
    first = threading.Thread(target=lambda: found.append(ask(app, "GET", "/")))
    first.start()
    assert begun.wait(5)
    second = ask(app, "GET", "/")
    over.set()
    first.join(10)
    assert (second.status, second.headers["retry-after"]) == (503, "2")
    assert found[0].status == 200
    assert ask(app, "GET", "/").status == 200


class Hashing:
    """A WSGI application whose sign-ins last until they are let go."""

    def __init__(self) -> None:
        self.over = threading.Event()
        self.begun = threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start: Callable[..., object]) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "POST":
            self.begun.release()
            assert self.over.wait(20)
        return Echo()(environ, start)


def post_in_threads(app: ControlPlane, paths: Iterable[str]) -> tuple[list[threading.Thread], list[Answer]]:
    found: list[Answer] = []
    threads = [
        threading.Thread(target=lambda path=path: found.append(ask(app, "POST", path))) for path in paths
    ]
    for thread in threads:
        thread.start()
    return threads, found


HASHING_DOORS = (
    "/account/sign-in/",
    "/account/password/",
    "/account/step-up/",
    "/account/step-up/recovery-code/",
    "/account/second-factor/recovery-code/",
    "/account/recovery-codes/new/",
    "/setup/x/account/",
    "/setup/x/recovery-codes/",
    "/invitation/x/account/",
    "/enrolment/x/recovery-codes/",
)


def test_sign_ins_that_wait_hold_no_thread_of_the_pages() -> None:
    """Also those that come by other doors at which something is hashed, and more of them than all threads there are."""
    hashing = Hashing()
    app = plane(hashing)
    threads, found = post_in_threads(app, HASHING_DOORS * 3)
    for _ in range(control_plane.HASHING_THREADS):
        assert hashing.begun.acquire(timeout=10)
    assert [ask(app, "GET", "/account/sign-in/").status for _ in range(20)] == [200] * 20
    assert not hashing.begun.acquire(timeout=0.1)
    hashing.over.set()
    for thread in threads:
        thread.join(20)
    assert [one.status for one in found] == [200] * len(HASHING_DOORS) * 3


@pytest.mark.parametrize("accept", ["text/html", "application/json"])
def test_more_sign_ins_than_may_wait_are_told_to_come_back(
    monkeypatch: pytest.MonkeyPatch, accept: str
) -> None:
    monkeypatch.setattr(control_plane, "MOST_WAITING", 1)
    hashing = Hashing()
    app = plane(hashing)
    threads, _ = post_in_threads(app, ["/account/sign-in/"])
    assert hashing.begun.acquire(timeout=10)
    found = ask(app, "POST", "/account/sign-in/", headers={"Accept": accept})
    assert (found.status, found.headers["retry-after"]) == (503, "5")
    assert b"passwords-busy" in found.body
    assert ask(app, "GET", "/account/sign-in/").status == 200
    hashing.over.set()
    threads[0].join(10)
    assert ask(app, "POST", "/account/sign-in/").status == 200


def test_ten_slow_forms_do_not_stop_a_page(echo: Echo) -> None:
    app = plane(echo)

    async def all_at_once() -> float:
        async def never() -> Message:
            await asyncio.sleep(60)
            raise AssertionError

        async def once() -> Message:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def swallow(message: Message) -> None:
            pass

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/",
            "raw_path": b"/",
            "query_string": b"",
            "headers": [],
        }
        scope |= {"client": ("192.0.2.1", 1), "server": ("x", 1), "http_version": "1.1", "scheme": "http"}
        slow = [asyncio.create_task(app(dict(scope), never, swallow)) for _ in range(50)]
        await asyncio.sleep(0)
        began = time.monotonic()
        await app({**scope, "method": "GET"}, once, swallow)
        for task in slow:
            task.cancel()
        return time.monotonic() - began

    assert asyncio.run(all_at_once()) < control_plane.BODY_SECONDS
    assert len(echo.seen) == 1


@pytest.mark.parametrize("host", ["127.0.0.1:8400", "127.0.0.1", "[::1]:8400", "[::1]"])
def test_people_on_an_address_are_sent_to_localhost(echo: Echo, host: str) -> None:
    app = plane(echo, "http://localhost:8400")
    found = ask(app, "GET", "/account/?next=%2F", headers={"Host": host})
    assert (found.status, found.headers["location"]) == (307, "http://localhost:8400/account/?next=%2F")


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        ("POST", "/account/sign-in/", {}),
        ("GET", "/_/oidc/audience", {}),
        ("GET", "/.well-known/pytp", {}),
        ("GET", "/static/keyhouse.css", {}),
        ("GET", "/mandate/check", {"Authorization": "Basic eA=="}),
        ("GET", "/account/", {"Host": "localhost:8400"}),
        ("GET", "/account/", {"Host": "127.0.0.1.example.org"}),
    ],
)
def test_programs_and_forms_stay_where_they_are(
    echo: Echo, method: str, path: str, headers: dict[str, str]
) -> None:
    app = plane(echo, "http://localhost:8400")
    assert ask(app, method, path, headers={"Host": "127.0.0.1:8400", **headers}).status == 200


def test_where_the_site_has_a_name_of_its_own_nobody_is_sent_to_localhost(echo: Echo) -> None:
    assert ask(plane(echo), "GET", "/", headers={"Host": "127.0.0.1:8400"}).status == 200
