"""The shapes of ASGI that the planes hand to each other."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from keyhouse.core.errors import Refusal

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

PLAIN: Final = b"text/plain; charset=utf-8"


def find_header(scope: Scope, name: bytes) -> bytes | None:
    """Return the value of a header, several joined by commas (RFC 9110 5.3), or None."""
    found = [value for key, value in scope["headers"] if key == name]
    return b",".join(found) if found else None


async def answer(  # noqa: PLR0913, PLR0917 - the parts of an answer
    send: Send,
    status: int,
    body: bytes,
    content_type: bytes = PLAIN,
    extra: Headers | None = None,
    reason: str = "",
) -> None:
    """Send a whole answer; `reason` is the phrase beside the status, where it isn't the usual one."""
    headers = [
        (b"content-type", content_type),
        (b"content-length", str(len(body)).encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"cache-control", b"no-store"),
        *(extra or []),
    ]
    phrase = {"reason": reason.encode()} if reason else {}
    await send({"type": "http.response.start", "status": status, "headers": headers, **phrase})
    await send({"type": "http.response.body", "body": body})


async def refuse(send: Send, status: int, refusal: Refusal, extra: Headers | None = None) -> None:
    """Send a refusal as its one line and close the connection: what may still come isn't read."""
    body = f"{refusal.line}\n{refusal.fix}\n".encode()
    await answer(send, status, body, extra=[(b"connection", b"close"), *(extra or [])])
