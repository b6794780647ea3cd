"""What is written down about a request to pages or upload: number, time, one line. Reads are only counted."""

from __future__ import annotations

import logging
import secrets
import time
from typing import Final

from keyhouse.core import logs
from keyhouse.web import metrics
from keyhouse.web.asgi_types import App, Message, Receive, Scope, Send

PLANE_KEY: Final = "keyhouse.plane"  # in a scope: this request is counted here, not with the reads
NO_ANSWER: Final = 499  # as proxies call it: the client went away before there was one
_logger = logging.getLogger("keyhouse.access")


class Observed:
    """An ASGI callable around another: gives the request an id, counts and times it, writes the access line."""

    def __init__(self, app: App, plane: str) -> None:
        """Observe `app` under the name of its plane."""
        self._app = app
        self._plane = plane

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        request_id = secrets.token_hex(8)
        logs.request_id.set(request_id)
        scope[PLANE_KEY] = self._plane
        status = NO_ANSWER

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
                self._count_refusal(message)
            await send(message)

        started = time.perf_counter()
        try:
            await self._app(scope, receive, watch)
        finally:
            self._tell(scope, status, time.perf_counter() - started)

    def _count_refusal(self, message: Message) -> None:
        """Count a refusal that stands in the reason phrase (`code: sentence`)."""
        code, colon, _ = message.get("reason", b"").partition(b": ")
        if colon:
            metrics.count_refusal(self._plane, code.decode("ascii", "replace")[:64])

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        metrics.count_request(self._plane, status, seconds)
        path, client = scope["path"][:300], (scope.get("client") or ("",))[0]
        milliseconds = round(seconds * 1000)
        _logger.info(
            "%s %s %d in %d ms",
            scope["method"],
            path,
            status,
            milliseconds,
            extra={
                "method": scope["method"],
                "path": path,
                "status": status,
                "milliseconds": milliseconds,
                "client": client,
                "plane": self._plane,
            },
        )
