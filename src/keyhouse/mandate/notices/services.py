"""Queueing notices: everybody who is due gets one mail, some hundred people a transaction.

A round that is cut off anywhere has told whole groups of people, and the next one goes on with the others: rows and
mails of a group are written together. What is due is worked out from those rows inside the transaction, which one node
holds at a time. Like a token's last use it is not audited: the rows are the ledger.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, Final

from django.db import connection, transaction

from keyhouse.accounts.check_up import queries as check_ups
from keyhouse.core import faults
from keyhouse.core.actions import Caution
from keyhouse.core.actor import Actor
from keyhouse.mail.services import Posting, queue_all
from keyhouse.mandate import foregone, people, places
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.notices import emails, of_organizations, queries, rules, wording
from keyhouse.mandate.notices.models import ON_SITE, QUEUED, Delivery, Turn, WeakUse, Wording
from keyhouse.mandate.notices.reach import Reach, reach_of
from keyhouse.mandate.notices.rules import Circumstances, Item, Use
from keyhouse.mandate.rules import Policy

AT_ONCE: Final = 250  # people of one transaction
PRUNED_AT_ONCE: Final = 1000
_THE_TURN: Final = 1
# A round over very many people takes its time; between two of them a server does other things for at least so many times as long.
REST: Final = 30
SHORT_SECONDS: Final = 2.0

_rested: dict[str, float] = {"until": 0.0}  # of this process, by its monotonic clock


def queue_due(now: datetime) -> int:
    """Queue all notices that are due at `now`; returns to how many people. Raises DatabaseError."""
    policies = queries.mailing_policies(now)
    is_any = bool(policies) or places.is_any_declared()
    if not is_any or time.monotonic() < _rested["until"]:
        return 0
    begun = time.monotonic()
    told = _queue_for_all(policies, now)
    took = time.monotonic() - begun
    _rested["until"] = time.monotonic() + (REST * took if took > SHORT_SECONDS else 0.0)
    return told


@dataclass(frozen=True, slots=True)
class _Round:
    """What is the same for everybody: mandates and pauses, weak credentials in use, and the instant."""

    around: Circumstances
    uses: dict[int, list[Use]]
    now: datetime

    @property
    def names(self) -> list[str]:
        return [one.name for one in self.around.policies]


def _queue_for_all(policies: Sequence[Policy], now: datetime) -> int:
    around = Circumstances(
        tuple(policies),
        {one.name: queries.pauses_of(one) for one in policies},
        frozenset(one.name for one in policies if foregone.is_proven(one, now)),
        {f"u{user_id}": enrolled_at for user_id, enrolled_at in check_ups.asked_now(now).items()},
    )
    this = _Round(around, queries.weak_uses([one.name for one in policies], now), now)
    _keep_wordings(policies, now)
    everybody, told = people.all_facts(), 0
    while chunk := list(islice(everybody, AT_ONCE)):
        told += _queue_for(chunk, this)
    return told


def _keep_wordings(policies: Sequence[Policy], now: datetime) -> None:
    """Write the public texts before any mail of them leaves."""
    templates = {one.digest: one for one in wording.all_templates(policies)}
    known = set(Wording.objects.filter(digest__in=list(templates)).values_list("digest", flat=True))
    rows = [
        Wording(
            digest=digest, mandate=one.mandate, version=one.version, kind=one.kind, title=one.title,
            text=one.text, first_at=now,
        )
        for digest, one in templates.items()
        if digest not in known
    ]  # fmt: skip
    Wording.objects.bulk_create(rows, ignore_conflicts=True)


@dataclass(frozen=True, slots=True)
class _Digest:
    """All that one person is told now."""

    facts: Facts
    items: tuple[Item, ...]
    reach: Reach
    tries: int

    @property
    def user_id(self) -> int:
        return queries.id_of(self.facts)

    @property
    def is_mailed(self) -> bool:
        """Tell whether there is more to tell than what stands on the site alone."""
        return any(one.kind not in rules.ON_SITE for one in self.items)

    @property
    def letter(self) -> str:
        """Name the letter, the same whoever makes it: the outbox takes no second one; empty where nothing is mailed."""
        if not self.is_mailed:
            return ""
        told = [str(self.user_id), str(self.tries), *("\x1f".join(one.key) for one in self.items)]
        return hashlib.sha256("\x1e".join(told).encode()).hexdigest()[:32]


def _queue_for(chunk: Sequence[Facts], this: _Round) -> int:
    """Queue what is due to these people, in one transaction; nothing is locked where nothing is due."""
    if not any(True for _ in _digests(chunk, this)):
        return 0
    with transaction.atomic():
        _take_turn()
        digests = list(_digests(chunk, this))
        _write(digests, this.now)
        faults.reach("notice.rows-written")
    faults.reach("notice.committed")
    return len(digests)


def _take_turn() -> None:
    """Let one transaction at a time queue notices: whoever waited sees what the other one wrote."""
    Turn.objects.bulk_create([Turn(pk=_THE_TURN)], ignore_conflicts=True)
    Turn.objects.select_for_update().get(pk=_THE_TURN)


def _digests(chunk: Sequence[Facts], this: _Round) -> Iterator[_Digest]:
    ids = [queries.id_of(one) for one in chunk]
    there = of_organizations.asked_of(chunk, this.now)
    names = {*this.names, *(one.policy.notice_name for several in there.values() for one in several)}
    reach, rows = reach_of(ids), queries.deliveries_of(ids, names)
    for key, facts in zip(ids, chunk, strict=True):
        where, mine = reach.get(key), rows.get(key, {})
        if where is None or not where.is_open:
            continue
        told = [queries.told_by(row, where, this.now) for row in mine.values()]
        uses = this.uses.get(key, ())
        items = rules.due(facts, this.around, told, uses, this.now, there.get(key, ()))
        if not where.addresses:  # what can't be sent is written down once, and sent once it can be
            items = [one for one in items if one.kind == rules.ANNOUNCEMENT]
        if items:
            tries = [row.tries + 1 for one in items if (row := mine.get(one.key)) is not None]
            yield _Digest(facts, tuple(items), where, max(tries, default=1))


def _write(digests: Sequence[_Digest], now: datetime) -> None:
    """Write rows and mails; in plain SQL, since Django would spend more time on the rows than the database does."""
    with connection.cursor() as cursor:
        cursor.executemany(_UPSERT, [row for one in digests for row in _rows(one, now)])
    queue_all((posting for one in digests for posting in _postings(one, now)), now=now, lane="bulk")


_COLUMNS: Final = (
    "user_id", "mandate", "kind", "about", "version", "wording", "letter", "addresses", "tries", "scheduled_at",
    "deadline_at", "queued_at", "state", "ended_at",
)  # fmt: skip
_KEY: Final = 4  # columns that name an occasion
_UPSERT: Final = (
    f"INSERT INTO {Delivery._meta.db_table} ({', '.join(_COLUMNS)}) VALUES ({', '.join(['%s'] * len(_COLUMNS))})"  # noqa: SLF001 - names of our own
    f" ON CONFLICT ({', '.join(_COLUMNS[:_KEY])}) DO UPDATE SET "
    + ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS[_KEY:])
)


def _rows(digest: _Digest, now: datetime) -> Iterator[tuple[Any, ...]]:
    at = connection.ops.adapt_datetimefield_value
    why_not = digest.reach.why_not or ("" if digest.is_mailed else ON_SITE)
    for item in digest.items:
        policy = item.policy
        yield (
            digest.user_id,
            *item.key,
            policy.version,
            wording.digest_of(policy, item.kind),
            digest.letter,
            len(digest.reach.addresses) if digest.is_mailed else 0,
            digest.tries,
            at(item.scheduled_at),
            at(item.deadline_at),
            at(now),
            why_not or QUEUED,
            at(now) if why_not else None,
        )


def _postings(digest: _Digest, now: datetime) -> Iterator[Posting]:
    if not digest.reach.addresses or not digest.is_mailed:
        return
    letter = emails.letter_of(digest.facts, digest.items, digest.reach.check_phrase, now)
    for number, address in enumerate(digest.reach.addresses):
        yield Posting(letter, address, digest.user_id, key_of(digest.letter, number))


def key_of(letter: str, number: int) -> str:
    """Return the key in the outbox of a letter to one of somebody's addresses."""
    return f"{emails.KIND}:{letter}:{number}"


