"""Setting publishers up and ending them."""

from __future__ import annotations

from datetime import datetime

from keyhouse.audit import services as audit
from keyhouse.core.actions import Thing
from keyhouse.core.actor import job
from keyhouse.credentials.trusted_publishers.models import Publisher

RECOVERED = "set up shortly before the account was recovered"


def thing_of(publisher: Publisher) -> Thing:
    """Return the publisher as the audit log names it."""
    return Thing("publisher", publisher.pk, str(publisher))


def end_late_publishers_of(user_id: int, since: datetime, now: datetime) -> int:
    """End what was set up or confirmed by somebody since an instant: their account was in other hands, or may have been.

    In the caller's transaction; each end has its own audit record. Returns how many.
    """
    del now
    late = Publisher.objects.filter(configured_by_id=user_id, configured_at__gte=since)
    ended = list(late.select_for_update().order_by("pk"))
    acts = [
        audit.Act(
            "publisher.remove",
            thing_of(one),
            user_id,
            {"reason": RECOVERED, "project": str(one.project_id or one.pending_name)},
        )
        for one in ended
    ]
    audit.record_all(acts, by=job("recovery"))
    Publisher.objects.filter(pk__in=[one.pk for one in ended]).delete()
    return len(ended)
