"""Drive the upload's ASGI callable as a server does."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.publishing.world import form_of, spread

from keyhouse.publishing.upload.asgi import Upload
from keyhouse.publishing.upload.body import Patience

BOUNDARY = "f00f00f00f00"
IMPATIENT = Patience(silence=0.2, grace=0.5, linger_seconds=0.2)
TOKEN = "Basic X190b2tlbl9fOmFkYQ=="


@dataclass
class Answer:
    status: int = 0
    reason: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    text: str = ""
    read: int = 0  # bytes of the body that were taken before the answer
    is_complete: bool = False

    @property
    def line(self) -> str:
        return self.text.partition("\n")[0]

    @property
    def code(self) -> str:
        return self.line.partition(":")[0]


def build_body(path: Path | None, *, content_first: bool = False, **fields: str | list[str]) -> bytes:
    """Make the body an honest client sends with a file; `fields` replace and add."""
    pairs = {**(form_of(path) if path else {}), **fields}
    parts = [build_field(name, value) for name, value in spread(pairs) if value != ""]
    if path is not None:
        parts.insert(0 if content_first else len(parts), build_content(path.name, path.read_bytes()))
    return b"".join(parts) + f"--{BOUNDARY}--\r\n".encode()


def build_field(name: str, value: str) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n'
    return f"{head}{value}\r\n".encode()


def build_content(filename: str, data: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="content"; filename="{filename}"\r\n'
    return head.encode() + b"Content-Type: application/octet-stream\r\n\r\n" + data + b"\r\n"


def cut_into(body: bytes, size: int) -> list[bytes]:
    return [body[start : start + size] for start in range(0, len(body), size)] or [b""]


def headers_of(body: bytes, **more: str) -> dict[str, str]:
    return {
        "content-type": f"multipart/form-data; boundary={BOUNDARY}",
        "content-length": str(len(body)),
        "authorization": TOKEN,
        "user-agent": "twine/7.0.0",
    } | {name.replace("_", "-"): value for name, value in more.items()}


def scope_of(headers: dict[str, str], method: str = "POST") -> dict[str, Any]:
    return {
        "type": "http",
        "method": method,
        "path": "/legacy/",
        "client": ("192.0.2.1", 5000),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in headers.items() if value],
    }


class Wire:
    """The server's side of one connection: hands over chunks, then says how the body ends."""

    def __init__(self, chunks: Sequence[bytes], end: str = "whole") -> None:
        self.answer = Answer()
        self._chunks = list(chunks)
        self._end = end  # whole, cut, silent
        self._answered = False

    async def receive(self) -> dict[str, Any]:
        await asyncio.sleep(0)
        if self._chunks:
            chunk = self._chunks.pop(0)
            if not self._answered:
                self.answer.read += len(chunk)
            return {
                "type": "http.request",
                "body": chunk,
                "more_body": bool(self._chunks) or self._end != "whole",
            }
        if self._end == "silent":
            await asyncio.sleep(3600)
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            assert not self._answered
            self._answered = True
            self.answer.status = message["status"]
            self.answer.reason = message.get("reason", b"").decode("ascii")
            self.answer.headers = {name.decode(): value.decode() for name, value in message["headers"]}
            return
        self.answer.text += message["body"].decode()
        self.answer.is_complete = not message["more_body"]


async def ask(
    app: Upload, chunks: Sequence[bytes], headers: dict[str, str], *, end: str = "whole", method: str = "POST"
) -> Answer:
    wire = Wire(chunks, end)
    await asyncio.wait_for(app(scope_of(headers, method), wire.receive, wire.send), 20)
    return wire.answer


def upload(
    path: Path | None,
    *,
    size: int = 65536,
    end: str = "whole",
    headers: dict[str, str] | None = None,
    content_first: bool = False,
    patience: Patience = IMPATIENT,
    **fields: str | list[str],
) -> Answer:
    """Upload one file as an honest client does, but for what the arguments change."""
    body = build_body(path, content_first=content_first, **fields)
    return send(cut_into(body, size), headers_of(body, **(headers or {})), end=end, patience=patience)


def send(
    chunks: Sequence[bytes], headers: dict[str, str], *, end: str = "whole", patience: Patience = IMPATIENT
) -> Answer:
    return run_all([(chunks, headers, end)], patience)[0]


def run_all(
    requests: Iterable[tuple[Sequence[bytes], dict[str, str], str]], patience: Patience = IMPATIENT
) -> list[Answer]:
    """Send requests all at once to one app."""

    async def run() -> list[Answer]:
        app = Upload(patience=patience)
        try:
            return await asyncio.gather(
                *(ask(app, chunks, headers, end=end) for chunks, headers, end in requests)
            )
        finally:
            await app.shutdown()

    return asyncio.run(run())
