"""A small strict reader of iCalendar (RFC 5545), to judge ours by: it knows the grammar and forgives nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

_NAME = re.compile(r"[A-Z0-9-]+")
_INSTANT = re.compile(r"[0-9]{8}T[0-9]{6}Z")
_ONCE = ("UID", "DTSTAMP", "DTSTART", "SEQUENCE", "SUMMARY", "DESCRIPTION", "URL", "TRANSP")


class BadCalendarError(ValueError):
    """It breaks the grammar."""


@dataclass
class Component:
    name: str
    lines: list[tuple[str, str]] = field(default_factory=list)
    parts: list[Component] = field(default_factory=list)

    def value(self, name: str) -> str:
        [value] = [value for key, value in self.lines if key == name]
        return value


def read(body: bytes) -> Component:
    """Return the calendar; raises BadCalendarError."""
    text = body.decode()
    if not text.endswith("\r\n") or re.search(r"(?<!\r)\n|\r(?!\n)", text):
        raise BadCalendarError("a line doesn't end in CRLF")
    raw = text.split("\r\n")[:-1]
    if any(len(line.encode()) > 75 for line in raw):
        raise BadCalendarError("a line is longer than 75 octets")
    lines: list[str] = []
    for line in raw:
        if line.startswith((" ", "\t")):
            lines[-1] += line[1:]
        else:
            lines.append(line)
    [calendar] = _components(lines)
    _judge(calendar)
    return calendar


def _components(lines: list[str]) -> list[Component]:
    root = Component("")
    stack = [root]
    for line in lines:
        name, colon, value = line.partition(":")
        if not colon or not _NAME.fullmatch(name):
            raise BadCalendarError(f"no content line: {line}")
        if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise BadCalendarError("a control character")
        if name == "BEGIN":
            part = Component(value)
            stack[-1].parts.append(part)
            stack.append(part)
        elif name == "END":
            if stack.pop().name != value:
                raise BadCalendarError("ends another one")
        else:
            stack[-1].lines.append((name, value))
    if len(stack) != 1:
        raise BadCalendarError("something doesn't end")
    return root.parts


def _judge(calendar: Component) -> None:
    if calendar.name != "VCALENDAR" or calendar.value("VERSION") != "2.0" or not calendar.value("PRODID"):
        raise BadCalendarError("no calendar of version 2.0")
    seen: set[str] = set()
    for event in calendar.parts:
        if event.name != "VEVENT":
            raise BadCalendarError("no event")
        for name in _ONCE:
            event.value(name)
        for name in ("DTSTAMP", "DTSTART"):
            if not _INSTANT.fullmatch(event.value(name)):
                raise BadCalendarError("no instant in UTC")
        if not event.value("SEQUENCE").isdecimal() or event.value("UID") in seen:
            raise BadCalendarError("no sequence, or a UID twice")
        seen.add(event.value("UID"))
        for name in ("SUMMARY", "DESCRIPTION", "UID"):
            unescape(event.value(name))


def unescape(value: str) -> str:
    """Return a text as it was before it was escaped; raises BadCalendarError."""
    if re.search(r"(?<!\\)(?:\\\\)*[;,]", value) or re.search(r"(?<!\\)(?:\\\\)*\\[^\\;,nN]", value):
        raise BadCalendarError("a text that is not escaped")
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] in "nN" else found[1], value)
