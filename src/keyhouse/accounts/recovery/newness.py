"""What is known of whoever gives an account its first second factor or recovery codes, and what has to come first.

Apart from what follows a first enrolment, which stands on recovery codes: these ask here, too.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyhouse.accounts import holds
from keyhouse.accounts.models import KnownBrowser, Session, User
from keyhouse.accounts.recovery import rules
from keyhouse.accounts.recovery.errors import MailedProofRequired
from keyhouse.accounts.recovery.queries import has_mail_now
from keyhouse.accounts.recovery.rules import Newness
from keyhouse.accounts.strength import has_second_factor
from keyhouse.audit.queries import records_of_person
from keyhouse.core import clock, configuration, standing
from keyhouse.core.actor import Actor

BROWSER: Final = "browser"  # which browser a session runs in, in its data
PROVED: Final = "mail_proved_at"  # by the link, or by what takes its place


def judge(user: User, *, by: Actor, now: datetime) -> Newness:
    """Return what is known of whoever is about to enrol or to make codes; raises MailedProofRequired where that comes first.

    In the transaction that enrols or keeps codes, with the account's lock held.
    """
    newness = newness_of(user, by=by, now=now)
    if rules.lacks_mailed_proof(newness, now):
        raise MailedProofRequired
    return newness


def needs_proof(user: User, *, by: Actor, now: datetime) -> bool:
    """Whether the pages that add a factor and make codes lead to the mailed proof first."""
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
        proved_mail_at=_instant(session, PROVED),
    )


def _instant(session: Session, name: str) -> datetime | None:
    text = session.data.get(name)
    return clock.parse_instant(text) if isinstance(text, str) else None


def _is_old_acquaintance(session: Session, quiet: timedelta, now: datetime) -> bool:
    """Whether the person signed in with this browser long ago, or made the account by its link in it.

    A browser that became known lately says nothing: a thief signs in twice.
    """
    row = KnownBrowser.objects.filter(pk=session.data.get(BROWSER), user_id=session.user_id).first()
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
