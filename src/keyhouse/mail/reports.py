"""Reading what a mail service reports of mails that came back. Pure.

`[{"address": "ada@example.org", "kind": "permanent", "at": "2024-01-01T00:00:00Z"}]`, and nothing else: a report that
was half understood could silence the wrong people.
"""

from __future__ import annotations

import json
from typing import Any, Final, cast

from keyhouse.core import clock
from keyhouse.mail.errors import BouncesMalformed
from keyhouse.mail.models import LONGEST_ADDRESS
from keyhouse.mail.services import BOUNCE_KINDS, Bounced, BounceKind

MOST: Final = 1000
_FIELDS: Final = {"address", "kind", "at"}


def read_report(body: bytes) -> list[Bounced]:
    """Return what the report tells; raises BouncesMalformed."""
    try:
        told = json.loads(body.decode())
    except (ValueError, RecursionError) as error:
        raise BouncesMalformed("The report is not JSON in UTF-8.") from error
    if not isinstance(told, list) or len(told) > MOST:
        raise BouncesMalformed(f"The report is not a list of at most {MOST} bounces.")
    return [_read(number, one) for number, one in enumerate(told, 1)]


def _read(number: int, told: Any) -> Bounced:
    if not _has_texts(told):
        raise BouncesMalformed(f"Bounce {number} doesn't have exactly the texts address, kind and at.")
    if told["kind"] not in BOUNCE_KINDS:
        raise BouncesMalformed(f"The kind of bounce {number} is none of {', '.join(BOUNCE_KINDS)}.")
    address = told["address"].strip()
    if len(address) > LONGEST_ADDRESS or "@" not in address or not address.isprintable():
        raise BouncesMalformed(f"The address of bounce {number} is none.")
    try:
        at = clock.parse_instant(told["at"])
    except (ValueError, OverflowError) as error:
        raise BouncesMalformed(f"The instant of bounce {number} is none with a zone (RFC 3339).") from error
    return Bounced(address, cast("BounceKind", told["kind"]), at)


def _has_texts(told: Any) -> bool:
    return (
        isinstance(told, dict)
        and set(told) == _FIELDS
        and all(isinstance(value, str) for value in told.values())
    )
