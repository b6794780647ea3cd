"""Noting sign-ins that stop after the right password, and telling their owners, once a day at most (ASVS 6.3.5).

Everybody who signs in stands between password and second factor for a moment, so nothing is told before a quarter of an hour.
Whoever has the password can do it over and over: a few are kept, and one mail tells of them all.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import Q

from keyhouse.accounts import browsers, emails
from keyhouse.accounts.devices import describe
from keyhouse.accounts.models import Session, UnfinishedSignIn, User
from keyhouse.accounts.unfinished import letters
from keyhouse.accounts.visitor import Visitor

PATIENCE: Final = timedelta(minutes=15)
EVERY: Final = timedelta(hours=24)  # one mail for each account in so long
KEPT: Final = timedelta(days=30)
MOST: Final = 20  # of one account that wait to be told
AT_ONCE: Final = 200
SHOWN: Final = 5
_OPEN: Final = (User.State.ACTIVE, User.State.HELD)


def note(session: Session, visitor: Visitor, now: datetime) -> None:
    """Note in the transaction of a right password that its session waits for a second factor, in an unknown browser."""
    if session.is_complete or browsers.is_known(session.user_id, visitor, now):
        return
    waiting = UnfinishedSignIn.objects.filter(user_id=session.user_id, told_at=None)
    if waiting.count() < MOST:
        UnfinishedSignIn.objects.create(
            user_id=session.user_id,
            session=session.public_id,
            at=now,
            network=visitor.network[:64],
            user_agent=visitor.user_agent[:300],
        )


def finish(session: Session, visitor: Visitor, now: datetime) -> None:
    """Let a sign-in whose factor was right be none of these, and with it what such a browser broke off a moment before.

    What lies further back stays: a colleague in the same house may have the same browser.
    """
    waiting = UnfinishedSignIn.objects.filter(user_id=session.user_id, told_at=None)
    such = Q(network=visitor.network[:64], user_agent=visitor.user_agent[:300], at__gt=now - PATIENCE)
    waiting.filter(such | Q(session=session.public_id)).delete()


def tell_due(now: datetime) -> int:
    """Tell everybody whose sign-ins stopped and who wasn't told lately; returns how many. Raises DatabaseError."""
    waiting = UnfinishedSignIn.objects.filter(told_at=None, at__lte=now - PATIENCE)
    lately = UnfinishedSignIn.objects.filter(told_at__gt=now - EVERY).values("user_id")
    found = waiting.exclude(user_id__in=lately).order_by("user_id").values_list("user_id", flat=True)
    return sum(_tell(user_id, now) for user_id in found.distinct()[:AT_ONCE])


def _tell(user_id: int, now: datetime) -> bool:
    """Tell one person, in a transaction of its own; of two servers one does."""
    with transaction.atomic():
        user = User.objects.select_for_update().filter(pk=user_id).first()
        mine = UnfinishedSignIn.objects.filter(user_id=user_id)
        if user is None or mine.filter(told_at__gt=now - EVERY).exists():
            return False
        due = list(mine.filter(told_at=None, at__lte=now - PATIENCE).order_by("at", "pk"))
        if not due:
            return False
        mine.filter(pk__in=[row.pk for row in due]).update(told_at=now)
        if user.state not in _OPEN:
            return False  # no password opens it, and its owner was told why
        rows = [(row.at, describe(row.user_agent), row.network) for row in due[-SHOWN:]]
        count = f"{MOST} times or more" if len(due) >= MOST else letters.times(len(due))
        emails.tell(user, letters.stopped(user.username, count, rows), now=now)
    return True


def prune(now: datetime) -> int:
    """Forget what was told long ago; returns how many."""
    return UnfinishedSignIn.objects.filter(told_at__lte=now - KEPT).delete()[0]
