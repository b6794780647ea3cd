"""Acts that two operators answer for: proposed by one, approved by another, or announced a day ahead where one is alone.

What is carried out, and what makes it possible, says the feature that it belongs to (`Undertaking`). Who writes holds the
locks of the person's and all operators' accounts, so that of two at once one finds what the other has done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight import approvals, letters
from keyhouse.accounts.oversight.approvals import Standing
from keyhouse.accounts.oversight.errors import (
    ApprovalRefused,
    OwnAccount,
    PersonUnfit,
    ProposalMissing,
    ProposalOpen,
    ProposalOver,
)
from keyhouse.accounts.oversight.suspending import lock_person, read_reason, tell
from keyhouse.accounts.queries import compliant_among
from keyhouse.accounts.recovery.telling import tell_operators
from keyhouse.audit.services import Detail, record
from keyhouse.core import faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job
from keyhouse.core.errors import Refusal

APPROVE: Final = "proposal.approve"
WITHDRAW: Final = "proposal.withdraw"
CARRY_OUT: Final = "proposal.carry-out"
JOB: Final = "proposals"


def _is_compliant(user: User, now: datetime) -> bool:
    """Whoever gets power over others is reachable, and protected by more than a password."""
    return bool(compliant_among([user.pk], now))


@dataclass(frozen=True, slots=True)
class Undertaking:
    """What a kind of proposal is: how it is proposed, whether it is possible now, what it does, and how long it waits at least.

    `judge` and `carry_out` run in a transaction in which the accounts are locked. `judge` raises the refusal that speaks
    against it; `notice` returns until when others must be able to object, or None. `is_fit`: whether it is somebody who can
    be given it; `show`: what `about` is in words.
    """

    kind: str
    action: str
    sentence: str  # has the places `person` and `about`
    judge: Callable[[User, str, datetime], None]
    carry_out: Callable[[User, str, datetime], None]
    tell_others: Callable[[str, str, datetime], None]
    notice: Callable[[str, datetime], datetime | None]
    is_fit: Callable[[User, datetime], bool] = _is_compliant
    show: Callable[[str], str] = str

    def told(self, user: User, about: str) -> str:
        """Return in words what would be."""
        return self.sentence.format(person=user.username, about=self.show(about))


def thing_of(row: Proposal) -> Thing:
    """Return a proposal as actions and the audit log name it."""
    return Thing("proposal", row.pk, f"{row.kind} {row.about}")


def standing_of(row: Proposal) -> Standing:
    """Return who has answered for a proposal, and who still can."""
    return approvals.standing(row.proposed_by, row.approved_by, subject=row.user.username)


def propose(  # noqa: PLR0913 - what a proposal is
    what: Undertaking, user: User, about: str, reason: str, *, by: Actor, now: datetime
) -> Proposal:
    """Propose it. Raises ProposalOpen, OwnAccount, PersonUnfit, WhyMissing, what speaks against it, what the gate raises."""
    reason = read_reason(reason)
    with transaction.atomic():
        user = lock_person(user.pk, what.action, by)
        _require_fit(what, user, about, by, now)
        if Proposal.objects.filter(
            kind=what.kind, user=user, about=about, done_at=None, ended_at=None
        ).exists():
            raise ProposalOpen
        row = Proposal(
            kind=what.kind, user=user, about=about, reason=reason, proposed_at=now, proposed_by=by.name
        )
        row.effective_at = _not_before(what, row, approvals.effective_unasked(standing_of(row), now), now)
        row.save()
        details = {"reason": reason, "person": user.username}
        record(what.action, by=by, about=thing_of(row), account_id=user.pk, details=details)
        _announce(what, row, by, now)
    return row


def _require_fit(what: Undertaking, user: User, about: str, by: Actor, now: datetime) -> None:
    if user.pk == by.user_id:
        raise OwnAccount
    if user.kind != "person" or not what.is_fit(user, now):
        raise PersonUnfit
    what.judge(user, about, now)


def _not_before(
    what: Undertaking, row: Proposal, effective_at: datetime | None, now: datetime
) -> datetime | None:
    """Return from when on it holds: not before those who may object had their time."""
    noticed = what.notice(row.about, row.proposed_at)
    return effective_at if effective_at is None or noticed is None else max(effective_at, noticed, now)


def _announce(what: Undertaking, row: Proposal, by: Actor, now: datetime) -> None:
    told = what.told(row.user, row.about)
    letter = letters.proposed(told, row.effective_at, by=by, reason=row.reason, now=now)
    tell(row.user, letter, now)
    tell_operators(row.user, letter, now)
    what.tell_others(row.about, told, now)


def approve(what: Undertaking, proposal_id: int, *, by: Actor, now: datetime) -> Proposal:
    """Approve it as another operator; with the last approval that it takes it is carried out, unless others have time to object.

    Raises ProposalMissing, ProposalOver, ApprovalRefused, PersonUnfit, what speaks against it, what the gate raises.
    """
    if by.kind != "session":
        raise ApprovalRefused("An operator approves this, signed in, and in person.")
    with transaction.atomic():
        row = _lock(what, proposal_id, APPROVE, by)
        if row.effective_at is not None:
            raise ProposalOver("This waits for its instant, and needs no approval.")
        _require_fit(what, row.user, row.about, by, now)
        effective_at = approvals.effective_approved(standing_of(row), by.name, now)
        row.effective_at = _not_before(what, row, effective_at, now)
        row.approved_by = [*(name for name in row.approved_by if name != by.name), by.name]
        is_due = row.effective_at is not None and row.effective_at <= now
        if is_due:
            what.carry_out(row.user, row.about, now)
            row.done_at = now
        row.save()
        details: dict[str, Detail] = {"person": row.user.username, "is_done": is_due}
        record(APPROVE, by=by, about=thing_of(row), account_id=row.user_id, details=details)
        _tell_done(what, row, by, now) if is_due else _announce(what, row, by, now)
        faults.reach("proposal.rows-written")
    return row


def withdraw(what: Undertaking, proposal_id: int, reason: str, *, by: Actor, now: datetime) -> Proposal:
    """Take it back, or refuse it, as any operator, also while it waits for its instant. Raises as `approve`, WhyMissing."""
    reason = read_reason(reason)
    with transaction.atomic():
        row = _lock(what, proposal_id, WITHDRAW, by)
        row.ended_at, row.ended_why = now, f"withdrawn by {by.name}: {reason}"[:200]
        row.save(update_fields=["ended_at", "ended_why"])
        details = {"person": row.user.username, "reason": reason}
        record(WITHDRAW, by=by, about=thing_of(row), account_id=row.user_id, details=details)
        letter = letters.proposal_over(what.told(row.user, row.about), by=by, reason=reason, now=now)
        tell(row.user, letter, now)
        tell_operators(row.user, letter, now)
    return row


def _lock(what: Undertaking, proposal_id: int, action: str, by: Actor) -> Proposal:
    """Return an open proposal with the locks of its person's account and all operators'; raises ProposalMissing, ProposalOver."""
    found = Proposal.objects.filter(pk=proposal_id, kind=what.kind).values_list("user_id", flat=True).first()
    user = lock_person(found or 0, action, by) if found is not None else None
    row = Proposal.objects.select_for_update().filter(pk=proposal_id).first()
    if row is None or user is None:
        raise ProposalMissing
    if not row.is_open:
        raise ProposalOver
    row.user = user
    return row


def carry_out_due(what: Undertaking, now: datetime) -> int:
    """Carry out what has waited for its instant; returns how many. What is not possible any more ends, and says why."""
    due = Proposal.objects.filter(kind=what.kind, effective_at__lte=now, done_at=None, ended_at=None)
    return sum(
        _carry_out_one(what, key, now) for key in list(due.order_by("pk").values_list("pk", flat=True))
    )


def _carry_out_one(what: Undertaking, proposal_id: int, now: datetime) -> bool:
    by = job(JOB)
    with transaction.atomic():
        try:
            row = _lock(what, proposal_id, CARRY_OUT, by)
        except Refusal:  # somebody withdrew it, or its person is gone
            return False
        try:
            with transaction.atomic():
                _require_fit(what, row.user, row.about, by, now)
                what.carry_out(row.user, row.about, now)
        except Refusal as refusal:
            row.ended_at, row.ended_why = now, refusal.line[:200]
            code = refusal.code
        else:
            row.done_at, code = now, ""
            _tell_done(what, row, by, now)
        row.save()
        details = {"person": row.user.username}
        record(CARRY_OUT, by=by, about=thing_of(row), account_id=row.user_id, details=details, code=code)
    return row.done_at is not None


def _tell_done(what: Undertaking, row: Proposal, by: Actor, now: datetime) -> None:
    told = what.told(row.user, row.about)
    letter = letters.proposal_done(told, by=by, reason=row.reason, now=now)
    tell(row.user, letter, now)
    tell_operators(row.user, letter, now)
    what.tell_others(row.about, told, now)
