"""Where the blocking work of uploads is done: a few threads that keep their database connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Final, TypeVar

from django.db import OperationalError, connections

_JUDGES: Final = 4
_WRITERS: Final = 4

Result = TypeVar("Result")


class Threads:
    """Two groups: judges use the database, writers only files, so that a busy database never stops receiving.

    Of the judges the one that worked last comes first: its connection holds the pages of the database that the others
    would have to read anew after each commit of somebody else.
    """

    def __init__(self) -> None:
        self._judges = [ThreadPoolExecutor(1, f"upload-judge-{number}") for number in range(_JUDGES)]
        self._resting = list(self._judges)
        self._turns = asyncio.Semaphore(_JUDGES)
        self._writers = ThreadPoolExecutor(_WRITERS, "upload-writer")

    async def judge(self, work: Callable[[], Result]) -> Result:
        """Do work that uses the database, to its end also where nobody waits for it any more."""
        async with self._turns:
            judge = self._resting.pop()
            # what is noted of this request is noted in its context
            run = copy_context().run
            doing = asyncio.get_running_loop().run_in_executor(judge, run, _with_database, work)
            doing.add_done_callback(lambda _: self._resting.append(judge))
            return await doing

    def write(self, work: Callable[[], Result]) -> asyncio.Future[Result]:
        """Begin work that uses files only."""
        return asyncio.get_running_loop().run_in_executor(self._writers, work)

    def close(self) -> None:
        """Let running work end and take no more."""
        for judge in self._judges:
            judge.shutdown()
        self._writers.shutdown()


def _with_database(work: Callable[[], Result]) -> Result:
    try:
        return work()
    except (OperationalError, OSError):
        # one that was opened while nothing could be written would stay read-only; a rolled-back one looks healthy
        connections.close_all()
        raise
    finally:
        _settle_connections()


def _settle_connections() -> None:
    """Give a pooled connection back; keep a file's open, since opening one costs more than an upload's queries."""
    for connection in connections.all(initialized_only=True):
        if connection.vendor != "sqlite" or connection.errors_occurred or connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
