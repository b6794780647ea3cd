"""Writing to the outbox."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, get_args

from django.db import transaction

from keyhouse.mail import waking
from keyhouse.mail.contents import seal
from keyhouse.mail.letters import Letter
from keyhouse.mail.models import LONGEST_ADDRESS, LONGEST_KEY, WAITING, Bounce, Mail
from keyhouse.mail.rules import fold_address

Lane = Literal["security", "bulk"]
BounceKind = Literal["permanent", "temporary", "complaint"]
BOUNCE_KINDS: Final = get_args(BounceKind)

_AT_ONCE: Final = 500  # rows of one statement


@dataclass(frozen=True, slots=True)
class Posting:
    """One letter to one address; the fields are the arguments of `queue`."""

    letter: Letter
    to: str
    account_id: int | None = None
    key: str = ""
    expires_at: datetime | None = None
    even_if_bounced: bool = False


def queue(  # noqa: PLR0913 - one keyword for each thing a caller may know
    letter: Letter,
    *,
    to: str,
    now: datetime,
    lane: Lane = "security",
    account_id: int | None = None,
    key: str = "",
    expires_at: datetime | None = None,
    even_if_bounced: bool = False,
) -> None:
    """Write one mail in the caller's transaction, so that a refusal mails nothing and a crash loses nothing.

    With a `key`, a second one of the same key writes nothing. After `expires_at` it is not sent any more.
    `even_if_bounced` is for the mail that proves an address anew.
    """
    queue_all([Posting(letter, to, account_id, key, expires_at, even_if_bounced)], now=now, lane=lane)


def queue_all(postings: Iterable[Posting], *, now: datetime, lane: Lane) -> None:
    """Write many mails, as `queue` does."""
    if not transaction.get_connection().in_atomic_block:
        message = "a mail belongs into the transaction of what it tells of"
        raise RuntimeError(message)
    rows = [_row(posting, now, lane) for posting in postings]
    Mail.objects.bulk_create(rows, batch_size=_AT_ONCE, ignore_conflicts=True)
    transaction.on_commit(waking.wake)


def _row(posting: Posting, now: datetime, lane: Lane) -> Mail:
    if len(posting.to) > LONGEST_ADDRESS or len(posting.key) > LONGEST_KEY:
        message = "an address or a key of a mail is longer than any can be"
        raise ValueError(message)
    return Mail(
        lane=lane,
        kind=posting.letter.kind,
        address=posting.to,
        account_id=posting.account_id,
        key=posting.key or None,
        even_if_bounced=posting.even_if_bounced,
        content_sealed=seal(posting.letter, posting.to),
        token=new_token(),
        queued_at=now,
        due_at=now,
        expires_at=posting.expires_at,
    )


def new_token() -> str:
    """Return what makes a mail one of its own to whoever reads it (RFC 5322 3.6.4)."""
    return secrets.token_hex(16)


def hasten(now: datetime) -> int:
    """Let all that waits for another try be tried at once; returns how many."""
    changed = Mail.objects.filter(state=WAITING, due_at__gt=now).update(due_at=now)
    transaction.on_commit(waking.wake)
    return changed


def erase_account(account_id: int) -> int:
    """Take address and account out of the mails of an account that are over; what still waits goes out. Returns how many."""
    over = Mail.objects.filter(account_id=account_id).exclude(state=WAITING)
    return over.update(address="", account_id=None)


# ---- what came back


@dataclass(frozen=True, slots=True)
class Bounced:
    """Something came back for an address."""

    address: str
    kind: BounceKind
    at: datetime


def record_bounces(bounces: Iterable[Bounced], *, source: Literal["smtp", "report"]) -> int:
    """Keep what came back and return how much of it is new; the same report twice is one."""
    told = {(fold_address(one.address), one.kind, one.at) for one in bounces}
    known = Bounce.objects.filter(source=source, address__in={address for address, _, _ in told})
    new = told.difference(known.values_list("address", "kind", "at"))
    rows = [Bounce(address=address, kind=kind, at=at, source=source) for address, kind, at in sorted(new)]
    Bounce.objects.bulk_create(rows, batch_size=_AT_ONCE, ignore_conflicts=True)
    return len(rows)


def clear_bounces(address: str, now: datetime) -> int:
    """Let mails go to the address again; returns how many bounces stood against it. A later one counts anew."""
    return Bounce.objects.filter(address=fold_address(address), cleared_at=None).update(cleared_at=now)
