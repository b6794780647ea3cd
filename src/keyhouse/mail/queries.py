"""Reading the outbox."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q, QuerySet

from keyhouse.core import configuration
from keyhouse.mail.models import BULK, SECURITY, WAITING, Bounce, Mail
from keyhouse.mail.rules import STUCK_AFTER, fold_address, pace


def is_off() -> bool:
    """Whether there is no mail server: mails become files, and nobody gets one."""
    return not configuration.current().mail_url


def is_stuck(now: datetime) -> bool:
    """Whether a security mail that is still of use has waited for too long."""
    waiting = Mail.objects.filter(state=WAITING, lane=SECURITY, queued_at__lte=now - STUCK_AFTER)
    return waiting.filter(Q(expires_at=None) | Q(expires_at__gt=now)).exists()


def is_deliverable(address: str) -> bool:
    """Whether nothing permanent has come back for this address."""
    return not _standing_bounces(address).exists()


def _standing_bounces(address: str) -> QuerySet[Bounce]:
    return Bounce.objects.filter(address=fold_address(address), kind="permanent", cleared_at=None)


def find_next(lane: str, now: datetime) -> Mail | None:
    """Return the mail of the lane whose turn it is, or None."""
    due = Mail.objects.filter(state=WAITING, lane=lane, due_at__lte=now)
    return due.order_by("due_at", "id").first()


def is_any_due(lane: str, now: datetime) -> bool:
    """Whether a mail of the lane is due."""
    return Mail.objects.filter(state=WAITING, lane=lane, due_at__lte=now).exists()


def may_send_bulk(now: datetime) -> bool:
    """Whether the set rate leaves room for one more bulk mail; it counts what any process has tried lately."""
    length, most = pace(configuration.current().mail_bulk_rate)
    lately = Mail.objects.filter(lane=BULK, tried_at__gt=now - length, tried_at__lte=now)
    return lately[:most].count() < most
