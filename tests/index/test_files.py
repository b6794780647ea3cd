from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from keyhouse.core import configuration
from keyhouse.index import sending
from keyhouse.index.sending import CutShortError, send_bytes
from keyhouse.index.store import SMALL

BIG = os.urandom(SMALL * 10 + 17)


@pytest.fixture(params=["small", "big"])
def body(request: Any) -> bytes:
    return BIG if request.param == "big" else b"0123456789"


def test_a_file_is_sent_byte_for_byte(client: Any, index: Any, body: bytes) -> None:
    file = index.publish(body=body)
    for _ in range(2):
        response = client.ask(f"/files/{file.path}")
        assert (response.status, response.body) == (200, body)
    headers = response.headers
    assert headers["cache-control"] == "public, max-age=31536000, immutable"
    assert headers["content-type"] == "application/octet-stream"
    assert headers["content-length"] == str(len(body))
    assert headers["accept-ranges"] == "bytes"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["etag"] == f'"{file.blake2[:32]}"'


def test_a_known_file_is_not_sent_again(client: Any, index: Any, body: bytes) -> None:
    path = f"/files/{index.publish(body=body).path}"
    etag = client.ask(path).headers["etag"]
    for headers in ({"If-None-Match": etag}, {"If-None-Match": f"W/{etag}", "Range": "bytes=0-1"}):
        response = client.ask(path, headers)
        assert (response.status, response.body) == (304, b"")


PARTS = {
    "bytes=0-0": slice(0, 1),
    "bytes=2-5": slice(2, 6),
    "bytes=5-": slice(5, None),
    "bytes=-3": slice(-3, None),
    "bytes=8-999999999": slice(8, None),
}


@pytest.mark.parametrize("wanted", PARTS)
def test_a_part_of_a_file(client: Any, index: Any, body: bytes, wanted: str) -> None:
    path = f"/files/{index.publish(body=body).path}"
    etag = client.ask(path).headers["etag"]
    for headers in ({"Range": wanted}, {"Range": wanted, "If-Range": etag}):
        response = client.ask(path, headers)
        part = body[PARTS[wanted]]
        first, stop, _ = PARTS[wanted].indices(len(body))
        assert (response.status, response.body) == (206, part)
        assert response.headers["content-range"] == f"bytes {first}-{stop - 1}/{len(body)}"
        assert response.headers["content-length"] == str(len(part))
        assert response.headers["etag"] == etag


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=0-1,3-4"},
        {"Range": "nonsense"},
        {"Range": "bytes=5-2"},
        {"Range": "bytes=0-1", "If-Range": '"other"'},
        {"Range": "bytes=0-1", "If-Range": "Sat, 03 Feb 2024 04:05:06 GMT"},
    ],
)
def test_the_whole_file_is_sent_where_a_part_can_not_be(
    client: Any, index: Any, body: bytes, headers: dict[str, str]
) -> None:
    response = client.ask(f"/files/{index.publish(body=body).path}", headers)
    assert (response.status, response.body) == (200, body)
    assert "content-range" not in response.headers


def test_a_range_outside_is_416_with_the_size(client: Any, index: Any, body: bytes) -> None:
    response = client.ask(f"/files/{index.publish(body=body).path}", {"Range": f"bytes={len(body)}-"})
    assert response.status == 416
    assert response.headers["content-range"] == f"bytes */{len(body)}"
    assert response.body.startswith(b"range-outside: ")


def test_a_head_ignores_the_range(client: Any, index: Any, body: bytes) -> None:
    path = f"/files/{index.publish(body=body).path}"
    response = client.ask(path, {"Range": "bytes=0-1"}, method="HEAD")
    assert (response.status, response.body, response.headers["content-length"]) == (200, b"", str(len(body)))


def test_metadata_beside_a_wheel_and_only_there(client: Any, index: Any) -> None:
    wheel = index.publish(metadata=b"Metadata-Version: 2.1\nName: alpha\n")
    sdist = index.publish(version="2.0", metadata=None, filename="alpha-2.0.tar.gz", kind="sdist")
    response = client.ask(f"/files/{wheel.path}.metadata")
    assert (response.status, response.body) == (200, b"Metadata-Version: 2.1\nName: alpha\n")
    assert response.headers["etag"] == f'"{wheel.metadata_sha256[:32]}"'
    assert client.ask(f"/files/{sdist.path}").status == 200
    assert client.ask(f"/files/{sdist.path}.metadata").status == 404


