"""Work that a server does beside requests, in rounds on a thread of its own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from keyhouse.core import clock

STOP_SECONDS: Final = 5.0
LONGEST_ERROR: Final = 300


@dataclass(frozen=True, slots=True)
class Work:
    """What is done each round; `afterwards` follows it also where it fails, and `trouble` is what the log says then."""

    name: str  # of the thread
    do: Callable[[], object]
    trouble: str
    afterwards: Callable[[], None]


def do_all(works: Mapping[str, Callable[[datetime], int]], now: datetime) -> dict[str, int]:
    """Do each of several works, also where an earlier one fails, and return how much of what was done.

    The first failure is raised at the end.
    """
    done: dict[str, int] = {}
    failures: list[Exception] = []
    for name, work in works.items():
        try:
            done[name] = work(now)
        except Exception as error:  # noqa: BLE001 - raised below
            failures.append(error)
    if failures:
        raise failures[0]
    return done


@dataclass(frozen=True, slots=True)
class Round:
    """How the last round of a work went in this process; `error` is empty where it went well."""

    name: str
    ended_at: datetime
    error: str = ""


_last: dict[str, Round] = {}


def tell(name: str, error: BaseException | None = None) -> None:
    """Remember that a round has ended; whoever shows it looks later, so that no work waits for that."""
    told = "" if error is None else f"{type(error).__name__}: {error}".splitlines()[0][:LONGEST_ERROR]
    _last[name] = Round(name, clock.now(), told)


def last_rounds() -> list[Round]:
    """Return the last round of every work of this process."""
    return list(_last.values())


class Rounds:
    """Does a work again and again in the background of a server.

    A round that fails is told in the log and done again: whatever is wrong now may be right by then. Seconds are real
    ones; what is due is decided by `core.clock`.
    """

    def __init__(self, work: Work, *, first: float, every: float, also_at_end: bool = False) -> None:
        """Begin when told to: the first round after `first` seconds, the others after `every`."""
        self._work, self._first, self._every, self._also_at_end = work, first, every, also_at_end
        self._log = logging.getLogger(f"keyhouse.{work.name}")
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def name(self) -> str:
        """Return what the work is called."""
        return self._work.name

    def start(self) -> None:
        """Begin to work in the background."""
        self._thread = threading.Thread(target=self._run, name=self._work.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; a round that takes long is cut off with the process and done again by the next one."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        rest = self._first
        while not self._is_stopping.wait(rest):
            self._do_round()
            rest = self._every
        if self._also_at_end:
            self._do_round()

    def _do_round(self) -> None:
        try:
            self._work.do()
            tell(self._work.name)
        except Exception as error:  # noqa: BLE001 - told, and done again
            self._log.warning(self._work.trouble, exc_info=True)
            tell(self._work.name, error)
        finally:
            self._work.afterwards()
