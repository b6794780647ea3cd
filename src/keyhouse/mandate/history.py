"""Facts of gated attempts, kept so that history can be replayed.

An attempt is noted in memory and written by the second: the gate must cost an upload next to nothing. A crash loses at
most the last second. Facts are kept once for each digest; they hold no secret, no address and no network.

Only a running server writes. Where the database can't be written, attempts wait in memory, up to a bound, and the gate
goes on.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final
from zlib import crc32

from django.db import (
    DatabaseError,
    InterfaceError,
    OperationalError,
    close_old_connections,
    connection,
    transaction,
)

from keyhouse.core import configuration
from keyhouse.mandate.facts import Facts, read_facts
from keyhouse.mandate.models import GatedAttempt, KnownFacts
from keyhouse.mandate.rules import Decision, Policy, decide

MOST_WAITING: Final = 10_000
WRITE_SECONDS: Final = 1.0
AWAY_SECONDS: Final = 10.0  # between tries while the database can't be written
AT_ONCE: Final = 1000  # attempts of one transaction
PRUNED_AT_ONCE: Final = 500
BATCHES: Final = 20  # of one call of `prune`
READ_AT_ONCE: Final = 2000
# Reading a private index asks the gate every few seconds for each client; once a minute is enough to replay it.
READING: Final = "index.read-private"
READING_EVERY: Final = timedelta(minutes=1)
_MOST_READERS: Final = 4096
_LOCK: Final = crc32(b"keyhouse:mandate-history")

_log = logging.getLogger("keyhouse.mandate")
Noted = tuple[Facts, Decision, datetime]
Keep = Callable[[], None]
# Looks at attempts before they are written, and returns what it keeps of them in the transaction that writes them.
Watch = Callable[[Sequence[Noted]], Keep | None]
_watches: list[Watch] = []
_waiting: deque[Noted] = deque(maxlen=MOST_WAITING)
_writing = threading.Lock()


_Act = tuple[str, str, str, str]  # person, action, kind and name of the thing


class _Request:
    """What is asked in one request, by any of its threads; a thread may outlive it where nobody waits any more."""

    def __init__(self) -> None:
        self._acts: dict[_Act, Noted] | None = {}
        self._lock = threading.Lock()

    def note(self, noted: Noted) -> None:
        """Keep the last answer about each act, in its place."""
        act = _act_of(noted[0])
        with self._lock:
            if self._acts is None:
                _waiting.append(noted)
            else:
                self._acts.pop(act, None)
                self._acts[act] = noted

    def close(self) -> None:
        """Hand over what was noted; what comes later is handed over at once."""
        with self._lock:
            acts, self._acts = self._acts or {}, None
        known = {act[:2] for act in acts if act[2]}
        _waiting.extend(noted for act, noted in acts.items() if act[2] or act[:2] not in known)


_request: ContextVar[_Request | None] = ContextVar("keyhouse-gated-request", default=None)


def note(facts: Facts, decision: Decision, now: datetime) -> None:
    """Note one attempt; nothing is worked out here, since somebody waits."""
    noted, request = (facts, decision, now), _request.get()
    if request is None:
        _waiting.append(noted)
    else:
        request.note(noted)


def _act_of(facts: Facts) -> _Act:
    thing = facts.object
    return facts.person.id, facts.action, thing.kind if thing else "", thing.name if thing else ""


@contextmanager
def one_request() -> Iterator[None]:
    """Keep each act of a request once, with its last answer, however many doors and services ask about it.

    A door that asks before the thing is known, and a service that asks about that thing, are one act.
    """
    request = _Request()
    token = _request.set(request)
    try:
        yield
    finally:
        _request.reset(token)
        request.close()


def wire(*watches: Watch) -> None:
    """Let these see all attempts as they are written, off the path of any request; none takes them out."""
    _watches[:] = watches


def count_waiting() -> int:
    """Return how many attempts are noted and not written."""
    return len(_waiting)


def write_waiting() -> int:
    """Write what was noted so far and return how many attempts; raises DatabaseError, and then they go on waiting."""
    written = 0
    with _writing:
        for _ in range(MOST_WAITING // AT_ONCE + 1):
            batch = _take()
            if not batch:
                break
            try:
                written += _write(batch)
            except (OperationalError, InterfaceError):
                _waiting.extendleft(reversed(batch))
                raise
            except (DatabaseError, ValueError):
                written += _write_one_by_one(batch)
    return written


def _write_one_by_one(batch: Sequence[Noted]) -> int:
    """Write what can be written; an attempt that no database takes must not keep the others waiting for ever."""
    written = 0
    for one in batch:
        try:
            written += _write([one])
        except (DatabaseError, ValueError):
            _log.warning("an attempt at the gate can't be kept", exc_info=True)
    return written


def _take() -> list[Noted]:
    return [_waiting.popleft() for _ in range(min(len(_waiting), AT_ONCE))]


def _write(batch: Sequence[Noted]) -> int:
    kept = [(facts, decision, at) for facts, decision, at in batch if _readers.is_worth_keeping(facts, at)]
    keeps = _seen_by_all(kept)
    if configuration.current().mandate_history_days == 0:
        with transaction.atomic():
            _keep_all(keeps)
        return 0
    attempts = [_attempt(digest_of(facts), decision, at) for facts, decision, at in kept]
    known = {
        row.digest: KnownFacts(digest=row.digest, facts=facts.as_dict(), first_at=at)
        for row, (facts, _, at) in reversed(list(zip(attempts, kept, strict=True)))
    }
    with transaction.atomic():
        _lock(shared=True)
        # in one order everywhere, so that two writers don't wait for each other in a circle
        rows = sorted(known.values(), key=lambda row: row.digest)
        KnownFacts.objects.bulk_create(rows, ignore_conflicts=True, batch_size=PRUNED_AT_ONCE)
        GatedAttempt.objects.bulk_create(attempts, batch_size=PRUNED_AT_ONCE)
        _keep_all(keeps)
    return len(attempts)


def _seen_by_all(kept: Sequence[Noted]) -> list[Keep]:
    """Let all watches look; whatever goes wrong there costs no attempt its place in history."""
    found: list[Keep] = []
    for watch in _watches if kept else ():
        try:
            keep = watch(kept)
        except (OperationalError, InterfaceError):
            raise
        except Exception:  # noqa: BLE001 - as above
            _log.warning("attempts at the gate can't be counted", exc_info=True)
            continue
        if keep is not None:
            found.append(keep)
    return found


def _keep_all(keeps: Iterable[Keep]) -> None:
    for keep in keeps:
        try:
            with transaction.atomic():
                keep()
        except (OperationalError, InterfaceError):
            raise
        except (DatabaseError, ValueError):
            _log.warning("what attempts at the gate add up to can't be kept", exc_info=True)


def _attempt(digest: str, decision: Decision, at: datetime) -> GatedAttempt:
    label = f"{decision.mandate}@{decision.version}" if decision.version else decision.mandate or ""
    return GatedAttempt(at=at, digest=digest, verdict=decision.verdict, code=decision.code, mandate=label)


@lru_cache(maxsize=512)
def digest_of(facts: Facts) -> str:
    """Return the digest of facts; the same ones come again and again."""
    return facts.digest


class _Readers:
    """Who was noted as a reader lately, by digest of facts."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, datetime] = OrderedDict()

    def is_worth_keeping(self, facts: Facts, at: datetime) -> bool:
        """Tell no for a reading that was kept less than a minute ago."""
        if facts.action != READING:
            return True
        digest = digest_of(facts)
        last = self._seen.get(digest)
        if last is not None and abs(at - last) < READING_EVERY:
            return False
        self._seen[digest] = at
        self._seen.move_to_end(digest)
        if len(self._seen) > _MOST_READERS:
            self._seen.popitem(last=False)
        return True


