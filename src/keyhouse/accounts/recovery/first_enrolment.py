"""The first second factor of an account: whoever knows the password could be the one who enrols it.

Where somebody has authority, and the account was silent for long or the browser is not an old acquaintance, a fresh
mailed proof comes first (or a recovery code, from whoever lost the mailbox), and authority wakes a day later. Brand-new accounts, and accounts made by a link with their
factor at once, are not slowed.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from django.db import transaction

from keyhouse.accounts import browsers, emails, holds, limits, links
from keyhouse.accounts.errors import LinkInUse, RecoveryCodeWrong
from keyhouse.accounts.models import Hold, KnownBrowser, OneTimeLink, Session, User
from keyhouse.accounts.recovery import letters, rules, telling
from keyhouse.accounts.recovery.cases import CONSOLE
from keyhouse.accounts.recovery.code_use import follow_code, tell_who_confirms
from keyhouse.accounts.recovery.newness import BROWSER, PROVED
from keyhouse.accounts.recovery.queries import find_reachable
from keyhouse.accounts.recovery.rules import Newness
from keyhouse.accounts.second_factors.recovery_codes.services import hash_guess, use_code
from keyhouse.accounts.sessions import lock_session
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

PROVE: Final = "enrolment-proof.give"
ASK: Final = "enrolment-proof.ask"


def note_browser(session: Session, visitor: Visitor) -> None:
    """Note in a session which browser it runs in; in the transaction of the sign-in."""
    row = browsers.find(session.user_id, visitor)
    if row is not None:
        session.data = {**session.data, BROWSER: row.pk}
        session.save(update_fields=["data"])


def follow(user: User, newness: Newness, *, by: Actor, now: datetime) -> Hold | None:
    """Let authority sleep after a first enrolment that calls for it, and tell everybody; in the enrolling transaction."""
    if newness.is_first:
        _keep_browser(by, now)
    if not rules.is_slowed(newness):
        return None
    until = now + rules.A_DAY
    hold = holds.place_hold(user, Hold.Reason.FIRST_ENROLMENT, now=now, until=until)
    telling.tell_person(user, letters.first_factor(user.username, until), now)
    why = f"{user.username} added a first second factor."
    tell_who_confirms(user, why, until, now)
    page = emails.site_address(CONSOLE)
    telling.tell_operators(user, letters.held_to_others(user.username, why, until, page, "Confirm it"), now)
    return hold


def _keep_browser(by: Actor, now: datetime) -> None:
    """Let the browser of a first enrolment be the one that the account knows.

    Otherwise the next one would be taken on trust as the first, and that may be a thief's who relays password and code.
    """
    session = Session.objects.filter(public_id=by.credential).first() if by.kind == "session" else None
    if session is None:
        return
    mine = KnownBrowser.objects.filter(pk=session.data.get(BROWSER), user_id=session.user_id)
    password = KnownBrowser.How.PASSWORD
    if mine.exists():
        mine.filter(how=password, known_at__lte=now).update(how=KnownBrowser.How.FIRST)
        User.objects.filter(pk=session.user_id, first_browser_at=None).update(first_browser_at=now)


# ---- the mailed proof


def ask_for_proof(session: Session, *, by: Actor, now: datetime) -> str:
    """Mail the link that proves an address; returns the address, or nothing where no mail arrives.

    Raises TooManyAttempts, what authority raises.
    """
    user = session.user
    actions.require(by, ASK, Thing("account", user.pk, user.username))
    # a bucket of its own: strangers fill that of resets, and stand behind the same network
    limits.count_attempt(now=now, limit=limits.MAIL, subject=f"proof:{user.pk}")
    address = find_reachable(user)
    if not address:
        return ""
    with transaction.atomic():
        links.end_links(user.pk, links.ENROLMENT_PROOF)
        path = links.make_link_for(
            user, links.ENROLMENT_PROOF, now=now, address=address, data={"session": session.public_id}
        )
        until = now + links.LIFE[links.ENROLMENT_PROOF]
        letter = letters.mailed_proof(user.username, emails.site_address(path), until)
        emails.send_to(user, address, letter, now=now, expires_at=until)
        record(ASK, by=by, about=Thing("account", user.pk), account_id=user.pk)
    return address


def find_proof(session: Session, secret: str, now: datetime) -> OneTimeLink:
    """Return the link of a proof; raises the refusals of links, LinkInUse in any session but the one that asked."""
    return _of_session(links.find_link(links.ENROLMENT_PROOF, secret, now), session)


def _of_session(link: OneTimeLink, session: Session) -> OneTimeLink:
    if link.user_id != session.user_id or link.data.get("session") != session.public_id:
        raise LinkInUse
    return link


def give_proof(session: Session, secret: str, *, by: Actor, now: datetime) -> None:
    """Note in the session that mail to the account reaches it; the link is used up. Raises the refusals of links."""
    user = session.user
    actions.require(by, PROVE, Thing("account", user.pk, user.username))
    with transaction.atomic():
        row = lock_session(session)
        link = _of_session(links.lock_link(links.ENROLMENT_PROOF, secret, now), session)
        links.use_link(link, now)
        _note_proof(row, session, now)
        record(PROVE, by=by, about=Thing("account", user.pk), account_id=user.pk, details={"by": "mail"})


def _note_proof(row: Session, session: Session, now: datetime) -> None:
    data: dict[str, Any] = {**row.data, PROVED: clock.format_instant(now)}
    row.data = session.data = data
    row.save(update_fields=["data"])


def prove_by_code(session: Session, typed: str, visitor: Visitor, *, by: Actor, now: datetime) -> None:
    """Take a recovery code in place of the mailed proof, for whoever lost the mailbox: beside the password a second proof.

    It is used up, told and followed by a hold, as wherever a code is used. Raises RecoveryCodeWrong, TooManyAttempts.
    """
    user = session.user
    actions.require(by, PROVE, Thing("account", user.pk, user.username))
    counted = limits.count_attempt(
        now=now, limit=limits.SECOND_FACTOR, subject=visitor.subject(user.pk), network=visitor.network
    )
    try:
        guess = hash_guess(user.pk, typed)
        with transaction.atomic():
            User.objects.select_for_update().filter(pk=user.pk).first()
            row = lock_session(session)
            use_code(guess, now=now)
            _note_proof(row, session, now)
            told = {"by": "recovery_code"}
            record(PROVE, by=by, about=Thing("account", user.pk), account_id=user.pk, details=told)
            follow_code(user, visitor, now)
    except RecoveryCodeWrong as refusal:
        record_refusal(PROVE, by=by, code=refusal.code, account_id=user.pk)
        raise
    counted.forgive()
