"""Sign-ins from unknown browsers by what can be phished: somebody else must say that it is they.

Whoever has passed on a password and the code of an app to a false page has lost both. So a browser that the account
doesn't know waits, with both proven, until a mailed link is opened in it. Where no mail arrives, a second factor of another
kind takes its place, or an announced wait; the account is on hold then. Security keys and passkeys need none of this.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from django.db import transaction

from keyhouse.accounts import arrivals, browser_letters, browsers, emails, holds, limits, links, strength
from keyhouse.accounts.errors import (
    ConfirmationByMail,
    ConfirmationElsewhere,
    ConfirmationUnmailed,
    LinkExpired,
    LinkUnknown,
    SignInExpired,
    TooManyAttempts,
    WaitsMany,
)
from keyhouse.accounts.models import Email, Hold, KnownBrowser, OneTimeLink, Session, User
from keyhouse.accounts.protection import protection_of
from keyhouse.accounts.recovery.code_use import follow_factor
from keyhouse.accounts.recovery.first_enrolment import note_browser
from keyhouse.accounts.sessions import actor_of, complete, lock_session
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record
from keyhouse.core.actions import Thing
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS
from keyhouse.mail import queries as mail
from keyhouse.mail.models import SENT, WAITING

ACTION: Final = "session.confirm"
ASK: Final = "session.ask-confirmation"
LIFE: Final = timedelta(minutes=15)  # of a link, after its mail has left
WAITING_LIFE: Final = timedelta(hours=2)  # of a sign-in that waits, so that a slow mail still finds it
CODE_LETTERS: Final = "23456789BCDFGHJKMNPQRTVWXY"  # none that is read as another one, and no words
CODE_LENGTH: Final = 6
ADDRESSES: Final = 5  # that one confirmation is mailed to at most

_ENROLLED: Final = "enrolled_at"

How = KnownBrowser.How
Other = Literal["totp", "recovery_code", ""]

_log = logging.getLogger("keyhouse.accounts")


# ---- who is asked


def must_confirm(user: User, methods: Iterable[str], visitor: Visitor, now: datetime) -> bool:
    """Whether a sign-in that has proven these methods needs a confirmation; asked in its transaction.

    The first browser of an account that never had one is taken on trust, which is used up by asking.
    """
    if not PHISHING_RESISTANT_METHODS.isdisjoint(methods) or browsers.is_known(user.pk, visitor, now):
        return False
    if strength.has_second_factor(user.pk):
        return not User.objects.filter(pk=user.pk, first_browser_at=None).update(first_browser_at=now)
    had_one = User.objects.filter(pk=user.pk, first_browser_at__isnull=False).exists()
    return had_one or KnownBrowser.objects.filter(user_id=user.pk).exists()


def begin(session: Session, now: datetime, enrolled_at: datetime | None = None) -> None:
    """Let a session wait for its confirmation, in the caller's transaction.

    `enrolled_at`: when the factor was enrolled that it has proven; what follows from that proof waits, too.
    """
    session.is_complete, session.confirm_until = False, now + WAITING_LIFE
    session.data = {
        "code": _new_code(),
        "protection": protection_of(session.user_id),
        "mails": [],
        _ENROLLED: enrolled_at.isoformat() if enrolled_at else "",
    }
    session.save(update_fields=["is_complete", "confirm_until", "data"])


def _new_code() -> str:
    letters = "".join(secrets.choice(CODE_LETTERS) for _ in range(CODE_LENGTH))
    return f"{letters[:3]}-{letters[3:]}"


def is_waiting(session: Session | None) -> bool:
    """Whether a session waits for its confirmation."""
    return session is not None and not session.is_complete and session.confirm_until is not None


def welcome(session: Session, visitor: Visitor, how: str, now: datetime) -> None:
    """Note the browser of a sign-in that is complete, and tell of one that is new, in the caller's transaction."""
    row = browsers.find(session.user_id, visitor)
    is_asked = how != browsers.How.KEY  # a key needs no wait, so nothing follows from one that is over
    if is_asked and row is not None and row.account_state and browsers.counts(row, now):
        _hold(session.user, now)
    if browsers.remember(session.user_id, visitor, how, now=now):
        emails.tell(session.user, browser_letters.new_browser(visitor, now), now=now)


def _hold(user: User, now: datetime) -> None:
    """Put whoever has authority on hold: nobody could be asked whether it is they."""
    length = holds.length_for(user.pk)
    if length is not None:
        holds.place_hold(user, Hold.Reason.UNKNOWN_BROWSER, now=now, until=now + length)


# ---- by mail


def addresses_of(user: User) -> list[str]:
    """Return the verified addresses of a person that take mails, the primary one first."""
    verified = Email.objects.filter(user=user, verified_at__isnull=False).order_by("-is_primary", "pk")
    return [one.address for one in verified if mail.is_deliverable(one.address)][:ADDRESSES]


