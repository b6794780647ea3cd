"""Telling a CDN in front what to forget: the surrogate keys of everything that changed.

Every change to what installers get has a serial, given in the order of commits, and the pages that it touched carry it.
So that is the list of what is to be told: it is written by the change itself, whatever it was, and no request waits for
anybody. A mark in the database says how far a CDN was told; it moves after the CDN took the keys. Whoever is killed in
between tells them again.

A CDN may be handed the old answer once more while it is told: by a process that doesn't know of the change yet, or as the
end of an answer that began before. So everything is told a second time a minute later.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from keyhouse.core import faults, rounds
from keyhouse.core.configuration import Configuration
from keyhouse.core.outgoing import Bounds, OutgoingError, post_json
from keyhouse.index.answers import key_of
from keyhouse.index.database import Ask, UnavailableError, open_database
from keyhouse.index.listings import read_serials

NAME: Final = "cdn-purge"
MOST_KEYS: Final = 256  # of one request
LONGEST_PAUSE: Final = 60.0
_DOUBLINGS: Final = 6  # of a pause until it is the longest
_POLL_SECONDS: Final = 0.5
_NOTICE_SECONDS: Final = 0.5  # within these every process of the index knows of a change
_AGAIN_SECONDS: Final = 60.0
_SECONDS: Final = 10.0  # for the CDN's answer
_LONGEST_HEADER: Final = 8192
_HEADER: Final = re.compile(r"([A-Za-z0-9!#$%&'*+.^_`|~-]+):[ \t]*([\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?)")
_OURS: Final = frozenset({"host", "content-length", "content-type", "transfer-encoding", "connection"})

_log = logging.getLogger("keyhouse.index")


class Purger:
    """Tells the CDN, on a thread of its own or at once by `tell_due`. Without an address it does nothing."""

    def __init__(self, configuration: Configuration) -> None:
        """Take the configuration; nothing is opened yet."""
        self._url = configuration.purge_url
        self._header_file = configuration.purge_header_file
        self._bounds = Bounds(seconds=_SECONDS, may_be_private=True, ca_file=configuration.ca_file)
        self._places = threading.BoundedSemaphore(1)
        self._database = open_database(configuration)
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._again: tuple[int, float] | None = None  # up to which serial, and when

    def start(self) -> None:
        """Begin to work in the background, with what changes from now on or was left when a server stopped."""
        if not self._url:
            return
        with suppress(UnavailableError):  # told by the first round
            self._read()
        self._thread = threading.Thread(target=self._run, name="cdn-purge", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; what isn't told by then is told after the next start."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join(rounds.STOP_SECONDS)
        self._database.close()

    def tell_due(self) -> int | None:
        """Tell what is due now and return how many requests that took, None where another process is at it.

        Raises OutgoingError and UnavailableError.
        """
        if not self._url:
            return 0
        with self._database.alone("purger") as is_mine:
            return self._tell_new() + self._tell_again() if is_mine else None

    def _run(self) -> None:
        failures = 0
        while not self._is_stopping.is_set():
            try:
                done = self.tell_due()
            except (OutgoingError, UnavailableError) as error:
                if not failures:
                    _log.warning("the CDN can't be told what to forget, and is asked again: %s", error)
                failures = self._note(error, failures)
            except Exception as error:  # noqa: BLE001 - one thing that can't be read must not end the telling
                _log.exception("the CDN can't be told what to forget")
                failures = self._note(error, failures)
            else:
                if done is not None:  # whoever is at it tells how it goes
                    rounds.tell(NAME)
                    failures = 0
            self._is_stopping.wait(pause_after(failures))

    def _note(self, error: Exception, failures: int) -> int:
        rounds.tell(NAME, error)
        return failures + 1

    def _tell_new(self) -> int:
        told, _, latest = self._read()
        if told >= latest:
            return 0
        faults.reach("purge.noticed")
        self._is_stopping.wait(_NOTICE_SECONDS)
        return self._tell("told", told, latest)

    def _tell_again(self) -> int:
        told, again, _ = self._read()
        requests = 0
        if self._again is not None and time.monotonic() >= self._again[1]:
            last, self._again = self._again[0], None
            requests = self._tell("again", again, last)
            again = max(again, last)
        if again < told and self._again is None:
            self._again = (told, time.monotonic() + _AGAIN_SECONDS)
        return requests

    def _tell(self, column: str, after: int, last: int) -> int:
        """Tell what changed after one serial up to another, and move that mark; what is told needn't be told anew."""
        requests = 0
        while after < last:
            names, after = self._changed(after, last)
            keys = [key_of(None), *map(key_of, names)]
            for start in range(0, len(keys), MOST_KEYS):
                self._post(keys[start : start + MOST_KEYS])
                requests += 1
            faults.reach("purge.told")
            with self._database.transaction() as ask:
                ask(f"UPDATE projects_purgemark SET {column} = ? WHERE {column} < ?", [after, after])
        return requests

    def _post(self, keys: list[str]) -> None:
        body = json.dumps({"surrogate_keys": keys}).encode()
        post_json(self._url, body, read_header(self._header_file), self._bounds, self._places)

    def _read(self) -> tuple[int, int, int]:
        """Return both marks and the serial of the last change. At first there is nothing to tell."""
        with self._database.snapshot() as ask:
            latest = read_serials(ask)[0]
            marks = _find_marks(ask)
        if marks is None:
            with self._database.transaction() as ask:
                ask(_BEGIN, [latest, latest])
                marks = _find_marks(ask) or (latest, latest)
        return (*marks, latest)

    def _changed(self, after: int, last: int) -> tuple[Iterable[str], int]:
        """Return the next projects that changed, and up to which serial these are all."""
        with self._database.snapshot() as ask:
            rows = ask(_CHANGED, [after, last, MOST_KEYS - 1])
            if len(rows) < MOST_KEYS - 1:
                return (name for name, _ in rows), last
            last = int(rows[-1][1])
            rows += ask(_CHANGED_AT, [last])
        return dict.fromkeys(name for name, _ in rows), last


