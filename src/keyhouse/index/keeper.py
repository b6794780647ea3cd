"""Work on pages that nobody waits for: the root list, feeds, totals, compressed forms.

One process has a keeper; where two have one, they take turns by a lock, and each looks anew at what is due. It polls in
real time. A round that is cut off leaves nothing half-done: each page is written in a transaction of its own, and only
over an older one.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from keyhouse.core import rounds
from keyhouse.core.configuration import Configuration
from keyhouse.index.addresses import holds_address
from keyhouse.index.compress import compress
from keyhouse.index.database import Ask, UnavailableError, open_database
from keyhouse.index.listings import (
    BUILDERS,
    PACKAGES,
    ROOT,
    STATS,
    UPDATES,
    Built,
    Place,
    read_serials,
)
from keyhouse.index.model import CHANNEL
from keyhouse.index.render import etag_of

POLL_SECONDS: Final = 0.1
AWAY_SECONDS: Final = 5.0  # after the database was found to be away
# Least seconds between two renderings of a page.
# The root list also tells mirrors the last serial of each project. Where only those moved, it has more time.
_SERIALS: Final[Place] = ("root", "serials")
_PAUSE: Final[dict[Place, float]] = {ROOT: 0.1, _SERIALS: 1.0, UPDATES: 1.0, PACKAGES: 1.0, STATS: 1.0}
_SERIALS_SHARE: Final = 10  # at most a tenth of the time is spent on that
_STATS_SHARE: Final = 50  # at most a fiftieth on the totals
_FORMS: Final[dict[Place, int]] = {ROOT: 2}  # of other pages there is one
_QUICK: Final = (
    1.0  # what takes longer to render rests as long as it took, at most the next number of seconds
)
_LONGEST_PAUSE: Final = 5.0
_FORMS_PAUSE: Final = 1.0
_BATCH: Final = 200  # pages looked at in one go for compressed forms
_LOOK_BACK: Final = (
    2000  # changes before the start whose pages get compressed forms; older ones are made on demand
)
_TURN_SECONDS: Final = 60.0

_log = logging.getLogger("keyhouse.index")


class Keeper:
    """Keeps pages about the whole index up to date, on a thread of its own or at once by `settle`."""

    def __init__(self, configuration: Configuration) -> None:
        """Take the configuration; nothing is opened yet."""
        self._database = open_database(configuration)
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._next: dict[Place, float] = {}
        self._next_forms = 0.0
        self._seen: tuple[int, int] | None = None  # serial and id of the last page looked at for its forms

    def start(self) -> None:
        """Begin to work in the background."""
        self._thread = threading.Thread(target=self._run, name="index-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the present piece of work and stop."""
        self._is_stopping.set()
        if self._thread is not None:
            self._thread.join()
        self._database.close()

    def settle(self) -> dict[str, int]:
        """Do everything that is due now, again until nothing is left, and return how many pages were written of what.

        Waits for a keeper of another process that is at it. Raises UnavailableError.
        """
        written: Counter[str] = Counter(dict.fromkeys(("root", "rss", "stats", "forms"), 0))
        while latest := +self._wait_for_turn():
            written.update(latest)
        return dict(written)

    def _wait_for_turn(self) -> Counter[str]:
        """Do one impatient round, as soon as nobody else is at it."""
        deadline = time.monotonic() + _TURN_SECONDS
        while time.monotonic() < deadline:
            written = self._take_turn(is_patient=False)
            if written is not None:
                return written
            time.sleep(POLL_SECONDS / 2)
        raise UnavailableError("another keeper doesn't finish")

    def _run(self) -> None:
        while not self._is_stopping.is_set():
            try:
                self._take_turn(is_patient=True)
                rounds.tell("index-keeper")
            except UnavailableError as error:
                rounds.tell("index-keeper", error)
                _log.warning("pages can't be kept up to date right now: %s", error)
                self._is_stopping.wait(AWAY_SECONDS)
            except Exception as error:  # noqa: BLE001 - one broken page must not stop the care for the others
                rounds.tell("index-keeper", error)
                _log.exception("a page can't be kept up to date")
                self._is_stopping.wait(AWAY_SECONDS)
            self._is_stopping.wait(POLL_SECONDS)

    def _take_turn(self, *, is_patient: bool) -> Counter[str] | None:
        """Do one round and return what was written; None when somebody else is at it.

        `is_patient`: a page that was rendered a moment ago waits.
        """
        with self._database.alone("keeper") as is_mine:
            if not is_mine:
                return None
            written: Counter[str] = Counter()
            for place in BUILDERS:
                if not is_patient or self._is_time(place):
                    is_early = is_patient and place == ROOT and not self._is_time(_SERIALS)
                    written[place[0]] += self._renew(place, is_early=is_early)
            if not is_patient or time.monotonic() >= self._next_forms:
                written["forms"] += self._add_forms()
            return written

    def _is_time(self, place: Place) -> bool:
        return time.monotonic() >= self._next.get(place, 0.0)

    def _renew(self, place: Place, *, is_early: bool) -> int:
        """Render a page if it is older than what it shows, and return how many of its forms were written.

        `is_early`: only if projects came or went.
        """
        began = time.monotonic()
        with self._database.snapshot() as ask:
            built = BUILDERS[place](ask) if _is_due(ask, place, is_early=is_early) else None
        if built is None:
            return 0
        rows = [_row(place, form, body, built) for form, body in built.forms.items()]
        for row in rows:
            self._write(_STORE, row)
        with self._database.transaction() as ask:
            self._wake(ask)
        self._rest(place, time.monotonic() - began)
        return len(rows)

    def _rest(self, place: Place, took: float) -> None:
        """Let a page be for a while; one that takes long to render for longer."""
        now = time.monotonic()
        self._next[place] = now + max(_PAUSE[place], min(took, _LONGEST_PAUSE) if took > _QUICK else 0.0)
        if place == STATS:  # counting reads every row of an index
            self._next[STATS] = now + max(_PAUSE[STATS], took * _STATS_SHARE)
        if place == ROOT:
            self._next[_SERIALS] = now + max(_PAUSE[_SERIALS], took * _SERIALS_SHARE)

    def _wake(self, ask: Ask) -> None:
        if self._database.is_postgresql:
            ask("SELECT pg_notify(?, '')", [CHANNEL])

    def _add_forms(self) -> int:
        """Add compressed forms to the next pages that lack them, and return how many got them."""
        self._next_forms = time.monotonic() + _FORMS_PAUSE
        if self._seen is None:
            serial, _ = read_serials(self._database.rows)
            self._seen = (serial - _LOOK_BACK, 0)
        while following := self._database.rows(_FOLLOWING, [*self._seen, _BATCH]):
            written = self._add_forms_to([int(id_) for _, id_ in following])
            self._seen = (int(following[-1][0]), int(following[-1][1]))
            if written:
                return written
        return 0

    def _add_forms_to(self, ids: list[int]) -> int:
        lacking = self._database.rows(_LACKING.format(", ".join("?" * len(ids))), ids)
        # of pages with addresses in them, as of feeds, no compressed form can be kept
        plain = [
            (id_, serial, bytes(body)) for id_, serial, body in lacking if not holds_address(bytes(body))
        ]
        forms = [(*_compressed(body), id_, serial) for id_, serial, body in plain]
        for form in forms:
            self._write(_ADD_FORMS, form)
        return len(forms)

    def _write(self, statement: str, page: Sequence[Any]) -> None:
        """Write one page and let go of it: whoever waits for several in an order of their own never waits in a circle."""
        with self._database.transaction() as ask:
            ask(statement, page)


