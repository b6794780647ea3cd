"""A case from its opening to its end: opened, settled once it has what it takes, stopped by its owner or used once.

Whoever writes takes the lock of the account first, then that of the case.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from keyhouse.accounts import emails, holds, limits, links
from keyhouse.accounts.errors import LinkUnknown, PasswordWrong, RecoveryCodeWrong
from keyhouse.accounts.hashing import compare_password
from keyhouse.accounts.models import Email, Hold, OneTimeLink, RecoveryCase, User
from keyhouse.accounts.recovery import letters, queries, rules, telling
from keyhouse.accounts.recovery.errors import CaseIncomplete, CaseMissing, CaseOver, CaseWaits, WordRefused
from keyhouse.accounts.second_factors.recovery_codes.services import hash_guess, require_unused, use_code
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, belongings, clock, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor, job
from keyhouse.core.errors import AccountSuspended
from keyhouse.mail.queries import is_off

OPEN: Final = "recovery.open"
LINK: Final = "enrolment.link"
STOP: Final = "recovery.stop"
SETTLE: Final = "recovery.settle"
JOB: Final = "recovery"
VOUCH_PAGE: Final = "/account/vouch/"
CONSOLE: Final = "/operator/recovery/"
_STOPPED: Final = {
    "factor": "Its owner proved a second factor.",
    "not-me": "Its owner stopped it.",
    "address": "The address that it was begun with is not the account's any more.",
    "suspended": "The account was suspended.",
    "host": "The account was set up anew by a link that was made at the host.",
}
_BEGUN_BY: Final = {  # a case by factors says itself by which
    "mail": "a link mailed to one of its addresses",
    "operators": "an operator",
}
_State = RecoveryCase.State
CLOSED: Final = (User.State.DELETED, User.State.SUSPENDED)  # which no way back opens


def begun_by(case: RecoveryCase) -> str:
    """Return for people how a case began."""
    return rules.words_of_proofs(case.proofs) or _BEGUN_BY[case.path]


def thing_of(case: RecoveryCase) -> Thing:
    """Return a case as actions and the audit log name it."""
    return Thing("recovery-case", case.pk, case.user.username)


# ---- opening


def open_by_mail(  # noqa: PLR0913, PLR0917 - the link, its browser, and what is typed beside it
    secret: str, browser: str, password: str, visitor: Visitor, now: datetime, recovery_code: str = ""
) -> tuple[RecoveryCase, str]:
    """Open a case by the mailed link, which is used up; returns the case and the value of the browser's cookie.

    A case that is open already goes on, with the password, or a recovery code, as one more proof. Raises the refusals of
    links, PasswordWrong, RecoveryCodeWrong, TooManyAttempts.
    """
    link = links.find_link(links.RECOVERY, secret, now)
    links.require_browser(link, browser)
    actions.require(visitor.actor, OPEN)
    judged, knows = link.user, _knows_password(link, password, visitor, now)
    use = _code_of(link, recovery_code, visitor, now)
    with transaction.atomic():
        user = _lock_person(link.user_id)
        link = links.lock_link(links.RECOVERY, secret, now)
        if judged is None or (knows and user.password != judged.password):
            raise PasswordWrong  # it was changed while it was compared
        browser = links.bind_browser(link, browser)
        knows_code = use(user)
        case = _open(
            user,
            now,
            path=RecoveryCase.Path.MAIL,
            address=link.address,
            knows_password=knows,
            knows_code=knows_code,
        )
        link.data = {**link.data, "case": case.pk}
        link.save(update_fields=["data"])
        links.use_link(link, now)
        record(OPEN, by=visitor.actor, about=thing_of(case), account_id=user.pk, details={"path": case.path})
        settle(case, now)
    return case, browser


def _knows_password(link: OneTimeLink, password: str, visitor: Visitor, now: datetime) -> bool:
    """Compare the password where one was given; wrong ones are counted."""
    if not password or link.user is None:
        return False
    counted = limits.count_attempt(
        now=now, limit=limits.RECOVERY, subject=f"account:{link.user.pk}", network=visitor.network
    )
    if not compare_password(password, link.user.password).is_right:
        record_refusal(OPEN, by=visitor.actor, code=PasswordWrong.code, account_id=link.user.pk)
        raise PasswordWrong("That is not the password of this account.", fix="Try again, or leave it empty.")
    counted.give_back()
    return queries.is_password_a_proof(link.user)


def _code_of(link: OneTimeLink, typed: str, visitor: Visitor, now: datetime) -> Callable[[User], bool]:
    """Compare a recovery code where one was given; returns what uses it up in the transaction. Wrong ones are counted."""
    if not typed or link.user is None:
        return lambda _: False
    owner = link.user
    counted = limits.count_attempt(
        now=now, limit=limits.RECOVERY, subject=f"account:{owner.pk}", network=visitor.network
    )
    try:
        guess = hash_guess(owner.pk, typed)
        require_unused(guess)
        queries.require_settled_codes(owner)
    except RecoveryCodeWrong as refusal:
        record_refusal(OPEN, by=visitor.actor, code=refusal.code, account_id=owner.pk)
        raise
    counted.give_back()

    def use(user: User) -> bool:
        queries.require_settled_codes(user)  # it may have been frozen meanwhile
        use_code(guess, now=now)
        return True

    return use


def open_by_factors(
    user_id: int, browser: str, proofs: tuple[str, ...], visitor: Visitor, now: datetime
) -> RecoveryCase:
    """Open a case by two or more proofs, named by `proofs`, that were proven in this very transaction, which holds the account's lock.

    Whatever else was open is stopped: a factor was proven. What the host made stays, and is the quicker way.
    """
    user = _lock_person(user_id)
    if user.state == User.State.FROZEN:
        raise LinkUnknown
    stop_cases(user, how="factor", by=visitor.actor, now=now)
    if queries.find_open(user.pk, now) is not None:
        raise WordRefused(
            "The host has made a link for this account.", fix="Whoever runs this index hands it over."
        )
    case = _open(user, now, path=RecoveryCase.Path.FACTORS, proofs=proofs)
    case.browser = links.digest_of(browser)
    case.save(update_fields=["browser"])
    told: dict[str, str | list[str]] = {"path": case.path, "proofs": list(proofs)}
    record(OPEN, by=visitor.actor, about=thing_of(case), account_id=user.pk, details={**told})
    settle(case, now)
    return case


def _lock_all(*user_ids: int | None) -> None:
    rows = User.objects.select_for_update().filter(pk__in=[one for one in user_ids if one is not None])
    list(rows.order_by("pk").values_list("pk", flat=True))


def _lock_person(user_id: int | None) -> User:
    user = User.objects.select_for_update().filter(pk=user_id).first() if user_id else None
    if user is None or user.state == User.State.DELETED:
        raise LinkUnknown
    if user.state == User.State.SUSPENDED:
        raise AccountSuspended(fix="Operators closed this account, and only they open it.")
    return user


def _open(  # noqa: PLR0913 - one keyword for each thing that a case begins with
    user: User,
    now: datetime,
    *,
    path: str,
    address: str = "",
    knows_password: bool = False,
    knows_code: bool = False,
    hands_over: bool = False,
    reason: str = "",
    proofs: tuple[str, ...] = (),
) -> RecoveryCase:
    """Return the open case of a person, begun or gone on with. The caller holds the account's lock and records."""
    RecoveryCase.objects.filter(user=user, state=_State.OPEN, expires_at__lte=now).update(
        state=_State.EXPIRED, closed_at=now, closed_by="time"
    )
    case = RecoveryCase.objects.select_for_update().filter(user=user, state=_State.OPEN).first()
    if case is not None:
        return _go_on(case, path, address, knows_password=knows_password, knows_code=knows_code)
    stands = standing.of(user.pk)
    case = RecoveryCase.objects.create(
        user=user,
        path=path,
        opened_at=now,
        expires_at=now + rules.LIFE,
        address=address,
        knows_password=knows_password,
        knows_code=knows_code or rules.RECOVERY_CODE in proofs,
        proofs=", ".join(proofs),
        hands_over=hands_over,
        reason=reason,
        co_owner_ids=list(stands.co_owner_ids),
        needed=rules.vouchers_needed(len(stands.compliant_co_owner_ids)),
    )
    _tell_opened(case, now)
    return case


