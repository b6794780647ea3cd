"""Reading publishers and what was minted for them."""

from __future__ import annotations

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from django.db.models import Exists, OuterRef, Q, QuerySet

from keyhouse.accounts.models import Email
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher
from keyhouse.projects.models import Project

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


_NAME_TAKEN: Final = Project.objects.filter(normalized_name=OuterRef("pending_normalized_name"))


def candidates(issuer_url: str, lookups: Collection[str], now: datetime) -> list[Publisher]:
    """Return the publishers of one issuer that may be meant, each with person and project, in one query.

    Pending ones whose time is over, or whose name belongs to a project by now, are left out.
    """
    rows = Publisher.objects.filter(issuer_url=issuer_url, lookup__in=lookups)
    rows = rows.filter(Q(project__isnull=False) | (Q(expires_at__gt=now) & ~Exists(_NAME_TAKEN)))
    rows = rows.select_related("configured_by", "project").annotate(email_is_verified=Exists(_VERIFIED))
    return list(rows.order_by("pk"))


def known_elsewhere(issuer_url: str, provider: str, known_id: str) -> list[Publisher]:
    """Return the publishers that stand for a repository or project of this number, whatever it is called."""
    rows = Publisher.objects.filter(issuer_url=issuer_url, provider=provider, known_id=known_id)
    return list(rows.select_related("project").order_by("pk"))


def publishers_of(project_id: int) -> QuerySet[Publisher]:
    """Return what a project trusts, with who set it up, the oldest first."""
    return Publisher.objects.filter(project_id=project_id).select_related("configured_by").order_by("pk")


def pending_of(user_id: int, now: datetime) -> QuerySet[Publisher]:
    """Return what somebody set up for names to come, as far as its time isn't over."""
    rows = Publisher.objects.filter(project__isnull=True, configured_by_id=user_id, expires_at__gt=now)
    return rows.order_by("pk")
