"""Which plane answers what."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import pytest
from django.db import transaction
from tests.web.asgi_client import ask

from keyhouse.audit.sealing import find_head, seal
from keyhouse.audit.services import record
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.web import metrics
from keyhouse.web.asgi import Application, Lifespan, port_of
from keyhouse.web.asgi_types import Message, Receive, Scope, Send, answer


class Plane:
    """A plane that says its name and who the client is."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.life: list[str] = []

    def owns(self, path: str) -> bool:
        return path.startswith("/simple/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send, 200, f"{self.name} {scope['client'][0]}".encode())

    async def startup(self) -> None:
        self.life.append("started")

    async def shutdown(self) -> None:
        self.life.append("stopped")


def application(**environment: str) -> Application:
    settings = configuration.read(environment)
    return Application(settings, Plane("pages"), Plane("index"), Plane("upload"))


@pytest.mark.parametrize(
    ("method", "path", "plane"),
    [
        ("GET", "/simple/", b"index"),
        ("DELETE", "/simple/x/", b"index"),
        ("POST", "/legacy/", b"upload"),
        ("GET", "/", b"pages"),
        ("POST", "/account/sign-in/", b"pages"),
        ("GET", "/legacy/x", b"pages"),
        ("GET", "/health/", b"pages"),
        ("GET", "/%2e%2e/simple/", b"pages"),
    ],
)
def test_each_path_has_its_plane(method: str, path: str, plane: bytes) -> None:
    assert ask(application(), method, path).body.split()[0] == plane


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/legacy/", "POST"),
        ("PUT", "/legacy/", "POST"),
        ("OPTIONS", "/legacy/", "POST"),
        ("POST", "/health/live", "GET"),
        ("POST", "/metrics", "GET"),
    ],
)
def test_other_methods_are_refused(method: str, path: str, allowed: str) -> None:
    found = ask(application(), method, path)
    assert (found.status, found.headers["allow"]) == (405, allowed)
    assert found.body.startswith(b"method-not-allowed: ")


def test_an_upload_without_the_slash_is_sent_to_it() -> None:
    found = ask(application(), "POST", "/legacy", parts=[b"x", b"y"])
    assert (found.status, found.headers["location"], found.parts_taken) == (308, "/legacy/", 0)


def test_forwarding_headers_are_believed_from_trusted_proxies_only() -> None:
    trusting = application(KEYHOUSE_TRUSTED_PROXIES="10.0.0.0/8")
    forwarded = {"X-Forwarded-For": "198.51.100.9, 203.0.113.5, 10.1.1.1"}
    assert ask(trusting, "GET", "/", headers=forwarded, client="10.0.0.1").body == b"pages 203.0.113.5"
    assert ask(trusting, "GET", "/simple/", headers=forwarded, client="10.0.0.1").body == b"index 203.0.113.5"
    assert (
        ask(trusting, "POST", "/legacy/", headers=forwarded, client="10.0.0.1").body == b"upload 203.0.113.5"
    )
    assert ask(trusting, "GET", "/", headers=forwarded, client="192.0.2.1").body == b"pages 192.0.2.1"
    assert ask(application(), "GET", "/", headers=forwarded, client="10.0.0.1").body == b"pages 10.0.0.1"


def test_measurements_are_not_there_for_the_public() -> None:
    assert ask(application(), "GET", "/metrics").status == 404
    basic = {"Authorization": "Basic " + base64.b64encode(b"x:y").decode()}
    assert ask(application(), "GET", "/metrics", headers={"Authorization": "Bearer "}).status == 404
    tokened = application(KEYHOUSE_METRICS_TOKEN="s3cret-of-monitoring")
    for headers in ({}, basic, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer \u00e9"}):
        assert ask(tokened, "GET", "/metrics", headers=headers).status == 404


@pytest.mark.django_db(transaction=True)
def test_measurements_are_there_for_who_has_the_token() -> None:
    tokened = application(KEYHOUSE_METRICS_TOKEN="s3cret-of-monitoring")
    found = ask(tokened, "GET", "/metrics", headers={"Authorization": "Bearer s3cret-of-monitoring"})
    assert found.status == 200
    assert b"# TYPE keyhouse_requests_total counter" in found.body
    assert b"keyhouse_audit_chained 0.0" in found.body
    assert b"keyhouse_audit_waiting 0.0" in found.body
    assert b"keyhouse_audit_head 0.0" in found.body


@pytest.mark.django_db(transaction=True)
def test_whoever_collects_measurements_keeps_what_the_audit_log_commits_to() -> None:
    with transaction.atomic():
        record("host.command", by=host(), details={"command": "test"})
    seal(clock.now())
    tokened = application(KEYHOUSE_METRICS_TOKEN="s3cret-of-monitoring")
    found = ask(tokened, "GET", "/metrics", headers={"Authorization": "Bearer s3cret-of-monitoring"}).body
    lines = [line.partition(" ") for line in found.decode().splitlines()]
    told = {name: float(value) for name, _, value in lines if name.startswith("keyhouse_audit_")}
    head = find_head()
    assert head is not None
    assert told == {
        "keyhouse_audit_chained": 1,
        "keyhouse_audit_waiting": 0,
        "keyhouse_audit_head": int(head.chain[:12], 16),
    }


@pytest.mark.django_db(transaction=True)
def test_the_private_port_serves_measurements_and_nothing_else() -> None:
    app = application(KEYHOUSE_METRICS_LISTEN="127.0.0.1:9464")
    private = ("127.0.0.1", 9464)
    assert ask(app, "GET", "/metrics", server=private).status == 200
    assert ask(app, "GET", "/", server=private).status == 404
    assert ask(app, "POST", "/legacy/", server=private).status == 404
    assert ask(app, "GET", "/metrics").status == 404
    assert port_of("") == 0


@pytest.mark.django_db(transaction=True)
def test_reads_are_handed_over_to_the_counters() -> None:
    metrics.reads[304] += 5
    app = application(KEYHOUSE_METRICS_LISTEN="127.0.0.1:9464")
    found = ask(app, "GET", "/metrics", server=("127.0.0.1", 9464))
    assert b'keyhouse_requests_total{plane="index",status="304"}' in found.body
    assert not metrics.reads


def test_other_protocols_are_closed() -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    asyncio.run(application()({"type": "websocket", "path": "/"}, receive, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


def test_the_planes_are_started_and_stopped_with_the_server() -> None:
    index: Any = Plane("index")
    upload: Any = Plane("upload")
    events = iter(({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}))
    sent: list[str] = []

    async def receive() -> Message:
        return dict(next(events))

    async def send(message: Message) -> None:
        sent.append(message["type"])

    asyncio.run(Lifespan(index, upload).follow(receive, send))
    assert index.life == upload.life == ["started", "stopped"]
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
