"""Forgetting what the exchange keeps, once it is of no use."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyhouse.credentials.trusted_publishers.models import MintedToken, SpentIdentity

# a minted token is kept for a while after its end, so that a report of a leak still finds whose it was
KEPT_AFTER: Final = timedelta(days=30)


def forget_identities(now: datetime) -> int:
    """Forget identities that nobody could show again; returns how many."""
    return SpentIdentity.objects.filter(until__lt=now).delete()[0]


def forget_minted(now: datetime) -> int:
    """Forget minted tokens that are long over; returns how many."""
    return MintedToken.objects.filter(expires_at__lt=now - KEPT_AFTER).delete()[0]
