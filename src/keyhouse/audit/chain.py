"""The hash chain over audit records: what each one commits to. Pure.

A link is SHA-256 over the link before it, the record's place and the record in canonical JSON. So whoever keeps one link
notices any later change, removal or reordering of what came before it. What is personal stands beside the record and is
only committed to by digest, so that it can be erased without breaking the chain.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

BEGINNING: Final = "0" * 64  # the link before the first record
# What a link commits to, in this order; a field added later goes to the end, and only where it holds something.
FIELDS: Final = (
    "id",
    "at",
    "action",
    "outcome",
    "code",
    "actor_kind",
    "actor_id",
    "credential",
    "methods",
    "about_kind",
    "about_id",
    "about_name",
    "account_id",
    "details",
    "personal_digest",
)


@dataclass(frozen=True, slots=True)
class Head:
    """The last link: how many records are chained, and what they commit to."""

    position: int = 0
    chain: str = BEGINNING


@dataclass(frozen=True, slots=True)
class Sealed:
    """A record as it is kept: its place (None: not chained yet), its link, and the fields of `FIELDS`."""

    position: int | None
    chain: str | None
    fields: Mapping[str, Any]


def link(before: Head, fields: Mapping[str, Any]) -> Head:
    """Return the head after one more record."""
    told = [before.chain, before.position + 1, *(_told(fields[name]) for name in FIELDS)]
    text = json.dumps(told, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return Head(before.position + 1, hashlib.sha256(text.encode()).hexdigest())


def _told(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds")
    return value


def faults(records: Iterable[Sealed], head: Head) -> Iterator[str]:
    """Yield what is wrong with chained records, given in the order of their places, and the head that was kept.

    After the first broken link the rest is only checked for its own, so that one change is told once.
    """
    last = Head()
    for record in records:
        place = record.position or 0
        if place != last.position + 1:
            yield f"place {last.position + 1}: {place - last.position - 1} records are missing before record {record.fields['id']}"
            last = Head(place - 1, last.chain)
        right = link(last, record.fields)
        if right.chain != record.chain:
            yield f"place {place}: record {record.fields['id']} is not what was chained"
        last = Head(place, record.chain or "")
    if last.position != head.position:
        yield f"the end: {head.position} records were chained, and {last.position} are here"
    elif last.chain != head.chain:
        yield f"place {last.position}: the head tells of another record"
