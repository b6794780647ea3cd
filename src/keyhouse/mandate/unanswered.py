"""Taking back what would come to hold by itself where nobody who stands behind it can be asked any more.

What a sole operator loosens holds a day after it was announced. Where their account was frozen or suspended meanwhile, it
may not have been them; and nobody else has answered for it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts.models import User
from keyhouse.accounts.sessions import CLOSED_STATES
from keyhouse.core.actor import job
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.mandate.services import end_exemption, end_version
from keyhouse.mandate.writing import lock_ledger

JOB: Final = "mandate"


def take_back(now: datetime) -> int:
    """Withdraw versions and exemptions on their way that only closed accounts stand behind; returns how many."""
    if not (any(map(_is_unanswered, _versions(now))) or any(map(_is_unanswered, _exemptions(now)))):
        return 0  # without the lock, as nearly always
    with transaction.atomic():
        lock_ledger()
        versions = [row for row in _versions(now) if _is_unanswered(row)]
        exemptions = [row for row in _exemptions(now) if _is_unanswered(row)]
        for version in versions:
            end_version(version, job(JOB), now)
        for exemption in exemptions:
            end_exemption(exemption, job(JOB), now)
    return len(versions) + len(exemptions)


def _versions(now: datetime) -> list[MandateVersion]:
    coming = MandateVersion.objects.filter(effective_at__gt=now, is_loosening=True, withdrawn_at=None)
    return list(coming.order_by("pk"))


def _exemptions(now: datetime) -> list[Exemption]:
    return list(Exemption.objects.filter(effective_at__gt=now, withdrawn_at=None).order_by("pk"))


def _is_unanswered(row: MandateVersion | Exemption) -> bool:
    behind = {row.proposed_by, *row.approved_by}
    closed = User.objects.filter(username__in=behind, state__in=CLOSED_STATES)
    return behind <= set(closed.values_list("username", flat=True))
