"""Ending a hold early: a co-owner, or an operator after a first enrolment, confirms that it was them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts import holds
from keyhouse.accounts.models import Hold, User
from keyhouse.accounts.recovery import letters, queries, telling
from keyhouse.accounts.recovery.errors import CaseMissing
from keyhouse.accounts.recovery.words import read_reason
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

CONFIRM: Final = "hold.confirm"
RELEASE: Final = "hold.release"


def confirm_hold(hold_id: int, reason: str, *, by: Actor, now: datetime) -> None:
    """End the hold of somebody one owns a project with. Raises CaseMissing, ReasonMissing, what the gate raises."""
    _end(hold_id, reason, CONFIRM, by=by, now=now)


def release_hold(hold_id: int, reason: str, *, by: Actor, now: datetime) -> None:
    """End the hold after a first enrolment, as an operator or the host. Raises CaseMissing, ReasonMissing, what the gate raises."""
    _end(hold_id, reason, RELEASE, by=by, now=now)


def _end(hold_id: int, reason: str, action: str, *, by: Actor, now: datetime) -> None:
    actions.require(by, action, Thing("hold", hold_id))
    reason = read_reason(reason)
    try:
        with transaction.atomic():
            _end_locked(hold_id, reason, action, by, now)
    except CaseMissing as refusal:
        record_refusal(action, by=by, code=refusal.code, about=Thing("hold", hold_id))
        raise


def _end_locked(hold_id: int, reason: str, action: str, by: Actor, now: datetime) -> None:
    owner = Hold.objects.filter(pk=hold_id).values_list("user_id", flat=True).first()
    user = User.objects.select_for_update().filter(pk=owner).first() if owner else None
    hold = find_hold(hold_id, action, by, now)
    if user is None or user.pk == by.user_id:
        raise CaseMissing
    word = "host" if by.kind == "host" else "co-owner" if action == CONFIRM else "operator"
    holds.end_holds(user, hold.reason, by=word, now=now)
    details = {"hold": hold.reason, "reason": reason}
    record(action, by=by, about=Thing("hold", hold.pk, user.username), account_id=user.pk, details=details)
    telling.tell_all(user, letters.hold_ended(user.username, by.name), now)


def find_hold(hold_id: int, action: str, by: Actor, now: datetime) -> Hold:
    """Return the hold if it is one that this person's word ends; raises CaseMissing."""
    user_id = by.user_id or 0
    if action == CONFIRM:
        found = queries.find_hold_to_confirm(hold_id, user_id, now)
    else:
        theirs = queries.holds_for_operators(now).exclude(user_id=user_id)
        if by.kind == "host":  # who may be any operator, and nobody's own word ends their hold
            theirs = theirs.exclude(user__is_operator=True)
        found = theirs.filter(pk=hold_id).first()
    if found is None:
        raise CaseMissing("There is no such hold, or your word doesn't end it.")
    return found
