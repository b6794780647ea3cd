"""Forgetting what is over: attempts, sessions, and what was entered behind links that nobody finished."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Final

from django.db.models import QuerySet

from keyhouse.accounts.addresses.rules import CLAIM_LIFE
from keyhouse.accounts.browsers import prune_browsers
from keyhouse.accounts.limits import prune_attempts
from keyhouse.accounts.lone_address import warn_of_lone_address
from keyhouse.accounts.models import Email, OneTimeLink
from keyhouse.accounts.second_factors.webauthn.ceremonies import prune_ceremonies
from keyhouse.accounts.sessions import prune_sessions
from keyhouse.accounts.unfinished import services as unfinished

EVERY: Final = timedelta(minutes=10)
LINKS_KEPT: Final = timedelta(days=30)  # after their end, so that an old link still says that it is old

_lock = threading.Lock()
_last: datetime | None = None


def forget_old(now: datetime) -> dict[str, int]:
    """Forget everything that is over; returns how many rows of each kind. Twice does no harm."""
    over = OneTimeLink.objects.filter(expires_at__lte=now)
    return {
        "attempts": prune_attempts(now),
        "sessions": prune_sessions(now),
        "browsers": prune_browsers(now),
        "ceremonies": prune_ceremonies(now),
        "unfinished_sign_ins": unfinished.prune(now),
        "drafts": over.exclude(draft_sealed="").update(draft_sealed=""),
        "claims": _unproven_claims(now).delete()[0],
        "links": over.filter(expires_at__lte=now - LINKS_KEPT).delete()[0],
    }


def _unproven_claims(now: datetime) -> QuerySet[Email]:
    """Return addresses that were added and never verified: what somebody says of another's address is soon forgotten."""
    return Email.objects.filter(
        verified_at=None, domain_gone_at=None, is_primary=False, added_at__lte=now - CLAIM_LIFE
    )


def forget_old_sometimes(now: datetime) -> None:
    """Do it where the last time in this process is ten minutes ago: sign-ins come by often enough.

    As often it is looked whether everybody seems to come from one proxy.
    """
    global _last  # noqa: PLW0603 - one instant for each process
    with _lock:
        if _last is not None and timedelta(0) <= now - _last < EVERY:
            return
        _last = now
    forget_old(now)
    warn_of_lone_address(now)
