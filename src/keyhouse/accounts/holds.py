"""Holds: waits that are put on an account after what a thief would do, too.

While one lives, the gate refuses what is gated, and services refuse changes of the account; enrolling a factor, revoking
and reading go on. The rows are the ledger; `User.held_until` is the latest end of those that live, so that whoever
decides reads one column.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from django.db.models import Max, QuerySet

from keyhouse.accounts.errors import AccountHeld
from keyhouse.accounts.models import Hold, User
from keyhouse.core import clock, standing
from keyhouse.core.actor import Actor

SHORT: Final = timedelta(hours=24)
LONG: Final = timedelta(hours=72)  # for people with a critical project
FOR_EVER: Final = datetime.max.replace(year=9999, microsecond=0, tzinfo=UTC)  # until something ends it


def stated(state: str, held_until: datetime | None, now: datetime) -> str:
    """Return the state that counts: an account that is open and on hold is held.

    Also one whose password was disabled meanwhile: whoever could have that done would end every hold by it.
    """
    is_held = held_until is not None and now < held_until
    return User.State.HELD.value if is_held and state in _OPEN else state


_OPEN: Final = frozenset({User.State.ACTIVE, User.State.PASSWORD_DISABLED})


def effective_state(user: User, now: datetime) -> str:
    """Return the state of an account that counts at `now`."""
    return stated(user.state, user.held_until, now)


_DOUBTFUL: Final = frozenset({User.State.HELD, User.State.FROZEN, User.State.SUSPENDED})


def is_doubtful(asked_by: User | None, now: datetime) -> bool:
    """Tell whether somebody has to find out first whether it was this person who asked for what waits."""
    return asked_by is not None and effective_state(asked_by, now) in _DOUBTFUL


def length_for(user_id: int) -> timedelta | None:
    """Return how long somebody's changes are held: None for an account that has authority over nothing."""
    stands = standing.of(user_id)
    if not stands.has_authority:
        return None
    return LONG if stands.has_critical_project else SHORT


def place_hold(user: User, reason: str, *, now: datetime, until: datetime) -> Hold:
    """Put an account on hold in the caller's transaction; the caller records the act that it follows from.

    A hold for the same reason that lives already is prolonged, never shortened.
    """
    User.objects.select_for_update().filter(pk=user.pk).first()
    hold = live_holds(user.pk, now).filter(reason=reason).order_by("-until").first()
    if hold is None:
        hold = Hold.objects.create(user=user, reason=reason, placed_at=now, until=until)
    elif hold.until < until:
        hold.until = until
        hold.save(update_fields=["until"])
    _keep_end(user, now)
    return hold


def end_holds(user: User, *reasons: str, by: str, now: datetime) -> int:
    """End the live holds for these reasons (none named: all) early; returns how many. The caller records the act.

    `by` says in a word what ended them, such as `factor`, `co-owner`, `operator`.
    """
    User.objects.select_for_update().filter(pk=user.pk).first()
    ending = live_holds(user.pk, now)
    if reasons:
        ending = ending.filter(reason__in=reasons)
    count = ending.update(ended_at=now, ended_by=by)
    _keep_end(user, now)
    return count


def live_holds(user_id: int, now: datetime) -> QuerySet[Hold]:
    """Return the holds of an account that live at `now`."""
    return Hold.objects.filter(user_id=user_id, ended_at=None, until__gt=now)


def require_no_hold(user: User, now: datetime) -> None:
    """Raise AccountHeld, with the instant at which it ends, while the account is on hold."""
    if effective_state(user, now) != User.State.HELD:
        return
    if user.held_until is None or user.held_until >= FOR_EVER:
        raise AccountHeld
    raise AccountHeld(f"This account is on hold until {clock.format_instant(user.held_until)}.")


@dataclass(frozen=True, slots=True)
class Waiting:
    """That an account is on hold, for its pages; `until` is None where only an act ends it."""

    until: datetime | None


def find_wait(user: User, now: datetime) -> Waiting | None:
    """Return how long the account is on hold, or None where it isn't."""
    if effective_state(user, now) != User.State.HELD:
        return None
    is_open_ended = user.held_until is None or user.held_until >= FOR_EVER
    return Waiting(None if is_open_ended else user.held_until)


def require_free(user: User, by: Actor, now: datetime) -> None:
    """Raise AccountHeld as `require_no_hold` does; the host, which put things right by hand, is not asked."""
    if by.kind != "host":
        require_no_hold(user, now)


def _keep_end(user: User, now: datetime) -> None:
    user.held_until = live_holds(user.pk, now).aggregate(end=Max("until"))["end"]
    User.objects.filter(pk=user.pk).update(held_until=user.held_until)
