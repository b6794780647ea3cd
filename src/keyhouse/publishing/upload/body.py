"""The body of one request as the server hands it over, with bounded patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from keyhouse.publishing.upload.errors import BodyStalled

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ClientGone(Exception):  # noqa: N818 - a fact, not a defect; nobody is left to answer
    """The connection was cut."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait: seconds of silence, seconds to begin with, bytes a second after those.

    `linger_size` (bytes) and `linger_seconds`: how much of a refused body is read and thrown away. A connection that
    is closed on unread bytes is reset, and then many clients never see why they were refused.
    """

    silence: float = 30.0
    grace: float = 60.0
    least_rate: float = 8192.0
    linger_size: int = 2**20
    linger_seconds: float = 2.0


class Body:
    """Gives the chunks of a body; `is_whole` once the last one was given."""

    def __init__(self, receive: Receive, patience: Patience) -> None:
        self.is_whole = False
        self._receive = receive
        self._patience = patience
        self._received = 0
        self._began_at: float | None = None

    async def next(self) -> bytes | None:
        """Return the next chunk, or None at the end; raises ClientGone or BodyStalled."""
        if self.is_whole:
            return None
        try:
            async with asyncio.timeout(self._time_left()):
                return await self._take()
        except TimeoutError:
            raise BodyStalled from None

    async def linger(self) -> None:
        """Read on for a bounded while and throw it away, so that the client gets to read its answer."""
        end = self._received + self._patience.linger_size
        try:
            async with asyncio.timeout(self._patience.linger_seconds):
                while not self.is_whole and self._received < end:
                    await self._take()
        except (TimeoutError, ClientGone):
            return

    async def _take(self) -> bytes:
        message = await self._receive()
        if message["type"] != "http.request":
            raise ClientGone
        chunk: bytes = message.get("body", b"")
        self._received += len(chunk)
        self.is_whole = not message.get("more_body", False)
        return chunk

    def _time_left(self) -> float:
        """Return how long the next chunk may take: silence is bounded, and so is dripping."""
        now = asyncio.get_running_loop().time()
        if self._began_at is None:
            self._began_at = now
        allowed = self._patience.grace + self._received / self._patience.least_rate
        return min(self._patience.silence, self._began_at + allowed - now)