def _go_on(
    case: RecoveryCase, path: str, address: str, *, knows_password: bool, knows_code: bool
) -> RecoveryCase:
    """Add a mailed proof to a case that is open already.

    Where operators hand the link over, the host did, or it was begun by factors, nothing that comes by mail changes
    anything: the mailbox may be a thief's. An operator who joins a mailed case only adds a word, and never gets its link.
    """
    is_mailed = case.path in {RecoveryCase.Path.MAIL, RecoveryCase.Path.OPERATORS} and not case.hands_over
    if path == RecoveryCase.Path.MAIL and is_mailed:
        case.path, case.address = path, address
        case.knows_password = case.knows_password or knows_password
        case.knows_code = case.knows_code or knows_code
        case.save(update_fields=["path", "address", "knows_password", "knows_code"])
    return case


def open_by_operator(user: User, reason: str, *, hands_over: bool, by: Actor, now: datetime) -> RecoveryCase:
    """Open a case for somebody whom no mail reaches, in the caller's transaction; the caller asked and records."""
    _lock_all(user.pk, by.user_id)
    _lock_person(user.pk)
    _require_same_way(user, hands_over=hands_over, now=now)
    return _open(
        user,
        now,
        path=RecoveryCase.Path.OPERATORS,
        hands_over=hands_over,
        reason=f"{by.name}: {reason}"[:500],
    )


