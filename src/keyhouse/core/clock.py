"""The one clock. Everything that decides by time asks `now()`; rules take the instant as an argument.

In the test environment the time may come from a file that holds one RFC 3339 instant; it is read
whenever the time is asked, in every process. An unreadable file leaves the last value standing.
"""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime
from pathlib import Path


class ClockFile:
    """An instant kept in a file that somebody else replaces by rename."""

    def __init__(self, path: Path) -> None:
        """Watch `path`; until it can be read, real time holds."""
        self._path = path
        self._last: datetime | None = None

    def read(self) -> datetime:
        """Return the instant in the file, or the last one that could be read."""
        # a half-written or missing file must not stop the clock
        with contextlib.suppress(OSError, ValueError):
            self._last = parse_instant(self._path.read_text(encoding="ascii").strip())
        return self._last or datetime.now(UTC)


_file: ClockFile | None = None


def follow_file(path: Path | None) -> None:
    """Take the time from `path` (test environment only), or from the system when None."""
    global _file  # noqa: PLW0603 - the one clock of the process
    _file = ClockFile(path) if path else None


def now() -> datetime:
    """Return the current instant, timezone-aware, in UTC."""
    return _file.read() if _file else datetime.now(UTC)


def parse_instant(text: str) -> datetime:
    """Read an RFC 3339 instant; one without a zone, or outside of the calendar in UTC, raises ValueError."""
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is None:
        message = "an instant needs a zone, for example 2024-01-01T00:00:00Z"
        raise ValueError(message)
    try:
        return instant.astimezone(UTC)
    except OverflowError as error:
        message = "an instant lies between the years 1 and 9999, also in UTC"
        raise ValueError(message) from error


def format_second(instant: datetime) -> str:
    """Write an instant for people to read: RFC 3339 in UTC, to the second."""
    return format_instant(instant.replace(microsecond=0))


def format_instant(instant: datetime) -> str:
    """Write an instant as RFC 3339 in UTC with `Z`, microseconds only where there are any."""
    return instant.astimezone(UTC).isoformat().replace("+00:00", "Z")


def format_if_any(instant: datetime | None) -> str | None:
    """Write an instant as `format_instant` does; None stays None."""
    return None if instant is None else format_instant(instant)
