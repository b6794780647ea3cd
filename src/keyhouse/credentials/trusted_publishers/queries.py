"""Reading publishers and what was minted for them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from django.db.models import Exists, OuterRef, Q

from keyhouse.accounts.models import Email
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher

_VERIFIED: Final = Email.objects.filter(
    user_id=OuterRef("configured_by_id"), is_primary=True, verified_at__isnull=False
)


def find_minted(token_id: uuid.UUID) -> MintedToken | None:
    """Return a minted token, or None."""
    return MintedToken.objects.filter(pk=token_id).first()


def live_publishers(ids: Sequence[int], now: datetime) -> list[Publisher]:
    """Return those of these publishers that are there, each with its person and `email_is_verified`, in one query.

    Pending ones whose time is over are left out.
    """
    rows = Publisher.objects.filter(Q(expires_at__isnull=True) | Q(expires_at__gt=now), pk__in=ids)
    return list(
        rows.select_related("configured_by").annotate(email_is_verified=Exists(_VERIFIED)).order_by("pk")
    )
