"""The calendar of public mandates as iCalendar (RFC 5545). Pure.

Lines end in CRLF and are folded at 75 octets, never within a character; texts are escaped; every instant is in UTC. An
event has the same UID for good, and a later SEQUENCE once its mandate changed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

FOLDED_AT: Final = 75  # octets, without the end of the line (RFC 5545 3.1)
PRODUCT: Final = "-//Keyhouse//Mandates//EN"
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Event:
    """One instant of a calendar. `uid` is unique in the world; `changed_at` is when it was last told otherwise."""

    uid: str
    sequence: int
    at: datetime
    changed_at: datetime
    summary: str
    description: str
    url: str


def calendar_text(name: str, events: Iterable[Event]) -> str:
    """Return the whole calendar, folded."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", f"PRODID:{PRODUCT}", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"]
    lines.append(f"X-WR-CALNAME:{escaped(name)}")
    for event in events:
        lines += _event(event)
    lines.append("END:VCALENDAR")
    return "".join(f"{folded(line)}\r\n" for line in lines)


def _event(event: Event) -> Iterator[str]:
    yield "BEGIN:VEVENT"
    yield f"UID:{escaped(event.uid)}"
    yield f"SEQUENCE:{event.sequence}"
    yield f"DTSTAMP:{instant(event.changed_at)}"
    yield f"DTSTART:{instant(event.at)}"
    yield f"SUMMARY:{escaped(event.summary)}"
    yield f"DESCRIPTION:{escaped(event.description)}"
    yield f"URL:{event.url}"
    yield "TRANSP:TRANSPARENT"  # nobody is busy because of it
    yield "END:VEVENT"


def instant(at: datetime) -> str:
    """Write an instant as a date with time in UTC (RFC 5545 3.3.5, form 2)."""
    return f"{at.astimezone(UTC):%Y%m%dT%H%M%SZ}"


def escaped(text: str) -> str:
    r"""Return a text as a value (RFC 5545 3.3.11): no control character but the ends of lines, which become `\\n`."""
    plain = _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))
    for sign in ("\\", ";", ","):
        plain = plain.replace(sign, f"\\{sign}")
    return plain.replace("\n", "\\n")


def folded(line: str) -> str:
    """Return a line in pieces of at most 75 octets, each but the first behind a space; no character is torn apart."""
    pieces: list[str] = []
    piece, size = "", 0
    for sign in line:
        length = len(sign.encode())
        if size + length > FOLDED_AT:
            pieces.append(piece)
            piece, size = "", 1  # the space in front
        piece, size = piece + sign, size + length
    return "\r\n ".join([*pieces, piece])
