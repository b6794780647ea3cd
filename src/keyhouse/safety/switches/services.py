"""Throwing and lifting switches: one transaction, one audit record."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from keyhouse.audit.services import record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.core.switches import NAMES
from keyhouse.safety.switches import rules
from keyhouse.safety.switches.errors import SwitchUnknown
from keyhouse.safety.switches.models import Switch


def freeze(name: str, reason: str, until_at: datetime | None, *, by: Actor) -> Switch:
    """Let a switch stop what it stops, until an instant (None: until somebody lifts it).

    Once more with the same changes nothing. Raises SwitchUnknown, SwitchReasonRefused, SwitchEndRefused, RoleRequired and
    what the gate raises: an end that comes sooner is a lift, and so is asked for.
    """
    now = clock.now()
    with transaction.atomic():
        actions.require(by, "switch.set", _thing(name))
        row = _lock(name)
        was_on = rules.is_on(row.since_at, row.until_at, now)
        action = rules.action_of_change(row.until_at, until_at, now, was_on=was_on)
        if action != "switch.set":
            actions.require(by, action, _thing(name))
        reason = reason.strip()
        _raise(rules.judge_reason(reason))
        _raise(rules.judge_end(until_at, now))
        if was_on and (row.reason, row.until_at) == (reason, until_at):
            return row
        row.reason, row.until_at, row.set_by = reason, until_at, by.name[:150]
        row.since_at = row.since_at if was_on else now
        row.save()
        until = clock.format_if_any(until_at)
        record(action, by=by, about=_thing(name), details={"reason": reason, "until": until})
        faults.reach("switch.rows-written")
    return row


def thaw(name: str, *, by: Actor) -> bool:
    """Lift a switch; returns whether it was on. Raises SwitchUnknown, RoleRequired and what the gate raises."""
    now = clock.now()
    with transaction.atomic():
        actions.require(by, "switch.lift", _thing(name))
        row = _lock(name)
        if not rules.is_on(row.since_at, row.until_at, now):
            return False
        record("switch.lift", by=by, about=_thing(name), details={"reason": row.reason, "until": None})
        row.since_at, row.until_at, row.reason, row.set_by = None, None, "", ""
        row.save()
        faults.reach("switch.rows-written")
    return True


def _lock(name: str) -> Switch:
    if name not in NAMES:
        raise SwitchUnknown
    Switch.objects.get_or_create(name=name)
    return Switch.objects.select_for_update().get(name=name)


def _thing(name: str) -> Thing:
    return Thing("switch", name, name)


def _raise(refusal: Refusal | None) -> None:
    if refusal is not None:
        raise refusal
