"""What organizations need done beside requests, deciding by the clock."""

from __future__ import annotations

from datetime import datetime

from keyhouse.organizations import rules
from keyhouse.organizations.models import OrganizationApplication, OrganizationInvitation


def forget_old(now: datetime) -> int:
    """Forget invitations and answered applications that are over for long: they hold addresses and words of people."""
    before = now - rules.KEPT_FOR
    ended = OrganizationInvitation.objects.filter(ended_at__lte=before).delete()[0]
    late = OrganizationInvitation.objects.filter(ended_at=None, expires_at__lte=before).delete()[0]
    return ended + late + OrganizationApplication.objects.filter(decided_at__lte=before).delete()[0]