def is_without_mail(user: User, now: datetime) -> bool:
    """Whether no mail reaches this person now: there is no address, no mail server, or one that takes nothing."""
    addresses = addresses_of(user)
    return mail.is_off() or not addresses or mail.is_stuck_for(addresses, now)


def ask_by_mail(session: Session, visitor: Visitor, now: datetime) -> None:
    """Mail a link to each address of the person. Earlier ones live on until their time is over.

    Raises ConfirmationUnmailed where no mail can be sent, TooManyAttempts, SignInExpired.
    """
    if mail.is_off():
        raise ConfirmationUnmailed
    addresses = addresses_of(session.user)
    if not addresses:
        raise ConfirmationUnmailed
    # no network: both factors are proven, and many people may do so behind one address
    limits.count_attempt(now=now, limit=limits.MAIL, subject=f"confirm:{session.user_id}")
    with transaction.atomic():
        _hold_account(session)
        waiting = _lock_waiting(session, now)
        sent = [_mail(waiting, address, visitor, now) for address in addresses]
        waiting.data = {**waiting.data, "mails": [*waiting.data["mails"], *sent]}
        waiting.save(update_fields=["data"])
        _record(ASK, waiting, visitor, {"by": "mail"})
    session.data = waiting.data


def ask_at_first(session: Session, visitor: Visitor, now: datetime) -> None:
    """Mail the links of a sign-in that began to wait just now; what stands in the way is told by its page."""
    try:
        ask_by_mail(session, visitor, now)
    except (ConfirmationUnmailed, TooManyAttempts) as refusal:
        _log.info("no confirmation was mailed: %s", refusal.code)


def _mail(session: Session, address: str, visitor: Visitor, now: datetime) -> dict[str, str]:
    key = f"confirm:{secrets.token_hex(16)}"
    told = {"session": session.public_id, "mail": key}
    path = links.make_link_for(session.user, links.CONFIRM, now=now, address=address, data=told)
    letter = browser_letters.confirmation(session.data["code"], emails.site_address(path), visitor, now)
    emails.send_notice(session.user, address, letter, now=now, key=key, expires_at=session.confirm_until)
    return {"key": key, "to": masked(address)}


def masked(address: str) -> str:
    """Return an address so that its owner knows it, and nobody else learns it."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}…@{domain}"


def look(secret: str, session: Session | None, now: datetime) -> Session:
    """Return the sign-in that a link would confirm in this browser now.

    Raises the refusals of links; ConfirmationElsewhere in any browser but the one that waits.
    """
    link = links.find_link(links.CONFIRM, secret, now)
    _require_in_time(link, now)
    if session is None or not is_waiting(session) or session.public_id != link.data.get("session"):
        raise ConfirmationElsewhere
    return session


def _require_in_time(link: OneTimeLink, now: datetime) -> None:
    """Raise LinkExpired 15 minutes after the mail was handed over; one that is still on its way has not begun."""
    row = mail.find_by_key(str(link.data.get("mail", "")))
    if row is not None and row.state == SENT and row.ended_at is not None and now >= row.ended_at + LIFE:
        raise LinkExpired("This link is too old.", fix="Have another mail sent by the page that waits.")


def was_confirmed_here(secret: str, session: Session | None) -> bool:
    """Whether this very session was confirmed by that link: then a second click is no mistake."""
    if session is None or not session.is_complete:
        return False
    link = links.find_used(links.CONFIRM, secret)
    return link is not None and link.data.get("session") == session.public_id


def confirm(secret: str, session: Session | None, visitor: Visitor, now: datetime) -> tuple[Session, str]:
    """Complete the sign-in that a link belongs to, in its own browser; returns it with its new cookie value.

    Raises what `look` raises, SignInExpired where the account changed or somebody was faster.
    """
    shown = look(secret, session, now)
    with transaction.atomic():
        _hold_account(shown)
        waiting = _lock_waiting(shown, now)
        link = links.lock_link(links.CONFIRM, secret, now)
        if link.user_id != waiting.user_id:
            raise LinkUnknown
        links.use_link(link, now)
        cookie = complete(waiting, now)
        admit(waiting, visitor, How.MAIL, now)
        _record(ACTION, waiting, visitor, {"by": "mail"})
    return waiting, cookie


def admit(session: Session, visitor: Visitor, how: str, now: datetime) -> None:
    """Note in the caller's transaction that a confirmed sign-in is one; without a mail the account is on hold."""
    User.objects.filter(pk=session.user_id).update(last_seen_at=now)
    if how != How.MAIL:
        _hold(session.user, now)
    browsers.remember(session.user_id, visitor, how, now=now)
    _follow(session, visitor, now)
    session.data = {}
    session.save(update_fields=["data"])
    note_browser(session, visitor)
    emails.tell(session.user, browser_letters.new_browser(visitor, now), now=now)
    arrivals.tell(session, visitor, now)


