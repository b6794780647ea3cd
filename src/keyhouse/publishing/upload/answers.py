"""From a refusal to an HTTP answer: the one table of the upload's edge.

The first line of the answer is also the reason phrase, because that line is all that some clients show.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from django.db import DatabaseError, InterfaceError

from keyhouse.core.actions import Caution
from keyhouse.core.errors import Refusal, Situation
from keyhouse.mandate import cautions as telling
from keyhouse.mandate import denials
from keyhouse.publishing.upload.errors import BodyStalled, DatabaseUnavailable, UploadFailed
from keyhouse.storage.errors import StorageFull, StorageReadOnly, refusal_of

_log = logging.getLogger("keyhouse.upload")

_LONGEST_LINE: Final = 200
_STATUS: Final = {
    Situation.INVALID: 400,
    Situation.UNAUTHENTICATED: 401,
    Situation.FORBIDDEN: 403,
    Situation.MISSING: 404,
    Situation.CONFLICT: 400,  # clients take 409 for success with another meaning
    Situation.GONE: 410,
    Situation.TOO_LARGE: 413,
    Situation.TOO_MANY: 429,
    Situation.UNAVAILABLE: 503,
}
_STATUS_OF_CLASS: Final[dict[type[Refusal], int]] = {BodyStalled: 408, UploadFailed: 500}
_CHALLENGE: Final = (b"www-authenticate", b'Basic realm="uploads", charset="UTF-8"')
_FULL: Final = "full"
_READ_ONLY: Final = ("readonly", "read-only")


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: `reason` stands in the status line, `text` in the body."""

    status: int
    reason: str
    text: str
    headers: tuple[tuple[bytes, bytes], ...] = ()


def accepted(text: str, cautions: Sequence[Caution] = ()) -> Answer:
    """Answer a file that is published, and tell what will be refused one day: in the body, and as headers."""
    lines = dict.fromkeys([text, *(f"warning: {caution.line}" for caution in cautions)])
    headers = telling.headers_of(telling.soonest(cautions)) if cautions else {}
    pairs = tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
    return Answer(200, "OK", "\n".join(lines) + "\n", pairs)


def refused(refusal: Refusal) -> Answer:
    """Answer a refusal: `code: sentence`, then what to do; one by the gate says that in its first line already."""
    status = _STATUS_OF_CLASS.get(type(refusal), _STATUS[refusal.situation])
    is_denial = refusal.decision is not None
    line = printable_line(denials.line_of(refusal) if is_denial else refusal.line)
    rest = "\n".join(denials.details_of(refusal)) if is_denial else refusal.fix
    headers: list[tuple[bytes, bytes]] = [_CHALLENGE] if status == _STATUS[Situation.UNAUTHENTICATED] else []
    if refusal.retry_after is not None:
        headers.append((b"retry-after", str(refusal.retry_after).encode()))
    return Answer(status, status_line(line), f"{line}\n{rest}".rstrip() + "\n", tuple(headers))


def printable_line(line: str) -> str:
    """Return one line as a body carries it: in any script, with a question mark for what can't be shown."""
    return "".join(sign if sign.isprintable() else "?" for sign in line)


def status_line(line: str) -> str:
    """Return one line of printable ASCII, at most 200 characters: what a status line can carry."""
    printable = "".join(sign if " " <= sign <= "~" else "?" for sign in line)
    return printable if len(printable) <= _LONGEST_LINE else printable[: _LONGEST_LINE - 3] + "..."


def refusal_for(error: Exception) -> Refusal:
    """Return the refusal that tells of any error; what isn't foreseen is logged as the defect it is."""
    if isinstance(error, Refusal):
        return error
    _log.error("an upload failed: %s", type(error).__name__, exc_info=error)
    if isinstance(error, OSError):
        return refusal_of(error)
    if isinstance(error, DatabaseError | InterfaceError):
        return _database_refusal(str(error))
    return UploadFailed()


def _database_refusal(message: str) -> Refusal:
    """Tell a full or read-only disk, which a file database only says in words, from a database that is away."""
    if _FULL in message:
        return StorageFull()
    if any(word in message for word in _READ_ONLY):
        return StorageReadOnly()
    return DatabaseUnavailable()