def test_large_metadata_is_sent_as_well(client: Any, index: Any) -> None:
    wheel = index.publish(metadata=BIG)
    assert client.ask(f"/files/{wheel.path}.metadata").body == BIG


def test_another_name_at_the_right_digest_is_not_a_file(client: Any, index: Any) -> None:
    file = index.publish()
    folder = file.path.rpartition("/")[0]
    assert client.ask(f"/files/{folder}/other-1.0-py3-none-any.whl").status == 404


def test_a_deleted_file_is_gone_although_its_bytes_stay(client: Any, index: Any, body: bytes) -> None:
    file = index.publish(body=body)
    path = f"/files/{file.path}"
    assert client.ask(path).status == 200
    index.delete_file(file)
    assert client.ask_until(path, lambda response: response.status != 200).status == 404
    assert (configuration.current().files_folder / file.path).exists()


def test_a_quarantined_file_is_refused_with_the_reason(client: Any, index: Any, body: bytes) -> None:
    file = index.publish(body=body)
    path = f"/files/{file.path}"
    etag = client.ask(path).headers["etag"]
    index.change_file(file, is_quarantined=True, quarantine_reason="under review")
    response = client.ask_until(path, lambda response: response.status != 200)
    assert response.status == 403
    assert response.body.splitlines()[0] == b"file-quarantined: This file is in quarantine: under review"
    assert response.messages[0]["reason"] == b"file-quarantined: This file is in quarantine: under review"
    for headers in ({"Range": "bytes=0-1"}, {"If-None-Match": etag}):
        assert client.ask(path, headers).status == 403
    assert client.ask(path + ".metadata").status == 403
    index.change_file(file, is_quarantined=False)
    assert client.ask_until(path, lambda response: response.status != 403).body == body


@pytest.mark.parametrize("broken", ["missing", "short"])
def test_bytes_that_are_not_there_are_our_fault_and_said(
    client: Any, index: Any, body: bytes, broken: str
) -> None:
    file = index.publish(body=body)
    stored = configuration.current().files_folder / file.path
    stored.unlink() if broken == "missing" else stored.write_bytes(body[:-1])
    response = client.ask(f"/files/{file.path}")
    assert response.status == 503
    assert response.body.startswith(b"file-bytes-missing: ")
    stored.write_bytes(body)
    assert client.ask(f"/files/{file.path}").body == body


def test_a_server_that_can_send_a_path_is_given_the_path(client: Any, index: Any) -> None:
    file = index.publish(body=BIG)
    extensions: dict[str, Any] = {"http.response.pathsend": {}}
    response = client.ask(f"/files/{file.path}", extensions=extensions)
    assert [message["type"] for message in response.messages] == [
        "http.response.start",
        "http.response.pathsend",
    ]
    assert response.messages[1]["path"] == str(configuration.current().files_folder / file.path)
    part = client.ask(f"/files/{file.path}", {"Range": "bytes=1-2"}, extensions=extensions)
    assert part.body == BIG[1:3]


def _send_to(descriptor: int, length: int, receive: Callable[..., Any], first: int = 0) -> tuple[bool, bytes]:
    sent: list[bytes] = []

    async def send(message: Any) -> None:
        sent.append(message["body"])

    async def run() -> bool:
        with ThreadPoolExecutor(1) as threads:
            return await send_bytes(descriptor, first, length, (receive, send), threads)

    return asyncio.run(run()), b"".join(sent)


async def _still_there() -> Any:
    await asyncio.Event().wait()


@pytest.mark.parametrize("reads_without_waiting", [True, False])
def test_bytes_come_in_order_however_they_are_read(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, reads_without_waiting: bool
) -> None:
    if not reads_without_waiting:
        monkeypatch.setattr(sending, "_NO_WAIT", None)
    path = tmp_path / "file"
    path.write_bytes(BIG)
    with path.open("rb") as file:
        assert _send_to(file.fileno(), len(BIG), _still_there) == (True, BIG)
        assert _send_to(file.fileno(), 1000, _still_there, first=5) == (True, BIG[5:1005])


def test_a_file_that_ends_early_cuts_the_connection(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(BIG)
    with path.open("rb") as file, pytest.raises(CutShortError):
        _send_to(file.fileno(), len(BIG) + 1, _still_there)


def test_nothing_more_is_read_for_a_client_that_left(tmp_path: Any) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * sending.PIECE * 50)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    with path.open("rb") as file:
        is_whole, sent = _send_to(file.fileno(), sending.PIECE * 50, receive)
    assert not is_whole
    assert len(sent) <= sending.PIECE * 2
