"""Forgetting mails that are over, failing those that nobody can read any more, and mending what the others say."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, Final

from django.db.models import Q, QuerySet

from keyhouse.core import configuration
from keyhouse.mail.contents import UnreadableError, seal, unseal
from keyhouse.mail.letters import Letter
from keyhouse.mail.models import FAILED, OVER, WAITING, Bounce, Mail
from keyhouse.mail.services import new_token

_AT_ONCE: Final = 1000  # rows of one short transaction


def forget_old(now: datetime) -> int:
    """Forget what is over for longer than the set time; returns how many rows. Permanent bounces stay until cleared."""
    before = now - timedelta(days=configuration.current().mail_keep_days)
    over = Mail.objects.filter(state__in=OVER, ended_at__isnull=False, ended_at__lte=before)
    cleared = Bounce.objects.filter(Q(cleared_at__lte=before) | Q(kind="temporary", at__lte=before))
    return _delete(over) + _delete(cleared)


def _delete(rows: QuerySet[Any]) -> int:
    """Delete a batch after the other, so that nobody waits for long."""
    total = 0
    while found := list(rows.values_list("pk", flat=True)[:_AT_ONCE]):
        total += rows.model._default_manager.filter(pk__in=found).delete()[0]  # noqa: SLF001 - documented name
    return total


def rewrite_waiting(change: Callable[[Letter], Letter]) -> None:
    """Let the waiting mails say what `change` makes of them; those that no key opens stay as they are.

    In the caller's transaction. Each that changes is a new mail for who reads it: the former one may have left.
    """
    waiting = Mail.objects.filter(state=WAITING).only("pk", "content_sealed", "address")
    for mail in waiting.iterator(chunk_size=_AT_ONCE):
        try:
            letter = unseal(mail.content_sealed, mail.address)
        except UnreadableError:
            continue
        if (changed := change(letter)) != letter:
            still_waits = Mail.objects.filter(pk=mail.pk, state=WAITING)
            still_waits.update(content_sealed=seal(changed, mail.address), token=new_token())


def fail_unreadable(now: datetime) -> int:
    """Fail the waiting mails whose text no key opens (their keys were lost); returns how many."""
    lost = []
    waiting = Mail.objects.filter(state=WAITING).only("pk", "content_sealed", "address")
    for mail in waiting.iterator(chunk_size=_AT_ONCE):
        try:
            unseal(mail.content_sealed, mail.address)
        except UnreadableError:
            lost.append(mail.pk)
    return sum(_fail(lost[start : start + _AT_ONCE], now) for start in range(0, len(lost), _AT_ONCE))


def _fail(lost: list[int], now: datetime) -> int:
    told = "It can't be sent: no key of the key file opens it."
    rows = Mail.objects.filter(pk__in=lost, state=WAITING)
    return rows.update(state=FAILED, ended_at=now, content_sealed="", last_error=told)
