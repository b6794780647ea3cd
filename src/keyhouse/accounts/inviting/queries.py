"""Who was invited and has not come yet."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet
from django.db.models.functions import Lower

from keyhouse.accounts import links
from keyhouse.accounts.models import Email, OneTimeLink, User


def unused_invitations() -> QuerySet[OneTimeLink]:
    """Return the invitations that nobody has used, also those too old, the oldest first."""
    found = OneTimeLink.objects.filter(purpose=links.INVITATION, used_at=None)
    return found.order_by("made_at", "pk")


def find_invitation(username: str, address: str, now: datetime) -> OneTimeLink | None:
    """Return the invitation of that name and address that can still be used, or None."""
    alive = unused_invitations().filter(username__iexact=username, expires_at__gt=now)
    return alive.filter(address__iexact=address).last()


def find_invited_address(username: str) -> str | None:
    """Return the address to which the last unused invitation of a user name went, or None."""
    found = unused_invitations().filter(username__iexact=username).last() if username else None
    return found.address.lower() if found and found.address else None


def not_yet_here() -> list[OneTimeLink]:
    """Return, for each person who was invited and has no account, the last invitation."""
    last = {link.address.lower() or link.username.lower(): link for link in unused_invitations()}
    verified = Email.objects.filter(verified_at__isnull=False)
    here = set(verified.annotate(folded=Lower("address")).values_list("folded", flat=True).iterator())
    names = set(User.objects.annotate(folded=Lower("username")).values_list("folded", flat=True).iterator())
    return [
        link
        for link in last.values()
        if link.address.lower() not in here and (not link.username or link.username.lower() not in names)
    ]