def _require_same_way(user: User, *, hands_over: bool, now: datetime) -> None:
    """Raise WordRefused where the open case lets its link out by another way than the operator means.

    Whoever answers for somebody whose mailbox is gone must not speak for who sits in that mailbox.
    """
    case = queries.find_open(user.pk, now)
    if case is None or case.path == RecoveryCase.Path.HOST or case.hands_over == hands_over:
        return
    if hands_over:
        raise WordRefused(
            "A request of this account is open whose link goes to its mailbox.",
            fix="If the mailbox is not theirs, refuse that request first.",
        )
    raise WordRefused(
        "A request of this account is open whose link is handed over.", fix="Approve it in the console."
    )


def open_at_host(user: User, *, by: Actor, now: datetime) -> str:
    """Begin a recovery by whoever runs the machine, and return the path of its link, which works at once."""
    with transaction.atomic():
        actions.require(by, LINK, Thing("account", user.pk, user.username))
        user = _lock_person(user.pk)
        case = _open(user, now, path=RecoveryCase.Path.HOST)
        case.path, case.basis, case.ready_at = RecoveryCase.Path.HOST, "host", now
        case.expires_at = now + rules.LIFE  # it may be an older one, and must outlive its link
        case.save(update_fields=["path", "basis", "ready_at", "expires_at"])
        _links_of(user).delete()
        path = make_link(case, now)
        record(LINK, by=by, about=Thing("account", user.pk, user.username), account_id=user.pk)
        telling.tell_all(user, letters.settled(user.username, "host", now), now)
    return path


def _tell_opened(case: RecoveryCase, now: datetime) -> None:
    if case.path == RecoveryCase.Path.HOST:
        return
    user = case.user
    facts = (
        ("Account", user.username),
        ("Opened", clock.format_instant(case.opened_at)),
        ("Begun by", begun_by(case)),
    )
    telling.tell_person(user, letters.opened(user.username, facts), now)
    vouch = "Talk to them, by another way than mail. If it is them, you can vouch for them:"
    telling.tell_co_owners(
        user,
        letters.opened_to_others(user.username, facts, emails.site_address(f"{VOUCH_PAGE}{case.pk}/"), vouch),
        now,
    )
    approve = "Two operators can approve it, each by themselves, or refuse it:"
    telling.tell_operators(
        user,
        letters.opened_to_others(user.username, facts, emails.site_address(f"{CONSOLE}{case.pk}/"), approve),
        now,
    )


