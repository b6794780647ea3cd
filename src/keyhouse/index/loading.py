"""One loading at a time for each answer, on threads, with an end: no reader waits for a database that doesn't answer."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Executor
from typing import Any, Final, TypeVar

from keyhouse.index.database import UnavailableError
from keyhouse.index.errors import IndexUnavailable

MOST_SECONDS: Final = 10.0
_PAUSE_SECONDS: Final = 1.0  # after the database was found to be away, it isn't asked for this long
_MOST_WAITING: Final = 512

Loaded = TypeVar("Loaded")

_log = logging.getLogger("keyhouse.index")


class Loading:
    """Joins readers that wait for the same thing. To be used on the event loop."""

    def __init__(self, on: Executor) -> None:
        """Take the threads on which loading happens."""
        self._on = on
        self._running: dict[Hashable, asyncio.Future[Any]] = {}
        self._away_until = 0.0
        self.epoch = 0

    def forget(self) -> None:
        """Let nobody join a loading that began before now: what it loads may be out of date."""
        self.epoch += 1
        self._running.clear()

    async def load(self, key: Hashable, work: Callable[[], Loaded]) -> tuple[Loaded, bool]:
        """Run `work` on a thread, or join whoever runs it, and return its result and whether that may be kept.

        Raises IndexUnavailable when the database is away or too slow, and whatever refusal `work` raises.
        """
        epoch = self.epoch
        running = self._running.get(key) or self._begin(key, work)
        try:
            loaded: Loaded = await asyncio.wait_for(asyncio.shield(running), MOST_SECONDS)
        except UnavailableError as error:
            self._away_until = time.monotonic() + _PAUSE_SECONDS
            _log.warning("the database can't be asked: %s", error)
            raise IndexUnavailable from error
        except TimeoutError as error:
            raise IndexUnavailable from error
        return loaded, epoch == self.epoch

    def _begin(self, key: Hashable, work: Callable[[], Loaded]) -> asyncio.Future[Loaded]:
        if time.monotonic() < self._away_until or len(self._running) > _MOST_WAITING:
            raise IndexUnavailable
        running = asyncio.get_running_loop().run_in_executor(self._on, work)
        self._running[key] = running
        running.add_done_callback(lambda done: self._end(key, done))
        return running

    def _end(self, key: Hashable, done: asyncio.Future[Any]) -> None:
        if self._running.get(key) is done:
            del self._running[key]
        if not done.cancelled():
            done.exception()  # seen, also where everybody has stopped waiting
