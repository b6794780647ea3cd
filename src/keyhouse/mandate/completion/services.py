"""Keeping what the completion check said."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

from django.db import transaction

from keyhouse.audit import services as audit
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job
from keyhouse.mandate import queries
from keyhouse.mandate.completion.models import CompletionCheck
from keyhouse.mandate.completion.queries import Completion, check
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.rules import Policy

ACT: Final = "mandate.complete"
JOB: Final = "completion"


def live_policy(name: str, now: datetime) -> Policy:
    """Return the version of a mandate that holds; raises MandateMissing."""
    found = next((one for one in queries.live_policies(now) if one.name == name), None)
    if found is None:
        raise MandateMissing(f"There is no live mandate {name}.")
    return found


def check_now(
    name: str, *, by: Actor, watch: Callable[[Iterable[Facts]], Iterable[Facts]] = lambda everybody: everybody
) -> Completion:
    """Check the live version of a mandate and keep what was found; raises MandateMissing and what the gate says.

    Counting comes before the transaction, which is short. Twice on one day, the later result stands. `watch`
    sees the people go by.
    """
    actions.require(by, ACT, Thing("mandate", None, name))
    now = clock.now()
    found = check(live_policy(name, now), now, watch=watch)
    keep(found, by=by)
    return found


def keep(found: Completion, *, by: Actor) -> CompletionCheck:
    """Keep a result, one for each day and version; an older one never takes the place of a later one."""
    with transaction.atomic():
        if by.kind != "job":
            actions.require(by, ACT, Thing("mandate", None, found.mandate))
        row = _kept(found)
        details: dict[str, audit.Detail] = {
            "is_complete": found.is_complete,
            "left": [f"{one.code}: {one.count}" for one in found.left],
        }
        audit.record(ACT, by=by, about=Thing("mandate", None, _label(found)), details=details)
    return row


def _kept(found: Completion) -> CompletionCheck:
    told = {"checked_at": found.at, "is_complete": found.is_complete, "result": found.as_dict()}
    day_on, mine = found.at.astimezone(UTC).date(), {"mandate": found.mandate, "version": found.version}
    CompletionCheck.objects.filter(**mine, checked_on__gt=day_on).delete()  # a clock was ahead
    row, is_new = CompletionCheck.objects.select_for_update().get_or_create(
        **mine, checked_on=day_on, defaults=told
    )
    if not is_new and row.checked_at <= found.at:
        for name, value in told.items():
            setattr(row, name, value)
        row.save(update_fields=list(told))
    return row


def _label(found: Completion) -> str:
    return f"{found.mandate}@{found.version}"


def check_by_job(policy: Policy, now: datetime) -> Completion:
    """Check a version for the keeper and keep the result."""
    found = check(policy, now)
    keep(found, by=job(JOB))
    return found