# ---- weak credentials in use


def note_weak_use(actor: Actor, project: str, cautions: Iterable[Caution], *, now: datetime) -> None:
    """Note that a credential weaker than asked for published a project; whoever made it and its owners are told by mail.

    Nothing is noted for mandates that don't mail. Like a token's last use it is not audited.
    """
    names = {one.mandate for one in cautions} & {one.name for one in queries.mailing_policies(now)}
    if actor.user_id is None or not names:
        return
    rows = [WeakUse(user_id=actor.user_id, project=project, mandate=name, at=now) for name in sorted(names)]
    WeakUse.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["user", "project", "mandate"], update_fields=["at"]
    )


def forget_weak_uses(now: datetime) -> int:
    """Forget uses that everybody was told of long ago; returns how many."""
    old = WeakUse.objects.filter(at__lte=now - 2 * rules.WEAK_EVERY).values_list("pk", flat=True)
    return WeakUse.objects.filter(pk__in=list(old[:PRUNED_AT_ONCE])).delete()[0]


# ---- on the site


def mark_read(user_id: int, *, now: datetime) -> list[str]:
    """Note that somebody saw all their notices on the site, and return of which mandates they were."""
    unread = Delivery.objects.filter(user_id=user_id, read_at=None)
    names = sorted(set(unread.values_list("mandate", flat=True)))
    if names:
        unread.update(read_at=now)
    return names
