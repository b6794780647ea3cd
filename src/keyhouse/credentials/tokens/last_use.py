"""Last uses by readers, written in batches: reading never waits for a writer."""

from __future__ import annotations

import logging
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime

from django.db import DatabaseError, InterfaceError, close_old_connections

from keyhouse.credentials.tokens import services

MAX_WAITING = 10_000  # tokens; more than that read at once here, and some uses go unwritten
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TokenUse:
    """One use: which token, when, from which address, by which program."""

    token_id: uuid.UUID
    at: datetime
    network: str
    client: str


class LastUses:
    """Holds the latest use of each token until a thread of its own has written it."""

    def __init__(self, pause: float = 1.0) -> None:
        """Wait `pause` seconds before writing, so that many uses become one batch."""
        self._pause = pause
        self._lock = threading.Lock()
        self._waiting: dict[uuid.UUID, TokenUse] = {}
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="token-last-use")
        self._is_planned = False

    def note(self, use: TokenUse) -> None:
        """Remember a use; returns at once."""
        with self._lock:
            if len(self._waiting) < MAX_WAITING:
                self._waiting[use.token_id] = use
            if self._is_planned:
                return
            self._is_planned = True
        self._thread.submit(self._write_later)

    def write_now(self) -> int:
        """Write what waits, each use in a short transaction, and return how many there were."""
        with self._lock:
            batch, self._waiting = list(self._waiting.values()), {}
            self._is_planned = False
        for use in batch:
            services.record_use(use.token_id, at=use.at, network=use.network, client=use.client)
        return len(batch)

    def close(self) -> None:
        """Write what waits and end the thread."""
        self._thread.shutdown(wait=True)

    def _write_later(self) -> None:
        time.sleep(self._pause)
        try:
            self.write_now()
        except (DatabaseError, InterfaceError):
            # what is lost is a note for people; the next use is noted again
            _log.warning("last uses of API tokens could not be written", exc_info=True)
        finally:
            close_old_connections()