_readers = _Readers()


def _lock(*, shared: bool) -> None:
    """Keep writers and the pruner apart, so that no facts are dropped that somebody just referred to.

    On SQLite a transaction that writes is alone anyway.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}(%s)", [_LOCK])


def prune(now: datetime) -> int:
    """Forget attempts older than the setting says, with facts that none is left of; returns how many rows.

    In batches, a bounded number a call, so that no writer waits for long.
    """
    days = configuration.current().mandate_history_days
    old = GatedAttempt.objects.all()
    if days:
        old = old.filter(at__lt=now - timedelta(days=days))
    pruned = 0
    for _ in range(BATCHES):
        rows = list(old.order_by("at").values_list("pk", "digest")[:PRUNED_AT_ONCE])
        if not rows:
            break
        pruned += _drop([pk for pk, _ in rows], {digest for _, digest in rows})
    return pruned


def _drop(keys: list[int], digests: Iterable[str]) -> int:
    with transaction.atomic():
        _lock(shared=False)
        dropped = GatedAttempt.objects.filter(pk__in=keys).delete()[0]
        left = GatedAttempt.objects.filter(digest__in=digests).values_list("digest", flat=True)
        orphans = set(digests) - set(left.distinct())
        return dropped + KnownFacts.objects.filter(pk__in=orphans).delete()[0]


def replayed(
    policies_at: Callable[[datetime], Sequence[Policy]],
    *,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[tuple[GatedAttempt, Decision]]:
    """Decide kept attempts anew, oldest first, by whichever mandates are given for each instant.

    With the mandates that were live then the answers are those that were given. Of whoever had very many rights the facts
    name only the projects that these asked about, so that mandates of others can be told nothing of them. `since` belongs to
    the span, `until` doesn't.
    """
    for attempts in _batches(since, until):
        facts = _facts_of(attempts)
        for attempt in attempts:
            if attempt.digest in facts:
                yield attempt, decide(facts[attempt.digest], policies_at(attempt.at), attempt.at)


def _batches(since: datetime | None, until: datetime | None) -> Iterator[list[GatedAttempt]]:
    rows = GatedAttempt.objects.order_by("at", "pk")
    rows = rows.filter(at__gte=since) if since else rows
    rows = rows.filter(at__lt=until) if until else rows
    batch = list(rows[:READ_AT_ONCE])
    while batch:
        yield batch
        last = batch[-1]
        same = rows.filter(at=last.at, pk__gt=last.pk)
        batch = list(same[:READ_AT_ONCE]) or list(rows.filter(at__gt=last.at)[:READ_AT_ONCE])


def _facts_of(attempts: Sequence[GatedAttempt]) -> dict[str, Facts]:
    digests = sorted({attempt.digest for attempt in attempts})
    found: dict[str, Facts] = {}
    for start in range(0, len(digests), PRUNED_AT_ONCE):
        part = digests[start : start + PRUNED_AT_ONCE]
        for digest, body in KnownFacts.objects.filter(pk__in=part).values_list("digest", "facts"):
            found[digest] = read_facts(body)
    return found


class Writer:
    """Writes what this process noted, by the second, on a thread of its own; ends with writing the rest."""

    def __init__(self) -> None:
        """Begin when the server starts."""
        self._is_stopping = threading.Event()
        self._thread: threading.Thread | None = None

    async def startup(self) -> None:
        """Begin to write."""
        self._is_stopping.clear()
        self._thread = threading.Thread(target=self._run, name="mandate-history", daemon=True)
        self._thread.start()

    async def shutdown(self) -> None:
        """Write the rest and stop."""
        self._is_stopping.set()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        while not self._is_stopping.wait(self._write()):
            pass
        self._write()

    def _write(self) -> float:
        """Write what waits and return how many seconds to rest."""
        try:
            write_waiting()
        except Exception:  # noqa: BLE001 - whatever happens here, the gate goes on
            _log.warning("attempts at the gate can't be kept right now", exc_info=True)
            return AWAY_SECONDS
        finally:
            close_old_connections()
        return WRITE_SECONDS
