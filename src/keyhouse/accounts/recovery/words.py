"""What others say in a case: co-owners vouch, operators approve, withdraw and refuse; and what operators begin."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from keyhouse.accounts import queries as people
from keyhouse.accounts.models import RecoveryCase, RecoveryWord
from keyhouse.accounts.recovery import cases, letters, queries, rules, telling
from keyhouse.accounts.recovery.cases import lock_case, settle, thing_of
from keyhouse.accounts.recovery.errors import (
    CaseIncomplete,
    CaseMissing,
    CaseWaits,
    ReasonMissing,
    WordRefused,
)
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, clock, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.core.errors import NotFound

VOUCH: Final = "recovery.vouch"
APPROVE: Final = "recovery.approve"
WITHDRAW: Final = "recovery.withdraw"
REFUSE: Final = "recovery.refuse"
PROPOSE: Final = "recovery.propose"
HAND_OVER: Final = "recovery.hand-over"
_Kind = RecoveryWord.Kind


def read_reason(text: str) -> str:
    """Return the reason somebody gives; raises ReasonMissing."""
    # it stands in mails and in the log: nothing in it moves a cursor or turns the direction of writing
    reason = "".join(one for one in " ".join(text.split()) if one.isprintable())
    if len(reason) < rules.LEAST_REASON:
        raise ReasonMissing
    return reason[: rules.LONGEST_REASON]


def vouch(case_id: int, reason: str, *, by: Actor, now: datetime) -> RecoveryCase:
    """Say that it is them who ask to come back in, as somebody who owns a project with them.

    Raises CaseMissing (also for whoever has no word in it), CaseOver, WordRefused, ReasonMissing, what the gate raises.
    """
    reason = read_reason(reason)

    def act() -> RecoveryCase:
        case = lock_case(case_id, now, by)
        counting = queries.counting_co_owners(case, standing.of(case.user_id))
        if by.user_id not in counting or by.user_id == case.user_id:
            raise CaseMissing
        return _speak(case, _Kind.VOUCHER, reason, by, now)

    return _acting(VOUCH, case_id, act, by)


def approve(case_id: int, reason: str, *, by: Actor, now: datetime) -> RecoveryCase:
    """Approve a case as an operator; nothing is set by that, the person gets a link once it has what it takes.

    Raises CaseMissing, CaseOver, WordRefused, ReasonMissing, what the gate raises.
    """
    reason = read_reason(reason)

    def act() -> RecoveryCase:
        case = lock_case(case_id, now, by)
        if by.user_id == case.user_id:
            raise WordRefused("Nobody approves their own request.", fix="Another operator has to.")
        return _speak(case, _Kind.APPROVAL, reason, by, now)

    return _acting(APPROVE, case_id, act, by)


def _acting(action: str, case_id: int, act: Callable[[], RecoveryCase], by: Actor) -> RecoveryCase:
    """Ask, act in one transaction, and record a refusal of the case itself."""
    actions.require(by, action, Thing("recovery-case", case_id))
    try:
        with transaction.atomic():
            return act()
    except (CaseMissing, WordRefused) as refusal:
        record_refusal(action, by=by, code=refusal.code, about=Thing("recovery-case", case_id))
        raise


def _speak(case: RecoveryCase, kind: str, reason: str, by: Actor, now: datetime) -> RecoveryCase:
    """Write one word down; of two at once from one person one counts."""
    try:
        with transaction.atomic():
            RecoveryWord.objects.create(
                case=case, by_id=by.user_id or 0, kind=kind, reason=reason, given_at=now
            )
    except IntegrityError as error:
        raise WordRefused("You spoke in this request already.", fix="Somebody else has to.") from error
    action = VOUCH if kind == _Kind.VOUCHER else APPROVE
    record(action, by=by, about=thing_of(case), account_id=case.user_id, details={"reason": reason})
    _tell_spoken(case, "vouched" if kind == _Kind.VOUCHER else "approved", reason, by, now)
    settle(case, now)
    return case


def _tell_spoken(case: RecoveryCase, what: str, reason: str, by: Actor, now: datetime) -> None:
    facts = (("What", what), ("Why", reason), ("When", clock.format_instant(now)))
    telling.tell_all(case.user, letters.spoken(case.user.username, by.name, facts), now)


def withdraw(case_id: int, reason: str, *, by: Actor, now: datetime) -> RecoveryCase:
    """Take back what one approved; a link that rests on it is dead. Raises CaseOver, WordRefused, ReasonMissing."""
    reason = read_reason(reason)

    def act() -> RecoveryCase:
        case = lock_case(case_id, now, by)
        mine = RecoveryWord.objects.filter(case=case, by_id=by.user_id, kind=_Kind.APPROVAL)
        if not mine.delete()[0]:
            raise WordRefused("You have approved nothing here.", fix="You can refuse the request.")
        record(WITHDRAW, by=by, about=thing_of(case), account_id=case.user_id, details={"reason": reason})
        _tell_spoken(case, "took the approval back", reason, by, now)
        settle(case, now)
        return case

    return _acting(WITHDRAW, case_id, act, by)


def refuse(case_id: int, reason: str, *, by: Actor, now: datetime) -> RecoveryCase:
    """Refuse a case as an operator; it is over, whoever spoke for it. Raises CaseMissing, CaseOver, ReasonMissing."""
    reason = read_reason(reason)

    def act() -> RecoveryCase:
        case = lock_case(case_id, now, by)
        if by.user_id == case.user_id:
            raise WordRefused(
                "This request is about your own account.", fix="Sign in with a factor to stop it."
            )
        cases.refuse(case, reason, by=by, now=now)
        record(REFUSE, by=by, about=thing_of(case), account_id=case.user_id, details={"reason": reason})
        return case

    return _acting(REFUSE, case_id, act, by)


def propose(username: str, reason: str, *, hands_over: bool, by: Actor, now: datetime) -> RecoveryCase:
    """Open a case for somebody whom no mail reaches, and approve it; another operator has to as well.

    Raises NotFound, WordRefused, ReasonMissing, what the gate raises.
    """
    actions.require(by, PROPOSE)
    reason = read_reason(reason)
    user = people.find_user(username.strip()) if username.isprintable() else None
    if user is None or user.state == user.State.DELETED:
        raise NotFound("There is no account of this name.", fix="Check the user name.")
    if user.pk == by.user_id:
        raise WordRefused("Nobody opens a request for themselves.", fix="Begin at `/account/recover/`.")
    with transaction.atomic():
        case = cases.open_by_operator(user, reason, hands_over=hands_over, by=by, now=now)
        record(PROPOSE, by=by, about=thing_of(case), account_id=user.pk, details={"reason": reason})
        if not RecoveryWord.objects.filter(case=case, by_id=by.user_id).exists():
            _speak(case, _Kind.APPROVAL, reason, by, now)
    return case


def hand_over(case_id: int, *, by: Actor, now: datetime) -> str:
    """Return the path of a one-time link for a person whom no mail reaches; earlier ones are dead.

    Only once two operators (or one, after a day) answered for it, and never where a mail was to go to the person.
    Raises CaseMissing, CaseOver, CaseIncomplete, CaseWaits.
    """
    actions.require(by, HAND_OVER, Thing("recovery-case", case_id))
    with transaction.atomic():
        case = lock_case(case_id, now, by)
        _require_handing_over(case, by, now)
        path = cases.make_link(case, now)
        record(HAND_OVER, by=by, about=thing_of(case), account_id=case.user_id)
    return path


def _require_handing_over(case: RecoveryCase, by: Actor, now: datetime) -> None:
    stage = queries.stage_of(case, queries.support_of(case, now), now)
    is_theirs = by.user_id == case.user_id or case.basis not in {"", "operators", "one operator"}
    if is_theirs or not is_handed_over(case):
        raise WordRefused(
            "The link of this request goes out by mail.", fix="The person looks into their mail."
        )
    if stage == "waits for its instant":
        raise CaseWaits("This request was announced, and waits for its instant.")
    if stage != "ready":
        raise CaseIncomplete


def is_handed_over(case: RecoveryCase) -> bool:
    """Whether operators hand the link of this case over, since no mail reaches the person."""
    return case.hands_over or not queries.has_mail(case.user)
