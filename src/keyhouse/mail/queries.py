"""Reading the outbox."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Count, Min, Q, QuerySet

from keyhouse.core import configuration
from keyhouse.mail.models import BULK, FAILED, SECURITY, SUPPRESSED, WAITING, Bounce, Mail
from keyhouse.mail.rules import STUCK_AFTER, fold_address, pace


def are_files() -> bool:
    """Whether mails become files, for want of a mail server."""
    return not configuration.current().mail_url


def is_off() -> bool:
    """Whether nobody gets a mail: there is no mail server, and no folder was named from which somebody takes them.

    Without either they become files in the data folder, where nobody is expected to look.
    """
    return are_files() and configuration.current().mail_dir is None


def is_stuck(now: datetime) -> bool:
    """Whether a security mail that is still of use has waited for too long."""
    waiting = Mail.objects.filter(state=WAITING, lane=SECURITY, queued_at__lte=now - STUCK_AFTER)
    return waiting.filter(Q(expires_at=None) | Q(expires_at__gt=now)).exists()


def is_stuck_for(addresses: Iterable[str], now: datetime) -> bool:
    """Whether one of these waits for a security mail for too long.

    What waits for others says nothing: somebody may have brought along an address whose server takes no mail.
    """
    waiting = Mail.objects.filter(state=WAITING, lane=SECURITY, queued_at__lte=now - STUCK_AFTER)
    theirs = waiting.filter(address__in=list(addresses))
    return theirs.filter(Q(expires_at=None) | Q(expires_at__gt=now)).exists()


def is_deliverable(address: str) -> bool:
    """Whether nothing permanent has come back for this address."""
    return _may_get(address, "permanent")


def may_get(address: str, lane: str) -> bool:
    """Whether a mail of this lane may go to the address: whoever complained gets no more bulk ones."""
    return _may_get(address, *_AGAINST[lane])


_AGAINST: Final[Mapping[str, tuple[str, ...]]] = {SECURITY: ("permanent",), BULK: ("permanent", "complaint")}


def _may_get(address: str, *kinds: str) -> bool:
    return not standing_bounces().filter(address=fold_address(address), kind__in=kinds).exists()


def permanent_bounces(folded: Sequence[Any]) -> QuerySet[Bounce]:
    """Return what says of these addresses, as `fold_address` writes them, that no mail can reach them."""
    return standing_bounces().filter(address__in=folded, kind="permanent").order_by()


def standing_bounces() -> QuerySet[Bounce]:
    """Return what keeps mails from addresses, newest first."""
    return Bounce.objects.filter(kind__in=_AGAINST[BULK], cleared_at=None).order_by("-at", "-id")


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits in a lane: how many, since when the oldest does, when the next one is tried."""

    lane: str
    count: int
    oldest_at: datetime | None
    next_at: datetime | None


def waiting_by_lane() -> tuple[Waiting, ...]:
    """Return what waits, security first."""
    return tuple(_waiting(lane) for lane in (SECURITY, BULK))


def _waiting(lane: str) -> Waiting:
    told = Mail.objects.filter(state=WAITING, lane=lane).aggregate(
        count=Count("pk"), oldest=Min("queued_at"), next=Min("due_at")
    )
    return Waiting(lane, told["count"], told["oldest"], told["next"])


def waiting() -> QuerySet[Mail]:
    """Return the mails that wait, the next one first."""
    return Mail.objects.filter(state=WAITING).order_by("-lane", "due_at", "id").defer("content_sealed")


def failed() -> QuerySet[Mail]:
    """Return the mails that were never sent and never will be, the newest first."""
    ended = Mail.objects.filter(state__in=(FAILED, SUPPRESSED), ended_at__isnull=False)
    return ended.order_by("-ended_at", "-id").defer("content_sealed")


def ledger() -> QuerySet[Mail]:
    """Return all mails that are still known, the newest first."""
    return Mail.objects.order_by("-id").defer("content_sealed")


def mails_of(account_id: int) -> QuerySet[Mail]:
    """Return the mails about one account that are still known, the newest first."""
    return ledger().filter(account_id=account_id)


def find_by_key(key: str) -> Mail | None:
    """Return the mail that was queued with this key, or None."""
    return Mail.objects.filter(key=key).defer("content_sealed").first()


def find_due(lane: str, now: datetime) -> QuerySet[Mail]:
    """Return the mails of the lane that are due, in their order."""
    return Mail.objects.filter(state=WAITING, lane=lane, due_at__lte=now).order_by("due_at", "id")


def is_any_due(lane: str, now: datetime) -> bool:
    """Whether a mail of the lane is due."""
    return Mail.objects.filter(state=WAITING, lane=lane, due_at__lte=now).exists()


def may_send_bulk(now: datetime) -> bool:
    """Whether the set rate leaves room for one more bulk mail; it counts what any process has tried lately."""
    length, most = pace(configuration.current().mail_bulk_rate)
    lately = Mail.objects.filter(lane=BULK, tried_at__gt=now - length, tried_at__lte=now)
    return lately[:most].count() < most
