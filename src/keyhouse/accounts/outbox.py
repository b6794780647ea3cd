"""What operators, and the mail service by its reports, do to the outbox.

It is judged and recorded here, because the outbox itself knows neither people nor the audit log.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from django.db import transaction

from keyhouse.audit.services import record
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor, job
from keyhouse.mail import services
from keyhouse.mail.services import Bounced

REPORTS: Final = "mail-bounces"


@transaction.atomic
def retry_mails(*, by: Actor) -> int:
    """Let everything that waits for another try be tried at once; returns how many mails."""
    actions.require(by, "mail.retry")
    count = services.hasten(clock.now())
    record("mail.retry", by=by, details={"mails": count})
    return count


@transaction.atomic
def clear_bounces(address: str, *, by: Actor) -> int:
    """Let mails go to the address again; returns how many bounces stood against it.

    The record doesn't name the address: the log can't be erased, and whose it is, is personal.
    """
    actions.require(by, "mail.clear-bounce")
    count = services.clear_bounces(address, clock.now())
    if count:
        record("mail.clear-bounce", by=by, details={"bounces": count})
    return count


@transaction.atomic
def take_bounces(bounces: Sequence[Bounced]) -> int:
    """Keep what a mail service reports, whether anybody has these addresses or not; returns how much is new."""
    count = services.record_bounces(bounces, source="report")
    if count:
        record("mail.report-bounces", by=job(REPORTS), details={"bounces": count})
    return count
