"""What follows when the right password turns out to be known to others."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from keyhouse.accounts import emails, holds, queries, strength
from keyhouse.accounts.models import Hold, User
from keyhouse.accounts.passwords import letters
from keyhouse.accounts.passwords.sources import Verdict
from keyhouse.accounts.sessions import end_sessions
from keyhouse.audit.services import record
from keyhouse.core.actions import Thing
from keyhouse.core.actor import job


def disable_password(user: User, verdict: Verdict, *, now: datetime) -> None:
    """Disable the password that was just compared, end all sessions and tell the person. A second time does nothing.

    Nothing happens either where the password was changed meanwhile. Credentials go on or rest as the gate says of the state.
    """
    with transaction.atomic():
        found = User.objects.select_for_update().get(pk=user.pk)
        if found.password_changed_at != user.password_changed_at or found.state not in _OPEN:
            return
        if found.state == User.State.HELD:  # as nothing but this row said; it has to outlive the other state
            holds.place_hold(found, Hold.Reason.PASSWORD_RESET, now=now, until=holds.FOR_EVER)
        User.objects.filter(pk=user.pk).update(state=User.State.PASSWORD_DISABLED)
        ended = end_sessions(user.pk)
        record(
            "password.disable",
            by=job("password"),
            about=Thing("account", user.pk, user.username),
            account_id=user.pk,
            details={"known_by": list(verdict.known_by), "sessions_ended": ended},
        )
        _tell(found, now)


_OPEN = frozenset({User.State.ACTIVE, User.State.HELD})


def _tell(user: User, now: datetime) -> None:
    """Tell at the verified addresses; where there is none, at the one on file, which is the way back, too."""
    letter = letters.disabled_letter(
        user.username,
        emails.site_address(letters.FORGOTTEN),
        has_factor=strength.has_second_factor(user.pk),
    )
    if emails.tell(user, letter, now=now):
        return
    for email in queries.addresses_that_recover(user)[:1]:
        emails.send_to(user, email.address, letter, now=now)
