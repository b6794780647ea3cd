"""A small index in the database, and a reader that talks ASGI to the read plane."""

from __future__ import annotations

import asyncio
import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from django.db import connection, transaction
from tests.conftest import WIRED

from keyhouse.core import actions, clock, configuration
from keyhouse.index.asgi import ReadPlane
from keyhouse.projects.models import File, Project, Release, Serial
from keyhouse.projects.pages import refresh_pages, remove_pages

Headers = dict[str, str]
Sent = Headers | list[tuple[str, str]]


@dataclass
class Response:
    status: int
    headers: Headers
    body: bytes
    messages: list[dict[str, Any]] = field(default_factory=list)


class Client:
    """Asks a read plane on an event loop of its own."""

    def __init__(self, plane: ReadPlane) -> None:
        self.plane = plane
        self.loop = asyncio.new_event_loop()
        self.loop.run_until_complete(plane.startup())

    def close(self) -> None:
        self.loop.run_until_complete(self.plane.shutdown())
        self.loop.close()

    def ask(self, path: str, headers: Sent | None = None, method: str = "GET", **scope: Any) -> Response:
        return self.loop.run_until_complete(self.request(path, headers, method, **scope))

    def ask_at_once(self, *paths: str) -> list[Response]:
        async def gather() -> list[Response]:
            return await asyncio.gather(*(self.request(path) for path in paths))

        return self.loop.run_until_complete(gather())

    def wait(self, seconds: float = 0.01) -> None:
        self.loop.run_until_complete(asyncio.sleep(seconds))

    def catch_up(self) -> None:
        """Wait until every change made so far was noticed."""
        self.wait(0.002)
        self.ask("/simple")  # any request looks for changes; this one loads nothing
        latest = Serial.objects.values_list("value", flat=True).first() or 0
        while (self.plane._follower._position.serial or 0) < latest:  # type: ignore[attr-defined]  # all have one
            self.wait()
        self.wait()

    def ask_until(self, path: str, condition: Callable[[Response], bool], tries: int = 300) -> Response:
        """Ask again until others' change is noticed."""
        for _ in range(tries):
            response = self.ask(path)
            if condition(response):
                return response
            self.wait()
        raise AssertionError(f"{path} still answers {response.status} {response.body[:200]!r}")

    async def request(
        self, path: str, headers: Sent | None = None, method: str = "GET", **scope: Any
    ) -> Response:
        address, _, query = path.partition("?")
        messages: list[dict[str, Any]] = []
        asked = False
        done = asyncio.Event()

        async def receive() -> dict[str, Any]:
            nonlocal asked
            if asked:
                await done.wait()
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: Any) -> None:
            messages.append(dict(message))

        pairs = headers.items() if isinstance(headers, dict) else headers or []
        full = {
            "type": "http",
            "method": method,
            "path": address,
            "query_string": query.encode(),
            "headers": [(key.lower().encode(), value.encode()) for key, value in pairs],
            "client": ("192.0.2.7", 4711),
            **scope,
        }
        await self.plane(full, receive, send)
        return _response(messages)


def _response(messages: list[dict[str, Any]]) -> Response:
    start, *parts = messages
    assert start["type"] == "http.response.start"
    assert not parts[-1].get("more_body")
    headers = {}
    for name, value in start["headers"]:
        assert name.decode() not in headers, f"{name} twice"
        headers[name.decode()] = value.decode()
    body = b"".join(part.get("body", b"") for part in parts)
    return Response(start["status"], headers, body, messages)


@pytest.fixture
def open_client(transactional_db: None) -> Iterator[Callable[..., Client]]:
    """Start read planes, with settings that differ from the default ones."""
    clients: list[Client] = []

    def start(**settings: Any) -> Client:
        client = Client(ReadPlane(dataclasses.replace(configuration.current(), **settings)))
        clients.append(client)
        return client

    yield start
    for client in clients:
        client.close()


@pytest.fixture
def client(open_client: Callable[..., Client]) -> Client:
    return open_client()


class Index:
    """Writes to the index as its services do."""

    def publish(
        self,
        name: str = "alpha",
        version: str = "1.0",
        *,
        body: bytes | None = None,
        metadata: bytes | None = b"Metadata-Version: 2.1\n",
        **facts: Any,
    ) -> File:
        body = body if body is not None else f"bytes of {name} {version}".encode()
        with transaction.atomic():
            project, is_new = Project.objects.get_or_create(
                normalized_name=name.lower().replace("_", "-"),
                defaults={"name": name, "folded_name": name, "created_at": clock.now()},
            )
            release, _ = Release.objects.get_or_create(
                project=project, version=version, defaults={"created_at": clock.now(), "summary": "A summary"}
            )
            file = self._file(release, body, metadata, facts)
            self._write(file, body, metadata)
            refresh_pages(project, versions=None, touches_listing=is_new)
        return file

    def _file(self, release: Release, body: bytes, metadata: bytes | None, facts: dict[str, Any]) -> File:
        name = release.project.normalized_name.replace("-", "_")
        return File.objects.create(
            **{
                "release": release,
                "project": release.project,
                "filename": f"{name}-{release.version}-py3-none-any.whl",
                "kind": "bdist_wheel",
                "python_tag": "py3",
                "size": len(body),
                "md5": hashlib.md5(body, usedforsecurity=False).hexdigest(),
                "sha256": hashlib.sha256(body).hexdigest(),
                "blake2": hashlib.blake2b(body, digest_size=32).hexdigest(),
                "metadata_sha256": hashlib.sha256(metadata).hexdigest() if metadata else "",
                "uploaded_at": clock.now(),
                **facts,
            }
        )

    def _write(self, file: File, body: bytes, metadata: bytes | None) -> None:
        path = configuration.current().files_folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
        if metadata:
            path.with_name(f"{path.name}.metadata").write_bytes(metadata)

    def change(self, project: Project, **fields: Any) -> None:
        with transaction.atomic():
            Project.objects.filter(pk=project.pk).update(**fields)
            project.refresh_from_db()
            refresh_pages(project, versions=None, touches_listing=True)

    def change_file(self, file: File, **fields: Any) -> None:
        with transaction.atomic():
            File.objects.filter(pk=file.pk).update(**fields)
            refresh_pages(file.project, versions=None)

    def delete_file(self, file: File) -> None:
        with transaction.atomic():
            project = file.project
            file.delete()
            refresh_pages(project, versions=None)

    def delete_project(self, project: Project) -> None:
        with transaction.atomic():
            versions = list(project.releases.values_list("version", flat=True))
            remove_pages(project, versions)
            project.delete()


@pytest.fixture
def index(transactional_db: None) -> Index:
    return Index()


@pytest.fixture
def is_sqlite(transactional_db: None) -> bool:
    return connection.vendor == "sqlite"


@pytest.fixture
def unwired() -> Iterator[None]:
    """Take the wired parts out for one test, and put them back."""
    before = [getattr(actions._wiring, name) for name in WIRED]
    actions.unwire()
    yield
    for name, part in zip(WIRED, before, strict=True):
        setattr(actions._wiring, name, part)