def _is_due(ask: Ask, place: Place, *, is_early: bool) -> bool:
    stored, forms = ask(_STORED, list(place))[0]
    value, listing = read_serials(ask)
    return forms < _FORMS.get(place, 1) or int(stored) < (listing if is_early else value)


def _row(place: Place, form: str, body: bytes, built: Built) -> list[Any]:
    # feeds hold addresses that are filled in when they are loaded, so that no compressed form of them can be kept
    forms = (None, None) if place[0] == "rss" else _compressed(body)
    return [*place, form, built.serial, False, body, etag_of(body), *forms]


def _compressed(body: bytes) -> tuple[bytes, bytes]:
    return compress("gzip", body), compress("zstd", body)


_COLUMNS: Final = ("serial", "is_gone", "body", "etag", "gzip", "zstd")
_STORED: Final = "SELECT MIN(serial), COUNT(*) FROM projects_indexpage WHERE kind = ? AND name = ?"
_STORE: Final = (
    f"INSERT INTO projects_indexpage (kind, name, form, {', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
    f"ON CONFLICT (kind, name, form) DO UPDATE SET {', '.join(f'{name} = excluded.{name}' for name in _COLUMNS)} "
    "WHERE projects_indexpage.serial <= excluded.serial"
)
_FOLLOWING: Final = (
    "SELECT serial, id FROM projects_indexpage WHERE (serial, id) > (?, ?) ORDER BY serial, id LIMIT ?"
)
_LACKING: Final = (
    "SELECT id, serial, body FROM projects_indexpage WHERE id IN ({}) AND kind = 'simple' AND NOT is_gone "
    "AND (gzip IS NULL OR zstd IS NULL) ORDER BY id"
)
_ADD_FORMS: Final = "UPDATE projects_indexpage SET gzip = ?, zstd = ? WHERE id = ? AND serial = ?"
