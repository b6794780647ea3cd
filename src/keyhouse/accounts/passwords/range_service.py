"""Asking a service by the k-anonymity range protocol: it learns five of forty hex digits of a SHA-1 digest.

The answer lists all known digests with that beginning, padded with made-up ones of count zero so that its size tells
nothing either. Asking takes network and time: never do it inside a transaction. Every way of not answering is one
exception, and after one the service is left alone for a while, so that sign-ins don't all wait for it.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from keyhouse import __version__
from keyhouse.core.outgoing import OutgoingError, in_time, tls_context

PREFIX: Final = 5
DIGEST_HEX: Final = 40
SECONDS: Final = 2.5  # from the first look-up of the name to the last byte
REST_SECONDS: Final = 30.0
LONGEST_ANSWER: Final = 2**20  # a range has about a thousand lines, and padding some more
CHUNK: Final = 2**14
AT_ONCE: Final = 8
OK: Final = 200

_log = logging.getLogger("keyhouse.accounts")


class RangeServiceError(OutgoingError):
    """The service gave no answer that can be relied on; the message says what happened."""


@dataclass(slots=True)
class RangeService:
    """One service: the address that five hex digits are put behind, and the extra certificate authority."""

    url: str
    ca_file: Path | None = None
    seconds: float = SECONDS
    _rests_until: float = 0.0
    _places: threading.BoundedSemaphore = field(default_factory=lambda: threading.BoundedSemaphore(AT_ONCE))

    def knows(self, digest: bytes) -> bool:
        """Whether the service knows a SHA-1 digest; raises RangeServiceError where it can't be asked."""
        name = digest.hex().upper()
        return name[PREFIX:] in self._ask(name[:PREFIX])

    def _ask(self, prefix: str) -> set[str]:
        if time.monotonic() < self._rests_until:
            raise RangeServiceError("it didn't answer a moment ago")
        try:
            return read_range(in_time(lambda: self._fetch(prefix), self.seconds, self._places))
        except OutgoingError as error:
            self._rests_until = time.monotonic() + REST_SECONDS
            _log.warning("the range service for compromised passwords can't be asked: %s", error)
            raise RangeServiceError(str(error)) from error

    def _fetch(self, prefix: str) -> bytes:
        connection = self._connect()
        try:
            path = urlsplit(self.url).path.rstrip("/")
            headers = {"Add-Padding": "true", "User-Agent": f"keyhouse/{__version__}", "Accept": "text/plain"}
            connection.request("GET", f"{path}/{prefix}", headers=headers)
            return _read(connection.getresponse())
        finally:
            connection.close()

    def _connect(self) -> HTTPConnection:
        parts = urlsplit(self.url)
        if parts.scheme == "https":
            context = tls_context(self.ca_file)
            return HTTPSConnection(parts.hostname or "", parts.port, timeout=self.seconds, context=context)
        return HTTPConnection(parts.hostname or "", parts.port, timeout=self.seconds)


def read_range(body: bytes) -> set[str]:
    """Return the ends of the digests that an answer lists, without padding; raises RangeServiceError."""
    try:
        lines = body.decode("ascii").split()
        return {name.upper() for name, count in map(_read_line, lines) if count}
    except ValueError as error:
        raise RangeServiceError("its answer is not a range of digests") from error


def _read_line(line: str) -> tuple[str, int]:
    name, _, count = line.partition(":")
    if len(name) != DIGEST_HEX - PREFIX or not count.isdigit():
        raise ValueError(line[:DIGEST_HEX])
    int(name, 16)
    return name, int(count)


def _read(response: HTTPResponse) -> bytes:
    """Return the body, bounded; anything but a plain 200 is no answer, and nobody is followed elsewhere."""
    if response.status != OK:
        raise RangeServiceError(f"it answered {response.status}")
    body = b""
    while chunk := response.read(CHUNK):
        body += chunk
        if len(body) > LONGEST_ANSWER:
            raise RangeServiceError("its answer is too long")
    return body
