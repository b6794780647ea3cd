"""Reading about recovery: what speaks for a case, whom it concerns, how old the open ones are."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db.models import Q, QuerySet

from keyhouse.accounts import holds, links
from keyhouse.accounts.errors import RecoveryCodeWrong
from keyhouse.accounts.models import Email, Hold, RecoveryCase, RecoveryCodeSet, RecoveryWord, User
from keyhouse.accounts.queries import addresses_that_recover, may_recover_by
from keyhouse.accounts.recovery import rules
from keyhouse.accounts.recovery.errors import CaseMissing
from keyhouse.accounts.recovery.rules import Stage, Support
from keyhouse.audit.queries import records_of_person
from keyhouse.core import standing
from keyhouse.core.standing import Standing
from keyhouse.mail.queries import is_deliverable, is_off, is_stuck_for

_OPEN = RecoveryCase.State.OPEN
# What sets passwords; one that a mailed link set proves no more than the mailbox does.
_SETTING: Final = (
    "password.change",
    "password.reset",
    "enrolment.finish",
    "invitation.accept",
    "user.create",
)
_BY_MAIL: Final = "password.reset"
FREEZES = ("account.freeze", "account.freeze-by-link")
CONFIRMABLE = (Hold.Reason.RECOVERY_CODE, Hold.Reason.FIRST_ENROLMENT)


def all_operators() -> QuerySet[User]:
    """Return the operators of this index, also those who can't act now: what happens meanwhile concerns them, too."""
    return User.objects.filter(is_operator=True, kind="person").exclude(state=User.State.DELETED)


def active_operators(now: datetime) -> QuerySet[User]:
    """Return the operators who can act: open accounts of people, not on hold."""
    free = Q(held_until=None) | Q(held_until__lte=now)
    return all_operators().filter(free, state=User.State.ACTIVE).order_by("username")


@dataclass(frozen=True, slots=True)
class Operators:
    """Who operates this index: those who can act now, and how many there are at all."""

    able: tuple[User, ...]
    count: int


def operators_now(now: datetime) -> Operators:
    """Return who operates this index, read once for all cases that are looked at."""
    return Operators(tuple(active_operators(now)), all_operators().count())


def find_open(user_id: int, now: datetime) -> RecoveryCase | None:
    """Return the open case of a person, or None; one that is too old is none."""
    return RecoveryCase.objects.filter(user_id=user_id, state=_OPEN, expires_at__gt=now).first()


def open_cases(now: datetime) -> QuerySet[RecoveryCase]:
    """Return the cases that are open, the oldest first, with their people."""
    rows = RecoveryCase.objects.filter(state=_OPEN, expires_at__gt=now)
    return rows.select_related("user").order_by("opened_at", "pk")


def closed_cases(now: datetime) -> QuerySet[RecoveryCase]:
    """Return the cases that are over, the newest first, with their people."""
    rows = RecoveryCase.objects.exclude(state=_OPEN, expires_at__gt=now)
    return rows.select_related("user").order_by("-pk")


def get_case(case_id: int) -> RecoveryCase:
    """Return a case with its person; raises CaseMissing."""
    case = RecoveryCase.objects.filter(pk=case_id).select_related("user").first()
    if case is None:
        raise CaseMissing
    return case


def words_of(case: RecoveryCase) -> list[RecoveryWord]:
    """Return what was said in a case, in its order."""
    return list(RecoveryWord.objects.filter(case=case).select_related("by").order_by("pk"))


def words_in(cases: QuerySet[RecoveryCase]) -> dict[int, list[RecoveryWord]]:
    """Return what was said in these cases, in its order, by the number of the case."""
    found: dict[int, list[RecoveryWord]] = {}
    for word in RecoveryWord.objects.filter(case__in=cases).select_related("by").order_by("pk"):
        found.setdefault(word.case_id, []).append(word)
    return found


def speakers_in(cases: Iterable[RecoveryCase]) -> set[tuple[int, int]]:
    """Return who spoke in which of these cases, by the numbers of case and account."""
    said = RecoveryWord.objects.filter(case__in=[case.pk for case in cases])
    return set(said.values_list("case_id", "by_id"))


