"""A client of ASGI callables, without a socket."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from keyhouse.web.asgi_types import App, Message

NEVER = object()  # a body whose next part never comes


@dataclass
class Answer:
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    parts_taken: int = 0


def ask(
    app: App,
    method: str,
    target: str,
    *,
    parts: list[object] | None = None,
    headers: dict[str, str] | None = None,
    client: str = "192.0.2.7",
    server: tuple[str, int] = ("127.0.0.1", 8400),
) -> Answer:
    """Ask once; `parts` are the pieces of the body, `None` among them a client that goes away."""
    path, _, query = target.partition("?")
    scope: dict[str, object] = {
        "type": "http",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [
            (name.lower().encode(), value.encode("latin-1")) for name, value in (headers or {}).items()
        ],
        "client": (client, 50000),
        "server": server,
        "scheme": "http",
        "http_version": "1.1",
        "root_path": "",
    }
    return asyncio.run(_ask(app, scope, list(parts) if parts is not None else [b""]))


async def _ask(app: App, scope: dict[str, object], parts: list[object]) -> Answer:
    answer = Answer()

    async def receive() -> Message:
        if not parts or parts[0] is NEVER:
            await asyncio.sleep(60)
        answer.parts_taken += 1
        part = parts.pop(0)
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answer.status = message["status"]
            answer.headers = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
        else:
            answer.body += bytes(message.get("body", b""))

    await app(scope, receive, send)
    return answer