# ---- settling


def settle(case: RecoveryCase, now: datetime) -> None:
    """Look whether a case has what it takes; the first time it does, its instant is set and its link goes out.

    In the caller's transaction, which holds the lock of the account.
    """
    basis = rules.basis_of(queries.support_of(case, now))
    if basis is None:
        end_link(case)
        if case.basis:
            case.basis, case.ready_at = "", None
            case.save(update_fields=["basis", "ready_at"])
        return
    if basis == case.basis:
        return
    case.basis = basis
    case.ready_at = now + rules.wait_of(
        basis, holds.length_for(case.user_id), hands_over=case.hands_over, is_mail_off=is_off()
    )
    case.save(update_fields=["basis", "ready_at"])
    record(SETTLE, by=job(JOB), about=thing_of(case), account_id=case.user_id, details={"basis": basis})
    telling.tell_all(case.user, letters.settled(case.user.username, basis, case.ready_at), now)
    _send_link(case, case.ready_at, now)


def _send_link(case: RecoveryCase, ready_at: datetime, now: datetime) -> None:
    """Mail the link; where it is handed over, operators make it in their console."""
    is_by_mail = not case.hands_over and case.path != RecoveryCase.Path.FACTORS
    address = queries.find_for_case(case.user, case.address) if is_by_mail else ""
    if not address:
        return
    path = make_link(case, now, address)
    until = now + links.LIFE[links.ENROLMENT]
    letter = letters.ready(case.user.username, emails.site_address(path), ready_at, until)
    emails.send_to(case.user, address, letter, now=now, expires_at=until)


def make_link(case: RecoveryCase, now: datetime, address: str = "") -> str:
    """Make the link by which the person sets everything anew; earlier ones of the case are dead."""
    end_link(case)
    return links.make_link_for(
        case.user,
        links.ENROLMENT,
        now=now,
        address=address or _primary(case.user),
        data={"case": case.pk},
    )


def _primary(user: User) -> str:
    return user.emails.filter(is_primary=True).values_list("address", flat=True).first() or ""


def end_link(case: RecoveryCase) -> None:
    """Let the links of a case be dead.

    One that the host made for somebody without a case stays: whoever sits in a mailbox must not end it by opening one.
    """
    _links_of(case.user).filter(data__case=case.pk).delete()


def _links_of(user: User) -> QuerySet[OneTimeLink]:
    return OneTimeLink.objects.filter(purpose=links.ENROLMENT, username__iexact=user.username, used_at=None)


# ---- using


def require_ready(link: OneTimeLink, now: datetime) -> RecoveryCase | None:
    """Return the case of an enrolment link, which must hold at this moment; None for a link that has none.

    Raises CaseOver, CaseIncomplete, CaseWaits.
    """
    case_id = link.data.get("case")
    if case_id is None:
        return None
    case = RecoveryCase.objects.filter(pk=case_id).select_related("user").first()
    if case is None:
        raise CaseMissing
    stage = queries.stage_of(case, queries.support_of(case, now), now)
    if stage == "over":
        raise CaseOver
    if stage == "waits for words":
        raise CaseIncomplete
    if stage != "ready":
        when = clock.format_instant(case.ready_at) if case.ready_at else ""
        raise CaseWaits(f"This link works from {when} on.")
    return case