def counting_co_owners(case: RecoveryCase, stands: Standing) -> frozenset[int]:
    """Return who can vouch: co-owners since before the case was opened, who comply now by the person's standing."""
    return frozenset(case.co_owner_ids) & set(stands.compliant_co_owner_ids)


def support_of(case: RecoveryCase, now: datetime) -> Support:
    """Return what speaks for a case at this moment; words of people who don't count any more are left out."""
    return support_by(case, words_of(case), standing.of(case.user_id), operators_now(now))


def support_by(
    case: RecoveryCase, said: Iterable[RecoveryWord], stands: Standing, operators: Operators
) -> Support:
    """Return the same by what is read already."""
    words = [(word.kind, word.by_id) for word in said]
    vouchers = {by for kind, by in words if kind == RecoveryWord.Kind.VOUCHER}
    approvals = {by for kind, by in words if kind == RecoveryWord.Kind.APPROVAL}
    able = {one.pk for one in operators.able} - {case.user_id}
    counting = counting_co_owners(case, stands)
    return Support(
        path=case.path,
        knows_password=_password_still_speaks(case),
        # a mailbox that was never verified proves nothing, and a sheet of paper alone is one proof
        knows_code=case.knows_code and _is_mail_verified(case),
        # a mailbox that was never verified may be a stranger's, mistyped: alone it opens nobody's account
        has_authority=stands.has_authority or not _is_mail_verified(case),
        vouchers=len(vouchers & counting),
        needed=max(case.needed, rules.vouchers_needed(len(counting))),
        approvals=len(approvals & able),
        operators=operators.count,
    )


def is_password_a_proof(user: User) -> bool:
    """Whether the password says more than the mailbox does: not where it was set by a mailed link, or is known to others."""
    if user.state == User.State.PASSWORD_DISABLED:
        return False
    last = records_of_person(user.pk).filter(action__in=_SETTING, outcome="done").first()
    return last is None or last.action != _BY_MAIL


def _password_still_speaks(case: RecoveryCase) -> bool:
    """Whether the password that was proven in a case is a proof still: not once another one was set, by whomever."""
    changed_at = case.user.password_changed_at
    is_the_same = changed_at is None or changed_at <= case.opened_at
    return case.knows_password and is_the_same and is_password_a_proof(case.user)


def _is_mail_verified(case: RecoveryCase) -> bool:
    mine = Email.objects.filter(user=case.user_id, address=case.address)
    return mine.filter(verified_at__isnull=False).exists()


def stage_of(case: RecoveryCase, support: Support, now: datetime) -> Stage:
    """Return how a case stands now."""
    return rules.stage_of(
        state="over" if case.expires_at <= now else case.state,
        basis_now=rules.basis_of(support),
        basis=case.basis,
        ready_at=case.ready_at,
        now=now,
    )


def find_for_case(user: User, preferred: str = "") -> str:
    """Return the address that the links of a case go to: a verified one, or the one on file where none ever was.

    As with a forgotten password: it proves the mailbox, and a case asks for more than that. Never for a frozen account.
    """
    if user.state == User.State.FROZEN or Email.objects.filter(user=user, verified_at__isnull=False).exists():
        return find_reachable(user, preferred)
    found = (one.address for one in addresses_that_recover(user) if is_deliverable(one.address))
    return next(found, "")


def find_reachable(user: User, preferred: str = "") -> str:
    """Return the verified address that a mail of recovery goes to, or nothing where none arrives.

    A frozen account is reached only by what was verified before, and by nothing that was verified shortly before while
    there is something older: whoever froze it may have had its mail changed.
    """
    verified = Email.objects.filter(user=user, verified_at__isnull=False)
    if user.state == User.State.FROZEN:
        verified = verified.filter(verified_at__lt=frozen_at(user))
        older = verified.filter(verified_at__lte=settled_before(user))
        verified = older if older.exists() else verified
    wanted = preferred.strip().lower()
    rows = sorted(verified.order_by("-is_primary", "pk"), key=lambda one: one.address.lower() != wanted)
    found = (one.address for one in rows if may_recover_by(one) and is_deliverable(one.address))
    return next(found, "")