def _follow(session: Session, visitor: Visitor, now: datetime) -> None:
    """Do what follows from the factor that the sign-in had proven before it waited."""
    enrolled_at = session.data.get(_ENROLLED)
    if enrolled_at:
        by = actor_of(session, network=visitor.network, user_agent=visitor.user_agent)
        follow_factor(session, datetime.fromisoformat(enrolled_at), by=by, now=now)


def _hold_account(session: Session) -> None:
    """Take the lock of the account first, as all do that change what protects it."""
    User.objects.select_for_update().filter(pk=session.user_id).first()


def _lock_waiting(session: Session, now: datetime) -> Session:
    """Return the session as it is now, with its lock held; raises SignInExpired where it waits no more."""
    found = lock_session(session)
    if not is_waiting(found) or (found.confirm_until and now >= found.confirm_until):
        raise SignInExpired
    if found.data.get("protection") != protection_of(found.user_id):
        raise SignInExpired("The password, a factor or an address of this account was changed meanwhile.")
    found.user = session.user
    return found


def _record(action: str, session: Session, visitor: Visitor, details: dict[str, str]) -> None:
    record(
        action,
        by=actor_of(session, network=visitor.network, user_agent=visitor.user_agent),
        about=Thing("session", session.public_id),
        account_id=session.user_id,
        details=details,
    )


# ---- without mail


def other_factor(session: Session) -> Other:
    """Return which factor of another kind can stand in for a mail: the account has it, and it was not proven yet."""
    if "totp" in session.methods:
        return "recovery_code" if strength.codes_left(session.user_id) else ""
    if "recovery_code" in session.methods:
        return "totp" if strength.has_usable_app(session.user_id) else ""
    return ""


def require_other_factor(session: Session, method: str, now: datetime) -> None:
    """Raise SignInExpired or ConfirmationByMail unless this factor may stand in for a mail now."""
    if not is_waiting(session):
        raise SignInExpired
    if not is_without_mail(session.user, now) or other_factor(session) != method:
        raise ConfirmationByMail


def begin_wait(session: Session, visitor: Visitor, now: datetime) -> KnownBrowser:
    """Let this browser wait until it counts as known, and announce that; again it goes on waiting.

    A day where no mail can be sent. Where mails are sent, somebody may have lost the mailbox, so three days: whoever reads
    it has so long to refuse. Raises WaitsMany, SignInExpired.
    """
    with transaction.atomic():
        _hold_account(session)
        waiting = _lock_waiting(session, now)
        row = browsers.find(waiting.user_id, visitor)
        if row is not None and row.known_at > now:
            return row
        if browsers.waits_of(waiting.user_id, now).count() >= browsers.MOST_WAITS:
            raise WaitsMany
        row = _add_wait(waiting, visitor, now)
        _record(ASK, waiting, visitor, {"by": "wait"})
    return row


def _add_wait(session: Session, visitor: Visitor, now: datetime) -> KnownBrowser:
    is_mailed = not is_without_mail(session.user, now)
    until = now + (browsers.LONG_WAIT if is_mailed else browsers.WAIT)
    state = protection_of(session.user_id)
    row = browsers.add(session.user_id, visitor, How.WAIT, known_at=until, now=now, account_state=state)
    emails.tell(
        session.user, browser_letters.waiting_browser(visitor, now, until, is_mailed=is_mailed), now=now
    )
    return row


# ---- what the page tells


@dataclass(frozen=True, slots=True)
class MailLine:
    """One mail of a confirmation: to which address, and whether it has left; `ends_at`: until when its link works."""

    to: str
    state: Literal["waits", "sent", "failed"]
    sent_at: datetime | None = None
    ends_at: datetime | None = None
    is_over: bool = False


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a waiting sign-in shows: the code to compare, its mails, and what else there is."""

    code: str
    mails: list[MailLine]
    can_mail: bool
    without_mail: bool
    mail_is_off: bool
    other: Other
    has_key: bool
    wait_until: datetime | None
    ends_at: datetime | None


def describe(session: Session, visitor: Visitor, now: datetime) -> Waiting:
    """Return what the page of a waiting sign-in shows."""
    without = is_without_mail(session.user, now)
    row = browsers.find(session.user_id, visitor)
    return Waiting(
        code=str(session.data.get("code", "")),
        mails=[_line(told, now) for told in session.data.get("mails", [])],
        can_mail=not mail.is_off() and bool(addresses_of(session.user)),
        without_mail=without,
        mail_is_off=mail.is_off(),
        other=other_factor(session) if without else "",
        has_key=strength.has_usable_key(session.user_id),
        wait_until=row.known_at if row is not None and row.known_at > now else None,
        ends_at=session.confirm_until,
    )


def _line(told: dict[str, Any], now: datetime) -> MailLine:
    row = mail.find_by_key(str(told.get("key", "")))
    to = str(told.get("to", ""))
    if row is None or row.state == WAITING:
        return MailLine(to, "waits")
    if row.state != SENT or row.ended_at is None:
        return MailLine(to, "failed")
    ends_at = row.ended_at + LIFE
    return MailLine(to, "sent", row.ended_at, ends_at, now >= ends_at)
