"""The first second factor of an account: whoever knows the password could be the one who enrols it.

Where somebody has authority, and the account was silent for long or the browser is not an old acquaintance, a fresh
mailed proof comes first (or a recovery code, from whoever lost the mailbox), and authority wakes a day later. Brand-new accounts, and accounts made by a link with their
factor at once, are not slowed.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from keyhouse.accounts import browsers, emails, holds, limits, links
from keyhouse.accounts.errors import LinkInUse, RecoveryCodeWrong
from keyhouse.accounts.models import Hold, KnownBrowser, OneTimeLink, Session, User
from keyhouse.accounts.recovery import letters, rules, telling
from keyhouse.accounts.recovery.cases import CONSOLE
from keyhouse.accounts.recovery.code_use import follow_code, tell_who_confirms
from keyhouse.accounts.recovery.errors import MailedProofRequired
from keyhouse.accounts.recovery.queries import find_reachable, has_mail_now
from keyhouse.accounts.recovery.rules import Newness
from keyhouse.accounts.second_factors.recovery_codes.services import hash_guess, use_code
from keyhouse.accounts.sessions import lock_session
from keyhouse.accounts.strength import has_second_factor
from keyhouse.accounts.visitor import Visitor
from keyhouse.audit.queries import records_of_person
from keyhouse.audit.services import record, record_refusal
from keyhouse.core import actions, clock, configuration, standing
from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor

PROVE: Final = "enrolment-proof.give"
ASK: Final = "enrolment-proof.ask"
_BROWSER: Final = "browser"
_PROVED: Final = "mail_proved_at"  # by the link, or by what takes its place


def note_browser(session: Session, visitor: Visitor) -> None:
    """Note in a session which browser it runs in; in the transaction of the sign-in."""
    row = browsers.find(session.user_id, visitor)
    if row is not None:
        session.data = {**session.data, _BROWSER: row.pk}
        session.save(update_fields=["data"])


def judge(user: User, *, by: Actor, now: datetime) -> Newness:
    """Return what is known of whoever is about to enrol; raises MailedProofRequired where that comes first.

    In the enrolling transaction, with the account's lock held.
    """
    newness = newness_of(user, by=by, now=now)
    if rules.lacks_mailed_proof(newness, now):
        raise MailedProofRequired
    return newness


def needs_proof(user: User, *, by: Actor, now: datetime) -> bool:
    """Whether the page that adds a factor leads to the mailed proof first."""
    return rules.lacks_mailed_proof(newness_of(user, by=by, now=now), now)


def newness_of(user: User, *, by: Actor, now: datetime) -> Newness:
    """Return what is known of an account and of the browser that wants to enrol."""
    session = Session.objects.filter(public_id=by.credential).first() if by.kind == "session" else None
    is_first = session is not None and not has_second_factor(user.pk)
    if session is None or not is_first:
        return Newness(False, False, False, True, False, None)
    quiet = timedelta(days=configuration.current().first_enrolment_days)
    return Newness(
        # whoever is invited has authority with one click more, so a thief must not get there by a factor of theirs
        has_authority=holds.length_for(user.pk) is not None or standing.of(user.pk).is_invited,
        is_first=is_first,
        is_idle=_is_idle(user, quiet, now),
        is_known_browser=_is_old_acquaintance(session, quiet, now),
        has_deliverable_mail=has_mail_now(user, now),
        proved_mail_at=_instant(session, _PROVED),
    )


def _instant(session: Session, name: str) -> datetime | None:
    text = session.data.get(name)
    return clock.parse_instant(text) if isinstance(text, str) else None


def _is_old_acquaintance(session: Session, quiet: timedelta, now: datetime) -> bool:
    """Whether the person signed in with this browser long ago, or made the account by its link in it.

    A browser that became known lately says nothing: a thief signs in twice.
    """
    row = KnownBrowser.objects.filter(pk=session.data.get(_BROWSER), user_id=session.user_id).first()
    if row is None:
        return False
    return row.how == KnownBrowser.How.LINK or now - row.first_seen_at >= quiet


def _is_idle(user: User, quiet: timedelta, now: datetime) -> bool:
    """Whether the account was silent for long before somebody came back lately.

    Sign-ins of the last days say nothing by themselves: they can be the thief's. They must follow others without a gap.
    """
    if now - user.joined_at <= quiet:
        return False
    seen = records_of_person(user.pk).filter(action="session.start", outcome="done", at__gt=now - 2 * quiet)
    instants = sorted(seen.values_list("at", flat=True))
    lately = [at for at in instants if at > now - quiet]
    before = [at for at in instants if at <= now - quiet]
    if not lately or not before:
        return True
    return min(lately) - max(before) > quiet


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
    mine = KnownBrowser.objects.filter(pk=session.data.get(_BROWSER), user_id=session.user_id)
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
    data: dict[str, Any] = {**row.data, _PROVED: clock.format_instant(now)}
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