def pause_after(failures: int) -> float:
    """Return how many seconds pass until the next attempt, after so many that failed one after the other."""
    return min(2.0 ** min(failures - 1, _DOUBLINGS), LONGEST_PAUSE) if failures else _POLL_SECONDS


def read_header(path: Path | None) -> dict[str, str]:
    """Return the header that goes with a request, read each time so that a new secret needs no start; raises OutgoingError."""
    if path is None:
        return {}
    try:
        with path.open("rb") as file:
            text = file.read(_LONGEST_HEADER).decode("latin-1").strip()
    except OSError as error:
        raise OutgoingError("the file named in KEYHOUSE_PURGE_HEADER_FILE can't be read") from error
    found = _HEADER.fullmatch(text)
    if found is None or found[1].lower() in _OURS:
        raise OutgoingError("the file named in KEYHOUSE_PURGE_HEADER_FILE holds no line `Name: value`")
    return {found[1]: found[2]}


def count_waiting(ask: Ask) -> int:
    """Return how many changes no CDN was told of yet."""
    marks = _find_marks(ask)
    return max(0, read_serials(ask)[0] - marks[0]) if marks else 0


def _find_marks(ask: Ask) -> tuple[int, int] | None:
    rows = ask("SELECT told, again FROM projects_purgemark")
    return (int(rows[0][0]), int(rows[0][1])) if rows else None


_BEGIN: Final = (
    "INSERT INTO projects_purgemark (id, told, again) VALUES (1, ?, ?) ON CONFLICT (id) DO NOTHING"
)
_CHANGED: Final = (
    "SELECT name, serial FROM projects_indexpage WHERE kind = 'simple' AND form = 'json' "
    "AND serial > ? AND serial <= ? ORDER BY serial LIMIT ?"
)
_CHANGED_AT: Final = (
    "SELECT name, serial FROM projects_indexpage WHERE kind = 'simple' AND form = 'json' AND serial = ?"
)
