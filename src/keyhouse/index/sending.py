"""Sending the bytes of large files: read in pieces, without holding the event loop up, until the client goes away."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import Executor
from typing import Any, Final

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

PIECE: Final = 256 * 1024
# Linux reads from memory only with this flag, and says so where it would have to wait for the disk.
_NO_WAIT: Final[int | None] = getattr(os, "RWF_NOWAIT", None)


class CutShortError(Exception):
    """The file ended before the bytes that were promised; the connection has to be cut."""


async def send_bytes(
    descriptor: int, first: int, length: int, channel: tuple[Receive, Send], on: Executor
) -> bool:
    """Send `length` bytes from `first` on and return whether the client was there to the end.

    `on` reads what isn't in memory yet. Raises CutShortError.
    """
    receive, send = channel
    gone = asyncio.create_task(_until_gone(receive))
    try:
        end = first + length
        while first < end and not gone.done():
            piece = await _read(descriptor, first, min(PIECE, end - first), on)
            first += len(piece)
            await send({"type": "http.response.body", "body": piece, "more_body": first < end})
            await asyncio.sleep(
                0
            )  # a server that has lost its client answers at once and would never let others in
        return first >= end
    finally:
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _read(descriptor: int, first: int, length: int, on: Executor) -> bytes:
    if _is_in_memory(descriptor, first + length - 1):
        piece = os.pread(descriptor, length, first)
    else:
        piece = await asyncio.get_running_loop().run_in_executor(on, os.pread, descriptor, length, first)
    if not piece:
        raise CutShortError
    return piece


def _is_in_memory(descriptor: int, offset: int) -> bool:
    """Tell whether the byte at `offset` can be read without waiting for the disk; the kernel reads ahead in order."""
    if _NO_WAIT is None:
        return False
    try:
        return os.preadv(descriptor, [bytearray(1)], offset, _NO_WAIT) == 1
    except OSError:  # not in memory, or a file system that doesn't know the flag
        return False
