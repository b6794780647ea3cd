"""Asking the operators: for an exemption with reason and evidence, or for a security key; and what they answer (E1, E2).

What operators propose upon a request goes the way of every exemption: another operator approves it, nobody has a part in
their own. Each answer is mailed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from keyhouse.accounts.models import User
from keyhouse.accounts.oversight.errors import ApprovalRefused
from keyhouse.accounts.recovery.telling import tell_operators, tell_others
from keyhouse.audit.services import record
from keyhouse.core import actions, clock, faults
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import SignInRequired
from keyhouse.mandate import queries, services
from keyhouse.mandate.asked import standing_of
from keyhouse.mandate.errors import NothingLacking
from keyhouse.mandate.exits import letters
from keyhouse.mandate.exits.errors import (
    RequestedOften,
    RequestMalformed,
    RequestMissing,
    RequestOpen,
    RequestOver,
)
from keyhouse.mandate.exits.models import Request
from keyhouse.mandate.models import Exemption

ASK: Final = "exemption.ask"
ANSWER: Final = "exemption.answer"
MOST_A_MONTH: Final = 3
MONTH: Final = timedelta(days=30)
LONGEST_DAYS: Final = services.LONGEST_EXEMPTION.days
LONGEST_TEXT: Final = 500


class Wanted(NamedTuple):
    """What somebody asks for, in their own words; a key needs a reason only."""

    reason: str
    evidence: str = ""
    control: str = ""
    mandate: str = ""
    days: int = 0

    @property
    def kind(self) -> Request.Kind:
        """Return whether an exemption is meant or a key."""
        return Request.Kind.EXEMPTION if self.mandate else Request.Kind.KEY


def ask(wanted: Wanted, *, by: Actor) -> Request:
    """Ask for an exemption from a live mandate, or for a security key where none is named.

    One at a time, at most three in 30 days. Raises RequestOpen, RequestedOften, RequestMalformed, NothingLacking,
    MandateMissing, ExemptionInvalid, SignInRequired.
    """
    now = clock.now()
    wanted = _cleaned(wanted)
    try:
        with transaction.atomic():
            user = _lock_asker(by)
            _require_room(user, now)
            _judge(wanted, user, now)
            row = Request.objects.create(user=user, kind=wanted.kind, asked_at=now, **wanted._asdict())
            details = {"kind": row.kind, "mandate": row.mandate, "reason": row.reason}
            record(ASK, by=by, about=thing_of(row), account_id=user.pk, details=dict(details))
            tell_operators(user, letters.asked(row), now)
            faults.reach("exit.asked")
    except IntegrityError as error:  # of two at once the other was faster
        raise RequestOpen from error
    return row


def thing_of(row: Request) -> Thing:
    """Return a request as actions and the audit log name it."""
    return Thing("request", row.pk, str(row))


def _cleaned(wanted: Wanted) -> Wanted:
    texts = {name: getattr(wanted, name).strip() for name in ("reason", "evidence", "control")}
    needed = texts if wanted.mandate else {"reason": texts["reason"]}
    is_whole = all(needed.values()) and all(
        len(text) <= LONGEST_TEXT and text.isprintable() for text in texts.values()
    )
    if not is_whole or (wanted.mandate and not 1 <= wanted.days <= LONGEST_DAYS):
        raise RequestMalformed
    return wanted._replace(**texts)


def _lock_asker(by: Actor) -> User:
    if by.user_id is None:
        raise SignInRequired
    user = User.objects.select_for_update(no_key=True).get(pk=by.user_id)
    actions.require(by, ASK, Thing("account", user.pk))
    return user


def _require_room(user: User, now: datetime) -> None:
    mine = Request.objects.filter(user=user)
    if mine.filter(ended_at=None).exists():
        raise RequestOpen
    if mine.filter(asked_at__gt=now - MONTH).count() >= MOST_A_MONTH:
        raise RequestedOften


def _judge(wanted: Wanted, user: User, now: datetime) -> None:
    """Raise where there is nothing to be exempt from, or for an account of a service (E3)."""
    services.judge_exempted(user)
    standing = standing_of(queries.facts_of_person(user.pk), queries.live_policies(now), now)
    if not wanted.mandate:
        if not standing.asked:
            raise NothingLacking("Nothing is asked of you here, so nobody gives you a key for it.")
        return
    services.require_live(wanted.mandate, now)
    if not any(one.policy.name == wanted.mandate and one.is_open for one in standing.asked):
        raise NothingLacking("This mandate asks nothing of you that you lack.")


def take_back(*, by: Actor) -> Request:
    """Take back what one asks for; a proposal that came of it and doesn't hold yet ends with it.

    Raises RequestMissing, SignInRequired.
    """
    now = clock.now()
    with transaction.atomic():
        user = _lock_asker(by)
        row = _open_rows().filter(user=user).first()
        if row is None:
            raise RequestMissing
        if row.exemption is not None:
            services.drop_proposal(row.exemption, by, now)
        _end(row, Request.Outcome.WITHDRAWN, by, "", now)
        record(ASK, by=by, about=thing_of(row), account_id=user.pk, details={"withdrawn": True})
    return row


def propose(request_id: int, days: int, *, by: Actor) -> Exemption:
    """Propose the exemption that somebody asks for, for so many days from now; another operator approves it.

    Raises RequestMissing, RequestOver, RequestMalformed and as `services.propose_exemption`.
    """
    if not 1 <= days <= LONGEST_DAYS:
        raise RequestMalformed(f"An exemption lasts from 1 to {LONGEST_DAYS} days.")
    actions.require(by, "exemption.propose")
    with transaction.atomic():
        row = _lock_open(request_id)
        if row.kind != Request.Kind.EXEMPTION or is_proposed(row):
            raise RequestOver
        row.exemption = services.propose_exemption(
            row.user,
            row.mandate,
            until=clock.now() + timedelta(days=days),
            reason=row.reason,
            evidence=row.evidence,
            control=row.control,
            by=by,
        )
        row.save(update_fields=["exemption"])
        if row.exemption.effective_at is not None:  # nobody is there to approve it, so this is the answer
            follow(row.exemption, by, clock.now())
    return row.exemption


def is_proposed(row: Request) -> bool:
    """Whether an exemption was proposed upon it that nobody has withdrawn."""
    return row.exemption is not None and row.exemption.withdrawn_at is None


def answer(request_id: int, text: str, *, grants: bool, by: Actor) -> Request:
    """Refuse a request with the reason why, or give somebody a key: `text` is the code or says how they get it.

    An exemption is granted by proposing it. Raises RequestMissing, RequestOver, RequestMalformed, ApprovalRefused and
    what the gate raises.
    """
    text = text.strip()
    actions.require(by, ANSWER)
    if not text or len(text) > LONGEST_TEXT or not text.isprintable():
        raise RequestMalformed("An answer is one line of at most 500 characters.")
    now = clock.now()
    with transaction.atomic():
        row = _lock_open(request_id)
        actions.require(by, ANSWER, thing_of(row))
        if row.user_id == by.user_id:
            raise ApprovalRefused("Somebody else answers what you ask for.")
        if is_proposed(row) or (grants and row.kind != Request.Kind.KEY):
            raise RequestOver
        outcome = Request.Outcome.GRANTED if grants else Request.Outcome.REFUSED
        _end(row, outcome, by, text, now)
        details = {"outcome": row.outcome, "kind": row.kind}
        record(ANSWER, by=by, about=thing_of(row), account_id=row.user_id, details=dict(details))
        tell_others([row.user_id], letters.answered(row), now)
        faults.reach("exit.answered")
    return row


def follow(exemption: Exemption, by: Actor, now: datetime) -> None:
    """End the request that an exemption came of, once that was approved or withdrawn, and mail the answer.

    In the transaction that approved or withdrew it (`services.wire_followers`).
    """
    row = _open_rows().filter(exemption=exemption).first()
    if row is None or (exemption.effective_at is None and exemption.withdrawn_at is None):
        return
    row.exemption = exemption
    is_granted = exemption.withdrawn_at is None
    _end(row, Request.Outcome.GRANTED if is_granted else Request.Outcome.REFUSED, by, "", now)
    tell_others([row.user_id], letters.answered(row), now)


def close(user_id: int, now: datetime) -> int:
    """End what an account asks for that is closed; returns how many. In the transaction that closes it."""
    mine = Request.objects.filter(user_id=user_id, ended_at=None)
    return mine.update(ended_at=now, outcome=Request.Outcome.CLOSED)


def _open_rows() -> QuerySet[Request]:
    return Request.objects.filter(ended_at=None).select_related("user", "exemption")


def _lock_open(request_id: int) -> Request:
    """Return an open request, its row locked; whoever answers at the same time waits, and finds it over."""
    row = Request.objects.select_for_update().filter(pk=request_id).first()
    if row is None:
        raise RequestMissing
    if row.ended_at is not None:
        raise RequestOver
    return row


def _end(row: Request, outcome: Request.Outcome, by: Actor, text: str, now: datetime) -> None:
    row.ended_at, row.outcome, row.answered_by, row.answer = now, outcome, by.name, text
    row.save(update_fields=["ended_at", "outcome", "answered_by", "answer"])
