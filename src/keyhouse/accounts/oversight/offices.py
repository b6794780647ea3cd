"""Offices: granted by two operators, or announced by one who is alone; taken away by one at once."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight import letters, proposals
from keyhouse.accounts.oversight.errors import OfficeUnchanged, OwnAccount
from keyhouse.accounts.oversight.proposals import Undertaking
from keyhouse.accounts.oversight.suspending import (
    end_proposals_of,
    lock_person,
    read_reason,
    require_other_operator,
    tell,
    thing_of,
)
from keyhouse.accounts.recovery.telling import tell_operators
from keyhouse.audit.services import Detail, record
from keyhouse.core import faults
from keyhouse.core.actor import OFFICES, Actor

PROPOSE: Final = "office.propose"
REVOKE: Final = "office.revoke"


def _judge(user: User, office: str, now: datetime) -> None:
    del now
    if office not in OFFICES or getattr(user, f"is_{office}"):
        raise OfficeUnchanged


def _give(user: User, office: str, now: datetime) -> None:
    del now
    User.objects.filter(pk=user.pk).update(**{f"is_{office}": True})


OFFICE: Final = Undertaking(
    kind=Proposal.Kind.OFFICE,
    action=PROPOSE,
    sentence="{person} becomes {about} of this index",
    judge=_judge,
    carry_out=_give,
    tell_others=lambda _about, _told, _now: None,
    notice=lambda _about, _since: None,
)


def propose_office(user: User, office: str, reason: str, *, by: Actor, now: datetime) -> Proposal:
    """Propose that somebody gets an office. Raises OfficeUnchanged and as `proposals.propose`."""
    return proposals.propose(OFFICE, user, office, reason, by=by, now=now)


def revoke_office(user: User, office: str, reason: str, *, by: Actor, now: datetime) -> None:
    """Take an office from somebody, from the next request on.

    Raises OfficeUnchanged, OperatorNeeded, OwnAccount, PersonMissing, WhyMissing, what the gate raises.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        user = lock_person(user.pk, REVOKE, by)
        if user.pk == by.user_id:
            raise OwnAccount
        if office not in OFFICES or not getattr(user, f"is_{office}"):
            raise OfficeUnchanged
        if office == "operator":
            require_other_operator(user)
        User.objects.filter(pk=user.pk).update(**{f"is_{office}": False})
        details: dict[str, Detail] = {"office": office, "reason": reason}
        if office == "operator":
            details["proposals"] = end_proposals_of(user, "whoever proposed it is no operator any more", now)
        record(REVOKE, by=by, about=thing_of(user), account_id=user.pk, details=details)
        tell(user, letters.office_ended(office, by=by, reason=reason, now=now), now)
        what = f"is no {office} any more"
        tell_operators(user, letters.told_operators(user.username, what, by=by, reason=reason, now=now), now)
        faults.reach("office.rows-written")


def carry_out_due(now: datetime) -> int:
    """Give the offices whose wait is over; returns how many."""
    return proposals.carry_out_due(OFFICE, now)
