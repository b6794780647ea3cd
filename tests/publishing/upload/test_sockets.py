"""Uploads over real sockets: a refusal reaches clients that send their whole body before they listen."""

from __future__ import annotations

import base64
import contextlib
import http.client
import os
import threading
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
import uvicorn
from tests.distfiles.builders import build_wheel
from tests.publishing.driver import BOUNDARY, TOKEN, build_body, headers_of
from tests.publishing.world import Asked

from keyhouse.core.errors import RoleRequired
from keyhouse.projects.models import File
from keyhouse.publishing.upload.asgi import Upload
from keyhouse.web.server import Protocol

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.usefixtures("wired", "empty_store", "ada"),
]
MANY = 50 * 2**20


@pytest.fixture(params=[Protocol, "httptools"])
def port(request: pytest.FixtureRequest) -> Iterator[int]:
    """Serve uploads by the product's protocol, and by the one that comes with the server."""
    settings = uvicorn.Config(
        Upload(), host="127.0.0.1", port=0, http=request.param, lifespan="off", log_config=None
    )
    server = uvicorn.Server(settings)
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join(20)


def ask(port: int, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    # the answer may be here already; clients in use go on to read it
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        connection.request("POST", "/legacy/", body, headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, text


def test_a_bad_credential_is_told_to_who_sends_fifty_megabytes(port: int) -> None:
    body = build_body(None) + b"x" * MANY
    wrong = "Basic " + base64.b64encode(b"__token__:wrong").decode()
    status, text = ask(port, body, headers_of(body, authorization=wrong))
    assert (status, text.partition(":")[0]) == (403, "credential-invalid")


def test_a_refusal_by_fields_is_told_to_who_sends_fifty_megabytes(port: int, authority: Asked) -> None:
    authority.refusals["project.create"] = RoleRequired()
    head = build_body(None, name="alpha", version="1.0").removesuffix(f"--{BOUNDARY}--\r\n".encode())
    body = head + (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="a.whl"\r\n\r\n'.encode()
        + b"x" * MANY
    )
    status, text = ask(port, body, headers_of(body))
    assert (status, text.partition(":")[0]) == (403, "role-required")


def test_who_waits_for_leave_to_send_sends_nothing(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("POST", "/legacy/")
    for name, value in {"Expect": "100-continue", "Content-Length": str(MANY), "Authorization": "x"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 403
    connection.close()


def test_who_may_send_is_told_to_go_on(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest("POST", "/legacy/")
    for name, value in {"Expect": "100-continue", "Content-Length": "10", "Authorization": TOKEN}.items():
        connection.putheader(name, value)
    connection.putheader("Content-Type", f"multipart/form-data; boundary={BOUNDARY}")
    connection.endheaders()
    assert connection.sock.recv(100).startswith(b"HTTP/1.1 100 Continue")
    connection.close()


def test_memory_stays_flat_whatever_the_size(port: int, tmp_path: Path) -> None:
    path = build_wheel(tmp_path, files={f"{n}.bin": os.urandom(8 * 2**20) for n in range(4)})
    body = build_body(path)
    headers = headers_of(body)
    tracemalloc.start()
    status, _ = ask(port, body, headers)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert status == 200
    assert File.objects.get().size == path.stat().st_size
    assert peak < 12 * 2**20