def settled_before(user: User) -> datetime:
    """Return until when what a frozen account has came long enough before the freeze to be its owner's.

    They may be those of whom the account was frozen for. For so long a mail says how to stop what it tells of.
    """
    return frozen_at(user) - links.LIFE[links.NOT_ME]


def require_settled_codes(user: User) -> None:
    """Raise RecoveryCodeWrong where an account is frozen, and its codes are no older than what it was frozen for."""
    codes = RecoveryCodeSet.objects.filter(user=user)
    if user.state == User.State.FROZEN and not codes.filter(created_at__lte=settled_before(user)).exists():
        raise RecoveryCodeWrong


def frozen_at(user: User) -> datetime:
    """Return when an account was frozen last; of one that was frozen by no record, nothing is old enough."""
    freezes = records_of_person(user.pk).filter(
        action__in=FREEZES, about_kind="account", account_id=user.pk, outcome="done"
    )
    at = freezes.values_list("at", flat=True).first()
    return at if at is not None else user.joined_at


def has_mail(user: User) -> bool:
    """Whether a mail would reach this person."""
    return not is_off() and bool(find_reachable(user))


def has_mail_now(user: User, now: datetime) -> bool:
    """Whether a mail would reach this person soon: none does while their mails wait for a server that takes them."""
    return has_mail(user) and not is_stuck_for([find_reachable(user)], now)


def cases_to_vouch(user_id: int, now: datetime) -> QuerySet[RecoveryCase]:
    """Return the open cases in which this person can vouch, or did, the oldest first."""
    theirs = _vouchable(now).filter(user_id__in=standing.speaks_for(user_id))
    mine = [pk for pk, co_owners in theirs.values_list("pk", "co_owner_ids") if user_id in co_owners]
    return open_cases(now).filter(pk__in=mine)


def find_case_to_vouch(case_id: int, user_id: int, now: datetime) -> RecoveryCase | None:
    """Return one of them, or None where this person has no word in it."""
    case = _vouchable(now).filter(pk=case_id).exclude(user_id=user_id).first()
    if case is None or user_id not in case.co_owner_ids:
        return None
    return case if user_id in counting_co_owners(case, standing.of(case.user_id)) else None


def _vouchable(now: datetime) -> QuerySet[RecoveryCase]:
    return open_cases(now).exclude(path=RecoveryCase.Path.HOST)


def holds_to_confirm(user_id: int, now: datetime) -> QuerySet[Hold]:
    """Return the holds of co-owners that this person's word ends, the oldest first."""
    return _confirmable(now).filter(user_id__in=standing.speaks_for(user_id))


def find_hold_to_confirm(hold_id: int, user_id: int, now: datetime) -> Hold | None:
    """Return one of them, or None where this person's word doesn't end it."""
    hold = _confirmable(now).filter(pk=hold_id).exclude(user_id=user_id).first()
    if hold is None or user_id not in standing.of(hold.user_id).compliant_co_owner_ids:
        return None
    return hold


def holds_for_operators(now: datetime) -> QuerySet[Hold]:
    """Return the holds that an operator's word ends, of first enrolments, the oldest first."""
    return _confirmable(now).filter(reason=Hold.Reason.FIRST_ENROLMENT)


def _confirmable(now: datetime) -> QuerySet[Hold]:
    live = Hold.objects.filter(reason__in=CONFIRMABLE, ended_at=None, until__gt=now)
    return live.select_related("user").order_by("placed_at", "pk")


def live_holds(now: datetime) -> QuerySet[Hold]:
    """Return the holds of everybody, the oldest first."""
    return (
        Hold.objects.filter(ended_at=None, until__gt=now).select_related("user").order_by("placed_at", "pk")
    )


def live_holds_of(user: User, now: datetime) -> list[Hold]:
    """Return the holds of a person, the longest first."""
    return list(holds.live_holds(user.pk, now).order_by("-until", "pk"))


def open_ages(now: datetime) -> list[timedelta]:
    """Return how old the open cases are, the youngest first."""
    rows = RecoveryCase.objects.filter(state=_OPEN, expires_at__gt=now).order_by("-opened_at")
    return [now - opened_at for opened_at in rows.values_list("opened_at", flat=True)]
