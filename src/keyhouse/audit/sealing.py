"""Chaining audit records in batches, and checking the chain.

A chain inside every transaction would make writers wait for one another. So records are written unchained, and a sealer
gives them their places a second later, in the order in which it finds them committed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Final

from django.db import close_old_connections, connection, transaction

from keyhouse.audit.chain import FIELDS, Head, Sealed, faults, link
from keyhouse.audit.models import ChainHead, Personal, Record
from keyhouse.audit.services import digest_of
from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work

BATCH: Final = 1000  # records of one short transaction
SECONDS: Final = 1.0
THE_HEAD: Final = 1  # key of the one row of `ChainHead`
_AT_ONCE: Final = 1000


def seal(now: datetime) -> int:
    """Chain what is not chained yet, a batch after the other; returns how many records. In parallel, one waits."""
    total = 0
    while sealed := _seal_batch(now):
        total += sealed
        if sealed < BATCH:
            break
    return total


def _seal_batch(now: datetime) -> int:
    if not Record.objects.filter(position=None).exists():
        return 0
    with transaction.atomic():
        head = _lock_head()
        last = Head(head.position, head.chain)
        links: list[tuple[int, str, int]] = []
        for fields in Record.objects.filter(position=None).order_by("id").values(*FIELDS)[:BATCH]:
            last = link(last, fields)
            links.append((last.position, last.chain, fields["id"]))
        _write(links)
        head.position, head.chain, head.sealed_at = last.position, last.chain, now
        head.save()
    return len(links)


def _lock_head() -> ChainHead:
    ChainHead.objects.bulk_create([ChainHead(pk=THE_HEAD)], ignore_conflicts=True)
    return ChainHead.objects.select_for_update().get(pk=THE_HEAD)


def _write(links: list[tuple[int, str, int]]) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "UPDATE audit_record SET position = %s, chain = %s WHERE id = %s AND position IS NULL", links
        )


def find_head() -> ChainHead | None:
    """Return the head of the chain, or None while nothing is chained."""
    return ChainHead.objects.filter(pk=THE_HEAD, position__gt=0).first()


def count() -> tuple[int, int]:
    """Return how many records are chained, and how many wait."""
    head = find_head()
    return (head.position if head else 0), Record.objects.filter(position=None).count()


def verify(
    kept: Head | None = None, watch: Callable[[Iterator[Sealed]], Iterable[Sealed]] = lambda rows: rows
) -> Iterator[str]:
    """Yield everything that is wrong with the log; `kept` is a head that somebody wrote down earlier.

    Told are changed, missing and reordered records, a missing end, a chain that does not hold the kept head, and
    personal data that is not what was committed to (erased is fine). `watch` sees the records go by.
    """
    found = find_head()
    head = Head(found.position, found.chain) if found else Head()
    yield from faults(watch(_sealed()), head)
    if kept is not None:
        yield from _judge_kept(kept)
    yield from _changed_personal()


def _sealed() -> Iterator[Sealed]:
    rows = Record.objects.exclude(position=None).order_by("position")
    for row in rows.values("position", "chain", *FIELDS).iterator(chunk_size=_AT_ONCE):
        yield Sealed(row["position"], row["chain"], row)


def _judge_kept(kept: Head) -> Iterator[str]:
    chain = Record.objects.filter(position=kept.position).values_list("chain", flat=True).first()
    if kept.position and chain != kept.chain:
        yield f"place {kept.position}: this chain is not the one whose head was kept"


def _changed_personal() -> Iterator[str]:
    rows = Personal.objects.select_related("record").exclude(salt="").order_by("record_id")
    for part in rows.iterator(chunk_size=_AT_ONCE):
        if digest_of(part) != part.record.personal_digest:
            yield f"record {part.record_id}: its personal data is not what was committed to"


class Sealer(Rounds):
    """Seals in the background of a server, and what is left when it stops."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "audit-sealer",
            lambda: seal(clock.now()),
            "audit records can't be chained right now",
            close_old_connections,
        )
        super().__init__(work, first=SECONDS, every=SECONDS, also_at_end=True)
