"""Browsers that people signed in with before: known by a random id in a signed cookie, kept by its digest.

Being known is never a factor. It gives a browser a bucket of its own where attempts are counted, and spares it the
confirmation by mail. A browser becomes known by a sign-in that was completed, or by a one-time link that made the account;
an id without a row is as good as none, so forgetting the row forgets the browser.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from django.db.models import QuerySet

from keyhouse.accounts import strength
from keyhouse.accounts.models import KnownBrowser, User
from keyhouse.accounts.protection import protection_of
from keyhouse.accounts.sessions import digest_of
from keyhouse.core import clock
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS

if TYPE_CHECKING:
    from keyhouse.accounts.visitor import Visitor

MOST: Final = 20  # of one account; the one that was used longest ago goes first
LIFE: Final = timedelta(days=365)  # after the last sign-in; the cookie lives as long
WAIT: Final = timedelta(hours=24)  # that is announced, where no mail can be sent
LONG_WAIT: Final = timedelta(hours=72)  # where mails can be sent: their reader must have time to refuse it
WAIT_KEPT: Final = timedelta(days=7)  # after it is over, until somebody signs in
MOST_WAITS: Final = 3  # of one account at a time

How = KnownBrowser.How


def find(user_id: int, visitor: Visitor) -> KnownBrowser | None:
    """Return the row of the id that this browser has for a person, whatever it is worth by now."""
    digests = [digest_of(one) for one in visitor.ids_for(user_id)]
    return KnownBrowser.objects.filter(user_id=user_id, digest__in=digests).order_by("pk").first()


def is_known(user_id: int, visitor: Visitor, now: datetime) -> bool:
    """Whether this person signed in with this browser before, and has not forgotten it."""
    row = find(user_id, visitor)
    return row is not None and counts(row, now)


def counts(row: KnownBrowser, now: datetime) -> bool:
    """Whether a browser counts as known now.

    What a password alone made known counts no longer once the account has a second factor. A wait that is over counts for
    a week, and only where nothing that protects the account has changed since it began.
    """
    if row.known_at > now or row.last_seen_at <= now - LIFE:
        return False
    if row.account_state:
        return row.known_at > now - WAIT_KEPT and row.account_state == protection_of(row.user_id)
    return row.how != How.PASSWORD or not strength.has_second_factor(row.user_id)


def how_of(methods: Iterable[str]) -> str:
    """Return what a sign-in by these methods makes a browser known for."""
    proven = set(methods)
    if proven & PHISHING_RESISTANT_METHODS:
        return How.KEY
    return How.PASSWORD if proven <= {"password"} else How.FIRST


def remember(user_id: int, visitor: Visitor, how: str, *, now: datetime) -> bool:
    """Note in the caller's transaction that a person signed in with this browser; returns whether it is a new one.

    A known one stays known as it was, except that a proof that says more takes the place of a password's.
    """
    row = find(user_id, visitor)
    if how != How.PASSWORD:
        User.objects.filter(pk=user_id, first_browser_at=None).update(first_browser_at=now)
    if row is not None and counts(row, now):
        _see_again(row, visitor, now)
        return False
    if row is not None:
        row.delete()  # its id was worth nothing, so it must not become worth something again
    add(user_id, visitor, how, known_at=now, now=now)
    return True


def _see_again(row: KnownBrowser, visitor: Visitor, now: datetime) -> None:
    KnownBrowser.objects.filter(pk=row.pk).update(
        account_state="", last_seen_at=now, network=visitor.network[:64], user_agent=visitor.user_agent[:300]
    )


def add(  # noqa: PLR0913 - what a row holds
    user_id: int,
    visitor: Visitor,
    how: str,
    *,
    known_at: datetime,
    now: datetime,
    account_state: str = "",
) -> KnownBrowser:
    """Write the row of a browser under an id that it gets now; those that were used longest ago make room."""
    row = KnownBrowser.objects.create(
        user_id=user_id,
        digest=digest_of(visitor.fresh_id),
        how=how,
        known_at=known_at,
        account_state=account_state,
        first_seen_at=now,
        last_seen_at=now,
        network=visitor.network[:64],
        user_agent=visitor.user_agent[:300],
    )
    rows = KnownBrowser.objects.filter(user_id=user_id).order_by("-last_seen_at", "-pk")
    surplus = list(rows.values_list("pk", flat=True)[MOST:])
    KnownBrowser.objects.filter(pk__in=surplus).delete()
    return row


def browsers_of(user_id: int, now: datetime) -> QuerySet[KnownBrowser]:
    """Return the browsers of a person that are not too old, the last used one first."""
    return KnownBrowser.objects.filter(user_id=user_id, last_seen_at__gt=now - LIFE).order_by(
        "-last_seen_at", "-pk"
    )


def waits_of(user_id: int, now: datetime) -> QuerySet[KnownBrowser]:
    """Return the browsers that wait to become known."""
    return KnownBrowser.objects.filter(user_id=user_id, known_at__gt=now).order_by("known_at", "pk")


def forget(user_id: int, now: datetime, browser_id: int | None = None) -> int:
    """Forget one browser of a person, or all, in the caller's transaction; returns how many.

    From here on no browser is taken for known for being the first.
    """
    User.objects.filter(pk=user_id, first_browser_at=None).update(first_browser_at=now)
    rows = KnownBrowser.objects.filter(user_id=user_id)
    return (rows if browser_id is None else rows.filter(pk=browser_id)).delete()[0]


def has_bucket(user_id: int, browser_id: str) -> bool:
    """Whether attempts with this id are counted apart from those of strangers: only where it counts as known."""
    row = KnownBrowser.objects.filter(user_id=user_id, digest=digest_of(browser_id)).first()
    return row is not None and counts(row, clock.now())


def prune_browsers(now: datetime) -> int:
    """Forget browsers that nobody signed in with for a year; returns how many."""
    return KnownBrowser.objects.filter(last_seen_at__lte=now - LIFE).delete()[0]
