"""Closing an account by an operator, and opening it again.

`suspended` is a state of its own, so that whatever asks for an open account is closed to it: sessions, tokens,
publishers, private reading, words for others. Ways back are for whom an account belongs to, and none of them ends what
operators decided: their doors refuse, and what else would change the state meanwhile is kept for later.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import Q

from keyhouse.accounts import emails, links
from keyhouse.accounts.models import Proposal, Suspension, User
from keyhouse.accounts.oversight import letters
from keyhouse.accounts.oversight.errors import (
    NotSuspended,
    OperatorNeeded,
    OwnAccount,
    PersonMissing,
    WhyMissing,
)
from keyhouse.accounts.recovery.cases import stop_cases
from keyhouse.accounts.recovery.telling import tell_operators
from keyhouse.accounts.sessions import CLOSED_STATES, end_sessions
from keyhouse.audit.services import Detail, record
from keyhouse.core import actions, belongings, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import RoleRequired
from keyhouse.mail.letters import Letter

SUSPEND: Final = "person.suspend"
REINSTATE: Final = "person.reinstate"
OFF_BOARD: Final = "person.off-board"
END_SESSIONS: Final = "person.end-sessions"
LONGEST_REASON: Final = 500
# what a person may still do about an account that others closed: say that it was not them, and take back what a thief changed
_SURVIVING: Final = (links.NOT_ME, links.REVERT_ADDRESSES, links.KEEP_ACCOUNT)


def suspend_user(user: User, reason: str, *, by: Actor, now: datetime) -> bool:
    """Close an account; tokens rest until it is open again. Returns whether anything changed.

    Raises OwnAccount, OperatorNeeded, PersonMissing, WhyMissing, what the gate raises.
    """
    return _close(user, SUSPEND, reason, is_final=False, by=by, now=now)


def off_board(user: User, reason: str, *, by: Actor, now: datetime) -> bool:
    """Close the account of whoever has left: tokens are revoked, offices and exemptions end. Raises as `suspend_user`.

    Roles in projects stay, so that nobody loses sight of what has to be handed over.
    """
    return _close(user, OFF_BOARD, reason, is_final=True, by=by, now=now)


def _close(  # noqa: PLR0913 - what the two acts differ in
    user: User, action: str, reason: str, *, is_final: bool, by: Actor, now: datetime
) -> bool:
    reason = read_reason(reason)
    with transaction.atomic():
        user = lock_person(user.pk, action, by)
        if user.pk == by.user_id:
            raise OwnAccount
        standing = Suspension.objects.filter(user=user, ended_at=None).first()
        if standing is not None and standing.is_final >= is_final:
            return False
        require_other_operator(user)
        standing = standing or Suspension(user=user, state_before=user.state, placed_at=now)
        standing.reason, standing.is_final, standing.placed_by = reason, is_final, by.name
        standing.save()
        User.objects.filter(pk=user.pk).update(state=User.State.SUSPENDED)
        ended = end_sessions(user.pk)
        stop_cases(user, how="suspended", by=by, now=now)
        links.end_all_links(user, but=_SURVIVING)
        revoked = belongings.close_all(user.pk, now, is_final=is_final)
        if is_final:
            User.objects.filter(pk=user.pk).update(is_operator=False, is_moderator=False, is_auditor=False)
        details: dict[str, Detail] = {"reason": reason, "sessions": ended, "ended": revoked}
        details["proposals"] = end_proposals_of(user, "whoever proposed it was suspended", now)
        record(action, by=by, about=thing_of(user), account_id=user.pk, details=details)
        tell(user, letters.suspended(is_final=is_final, by=by, reason=reason, now=now), now)
        what = "was off-boarded" if is_final else "was suspended"
        tell_operators(user, letters.told_operators(user.username, what, by=by, reason=reason, now=now), now)
        faults.reach("suspension.rows-written")
    return True


def reinstate_user(user: User, reason: str, *, by: Actor, now: datetime) -> None:
    """Open a suspended account again, in the state that it would have without the suspension.

    Raises NotSuspended, OwnAccount, PersonMissing, WhyMissing, what the gate raises.
    """
    reason = read_reason(reason)
    with transaction.atomic():
        user = lock_person(user.pk, REINSTATE, by)
        standing = Suspension.objects.filter(user=user, ended_at=None).first()
        if standing is None:
            raise NotSuspended
        standing.ended_at, standing.ended_by = now, by.name
        standing.save(update_fields=["ended_at", "ended_by"])
        User.objects.filter(pk=user.pk).update(state=standing.state_before)
        record(REINSTATE, by=by, about=thing_of(user), account_id=user.pk, details={"reason": reason})
        tell(user, letters.reinstated(by=by, reason=reason, now=now), now)
        tell_operators(
            user, letters.told_operators(user.username, "was reinstated", by=by, reason=reason, now=now), now
        )
        faults.reach("suspension.rows-written")


def end_sessions_of(user: User, reason: str, *, by: Actor, now: datetime) -> int:
    """End all sessions of somebody; returns how many. Raises PersonMissing, WhyMissing, what the gate raises."""
    reason = read_reason(reason)
    with transaction.atomic():
        user = lock_person(user.pk, END_SESSIONS, by)
        ended = end_sessions(user.pk)
        details: dict[str, Detail] = {"reason": reason, "sessions": ended}
        record(END_SESSIONS, by=by, about=thing_of(user), account_id=user.pk, details=details)
        if ended:
            tell(user, letters.sessions_ended(by=by, reason=reason, now=now), now)
    return ended


# ---- what acts about people share


def read_reason(typed: str) -> str:
    """Return a reason as it is kept; raises WhyMissing."""
    reason = " ".join(typed.split())[:LONGEST_REASON]
    if not reason or not reason.isprintable():
        raise WhyMissing
    return reason


def thing_of(user: User) -> Thing:
    """Return a person as actions and the audit log name them."""
    return Thing("account", user.pk, user.username)


def lock_person(user_id: int, action: str, by: Actor) -> User:
    """Return a person with the locks of theirs and all operators' accounts held, in the order of all accounts.

    So of two operators who close each other's accounts at once, the second one finds that they are none any more.
    A job carries out what operators answered for, and is asked nothing. Raises RoleRequired, PersonMissing and what the
    gate raises.
    """
    rows = User.objects.select_for_update().filter(Q(is_operator=True) | Q(pk__in=[user_id, by.user_id or 0]))
    locked = {row.pk: row for row in rows.order_by("pk")}
    require_operator(locked.get(by.user_id or 0), by)
    if by.kind != "job":
        actions.require(by, action, Thing("account", user_id))
    user = locked.get(user_id)
    if user is None or user.state == User.State.DELETED:
        raise PersonMissing
    return user


def require_operator(row: User | None, by: Actor) -> None:
    """Raise RoleRequired unless whoever acts is an operator at this moment, or has the machine."""
    if by.kind not in {"host", "job"} and (row is None or not row.is_operator):
        raise RoleRequired(fix="Only operators of this index can do this.")


def end_proposals_of(user: User, why: str, now: datetime) -> int:
    """End what somebody proposed and what would come to hold by itself, as it may not have been them; returns how many.

    In the caller's transaction, which records it and holds the lock of their account, as whoever carries one out does.
    """
    mine = Proposal.objects.filter(proposed_by=user.username, done_at=None, ended_at=None)
    return mine.update(ended_at=now, ended_why=why)


def require_other_operator(user: User) -> None:
    """Raise OperatorNeeded where nobody else could run the index; the caller holds the locks of all operators."""
    if not user.is_operator:
        return
    others = User.objects.filter(is_operator=True, kind="person").exclude(pk=user.pk)
    if not others.exclude(state__in=CLOSED_STATES).exists():
        raise OperatorNeeded


def tell(user: User, letter: Letter, now: datetime) -> None:
    """Tell somebody at every verified address; a link that freezes the account would answer no question here."""
    verified = user.emails.filter(verified_at__isnull=False).order_by("pk")
    for address in verified.values_list("address", flat=True):
        emails.send_to(user, address, letter, now=now)
