"""What follows when a recovery code lets somebody in, when a factor is proven, and when one is taken off."""

from __future__ import annotations

from datetime import datetime

from keyhouse.accounts import emails, holds, strength
from keyhouse.accounts.devices import describe
from keyhouse.accounts.models import Hold, Session, User
from keyhouse.accounts.recovery import letters, telling
from keyhouse.accounts.recovery.cases import VOUCH_PAGE, stop_cases
from keyhouse.accounts.visitor import Visitor
from keyhouse.core import clock
from keyhouse.core.actor import Actor


def follow_code(user: User, visitor: Visitor, now: datetime) -> Hold | None:
    """Tell everybody concerned that a code was used, and hold who has authority; in the transaction of its use."""
    length, hold = holds.length_for(user.pk), None
    if length is not None:
        hold = holds.place_hold(user, Hold.Reason.RECOVERY_CODE, now=now, until=now + length)
    facts = (
        ("When", clock.format_instant(now)),
        ("From", visitor.network or "unknown"),
        ("Browser", describe(visitor.user_agent)),
    )
    left = strength.codes_left(user.pk)
    until = hold.until if hold else None
    telling.tell_person(user, letters.code_used(user.username, left, until, facts), now)
    if until is not None:
        tell_who_confirms(user, f"A recovery code of {user.username} was used.", until, now)
    return hold


def tell_who_confirms(user: User, why: str, until: datetime, now: datetime) -> None:
    """Tell co-owners that somebody is on hold, and where they can confirm."""
    page = emails.site_address(VOUCH_PAGE)
    telling.tell_co_owners(
        user, letters.held_to_others(user.username, why, until, page, "Confirm that it was them"), now
    )


def follow_factor(session: Session, enrolled_at: datetime | None, *, by: Actor, now: datetime) -> None:
    """End what a proven factor ends, in the transaction of its proof: a code's hold, and a case that somebody opened.

    The hold ends only by a factor that was there before it: a thief with a code enrols one of their own first.
    """
    user = session.user
    live = holds.live_holds(user.pk, now).filter(reason=Hold.Reason.RECOVERY_CODE)
    placed_at = live.order_by("-placed_at").values_list("placed_at", flat=True).first()
    if placed_at is not None and enrolled_at is not None and enrolled_at < placed_at:
        holds.end_holds(user, Hold.Reason.RECOVERY_CODE, by="factor", now=now)
    stop_cases(user, how="factor", by=by, now=now)


def follow_removal(user: User, *, by: Actor, now: datetime) -> None:
    """Stop a case that somebody opened, in the transaction of a factor's removal: it may rest on what is gone now.

    Whoever takes one off has proven the strongest lately, and that may have been before the case was opened. The host,
    which takes off what somebody lost, has proven nothing for them.
    """
    if by.kind == "session":
        stop_cases(user, how="factor", by=by, now=now)