def finish(user: User, case: RecoveryCase | None, now: datetime) -> None:
    """End the recovery of an account that was set up anew: on hold, awake again if it was frozen, everybody told.

    In the transaction that set it up, with the account's lock held. `case` was ready before anything was written.
    """
    if case is not None:
        _close(case, _State.FINISHED, "the person", now)
    else:
        stop_cases(user, how="host", by=job(JOB), now=now)  # its link would set everything anew once more
    _links_of(user).delete()
    ended = belongings.disown_since(user.pk, _settled_before(user, case, now), now)
    User.objects.filter(pk=user.pk).exclude(state__in=CLOSED).update(state=User.State.ACTIVE)
    links.end_links(user.pk, links.RECOVERY, links.PASSWORD_RESET)
    holds.end_holds(user, Hold.Reason.PASSWORD_RESET, by="factor", now=now)
    until = hold_after(user, now)
    letter = letters.finished(user.username, case.basis if case else "", until, ended)
    telling.tell_all(user, letter, now)


def _settled_before(user: User, case: RecoveryCase | None, now: datetime) -> datetime:
    """Return until when what acts for this person was made long enough before their recovery to be theirs."""
    begun = case.opened_at if case else now
    settled = begun - links.LIFE[links.NOT_ME]
    is_frozen = User.objects.filter(pk=user.pk, state=User.State.FROZEN).exists()
    return min(settled, queries.settled_before(user)) if is_frozen else settled


def hold_after(user: User, now: datetime) -> datetime | None:
    """Put an account on hold after its recovery; None for one that has authority over nothing."""
    length = holds.length_for(user.pk)
    if length is None:
        return None
    hold = holds.place_hold(user, Hold.Reason.RECOVERY, now=now, until=now + length)
    return hold.until


def _close(case: RecoveryCase, state: str, by: str, now: datetime, reason: str = "") -> None:
    case.state, case.closed_at, case.closed_by, case.closing_reason = state, now, by[:60], reason[:500]
    case.save(update_fields=["state", "closed_at", "closed_by", "closing_reason"])
    end_link(case)


# ---- ending


def refuse(case: RecoveryCase, reason: str, *, by: Actor, now: datetime) -> None:
    """Close a case that an operator refuses, in the caller's transaction, which asked and records."""
    _close(case, _State.REFUSED, by.name, now, reason)
    telling.tell_all(case.user, letters.over(case.user.username, "An operator refused it."), now)


def stop_cases(user: User, *, how: str, by: Actor, now: datetime) -> int:
    """Stop the open case of a person, in the caller's transaction: they are there, or say that it is not them.

    Returns how many were stopped. `how` is a word of `_STOPPED`.
    """
    case = RecoveryCase.objects.select_for_update().filter(user=user, state=_State.OPEN).first()
    if case is None or case.path == RecoveryCase.Path.HOST:
        return 0
    case.user = user
    _close(case, _State.STOPPED, how, now)
    links.end_links(user.pk, links.RECOVERY)
    record(STOP, by=by, about=thing_of(case), account_id=user.pk, details={"how": how})
    telling.tell_all(user, letters.over(user.username, _STOPPED[how]), now)
    return 1


def stop_without_address(user: User, *, by: Actor, now: datetime) -> int:
    """Stop the case that a mail began to an address which isn't the person's any more; returns how many.

    In the transaction of that change, with the account's lock held. The link of the case lies in that mailbox.
    """
    case = RecoveryCase.objects.filter(user=user, state=_State.OPEN, path=RecoveryCase.Path.MAIL).first()
    mine = Email.objects.filter(user=user, verified_at__isnull=False)
    if case is None or mine.filter(address=case.address).exists():
        return 0
    return stop_cases(user, how="address", by=by, now=now)


def lock_case(case_id: int, now: datetime, by: Actor) -> RecoveryCase:
    """Return an open case with the locks of its account and of itself held; raises CaseMissing, CaseOver.

    Whoever speaks is locked, too, in the order of all accounts: their word refers to their row, and of two people who
    speak for each other at once neither must wait for what the other holds.
    """
    found = queries.get_case(case_id)
    _lock_all(found.user_id, by.user_id)
    case = RecoveryCase.objects.select_for_update().filter(pk=case_id).first()
    if case is None:
        raise CaseMissing
    if case.state != _State.OPEN or case.expires_at <= now:
        raise CaseOver
    return case
