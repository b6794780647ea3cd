"""How the ledger of mandates is written: who may, one at a time, and so that every process notices."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Final

from django.db.models import Max

from keyhouse.accounts.oversight import approvals
from keyhouse.accounts.oversight.errors import ApprovalRefused, ProposalOver
from keyhouse.audit import services as audit
from keyhouse.core import actions, clock
from keyhouse.core.actions import STEP_UP_AGE, Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired, StepUpRequired
from keyhouse.mandate import defaults
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.models import Change, MandateVersion, Pause
from keyhouse.mandate.pauses import is_ending
from keyhouse.mandate.queries import THE_CHANGE, live_policies

_RANDOM_BITS: Final = 62
_OVER: Final = "Mandates changed a moment ago, so this was not written."


def require(by: Actor, action: str, name: str) -> None:
    """Ask authority and gate, and a person for a fresh proof (ASVS 7.5.3)."""
    actions.require(by, action, Thing("mandate", None, name))
    if by.kind != "host" and not by.is_fresh(clock.now(), STEP_UP_AGE):
        raise StepUpRequired


def require_second(by: Actor, action: str, name: str) -> None:
    """Ask the same of somebody who answers for it in person: no host, no job, no token."""
    if by.kind != "session":
        raise ApprovalRefused("An operator approves this, signed in, and in person.")
    require(by, action, name)


def require_host(by: Actor, action: str) -> None:
    """Let nobody but the host do it; raises RoleRequired."""
    if by.kind != "host":
        raise RoleRequired("This is for the operator at the host.", fix="Run it on the machine itself.")
    actions.require(by, action)


def lock_ledger(change: int | None = None) -> None:
    """Let one transaction at a time write to the ledger; raises ProposalOver where it changed since it said `change`."""
    Change.objects.bulk_create([Change(pk=THE_CHANGE)], ignore_conflicts=True)
    found = Change.objects.select_for_update().get(pk=THE_CHANGE)
    if change is not None and found.value != change:
        raise ProposalOver(_OVER, fix="Look at what holds now, then try again.")


def mark_change() -> None:
    """Let every process notice that mandates changed: by a random value, so that no restored copy repeats one."""
    value = secrets.randbits(_RANDOM_BITS) or 1
    Change.objects.bulk_create([Change(pk=THE_CHANGE)], ignore_conflicts=True)
    Change.objects.filter(pk=THE_CHANGE).update(value=value)


def new_version(mandate: Mandate, *, origin: str, by: Actor, now: datetime) -> MandateVersion:
    """Return the next version of a mandate, not yet stored."""
    last = MandateVersion.objects.filter(name=mandate.name).aggregate(last=Max("version"))["last"]
    first = 2 if mandate.name == defaults.NAME and origin != MandateVersion.Origin.DEFAULT else 1
    return MandateVersion(
        name=mandate.name,
        version=max((last or 0) + 1, first),
        document=mandate.as_dict(),
        digest=mandate.digest,
        origin=origin,
        proposed_at=now,
        proposed_by=by.name,
    )


def record_version(action: str, row: MandateVersion, by: Actor, details: dict[str, audit.Detail]) -> None:
    """Write down what was done about a version, in the transaction that does it."""
    effective = clock.format_if_any(row.effective_at)
    told = {"digest": row.digest, "effective_at": effective, **details}
    audit.record(action, by=by, about=Thing("mandate", row.pk, str(row)), details=told)


def standing_of(row: MandateVersion) -> approvals.Standing:
    """Return who still has to approve a version."""
    return approvals.standing(row.proposed_by, row.approved_by)


# ---- pauses


def end_pause(row: Pause, at: datetime, by: str, why: str) -> None:
    """Mark a pause as ended; the caller holds the ledger, and writes down that it changed."""
    row.ended_at, row.ended_by, row.ended_why = at, by, why
    row.save(update_fields=["ended_at", "ended_by", "ended_why"])


def end_where_over(row: Pause, now: datetime) -> None:
    """End a pause whose days are over, and one whose mandate is: a later campaign of the name isn't born paused."""
    if not row.is_open(now):
        end_pause(row, row.ends_at or now, "", "its days were over")
        return
    live = next((one for one in live_policies(now) if one.name == row.mandate), None)
    if live is None or is_ending(live.mandate):
        end_pause(row, max(now, row.begun_at), "", "the mandate ended")


def end_pauses_over(name: str, now: datetime) -> None:
    """Do that for the pause of a mandate, if it has one."""
    for row in Pause.objects.filter(mandate=name, ended_at=None):
        end_where_over(row, now)
