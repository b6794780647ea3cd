"""What an account has beside itself, asked in one question: of most of it there is nothing for most people."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Exists, QuerySet

from keyhouse.accounts import browsers, deletion, holds, strength
from keyhouse.accounts.check_up import queries as check_ups
from keyhouse.accounts.check_up.queries import Standing as CheckUp
from keyhouse.accounts.models import Deletion, Hold, KnownBrowser, User
from keyhouse.accounts.recovery.queries import live_holds_of
from keyhouse.audit.compiled import Compiled, HowMany, asked_instant, asked_number


@dataclass(frozen=True, slots=True)
class Overview:
    """What stands on somebody's account page beside addresses and factors."""

    holds: list[Hold]
    deletion: Deletion | None
    check_up: CheckUp | None
    waits: list[KnownBrowser]
    codes_left: int


def overview_of(user: User, now: datetime) -> Overview:
    """Return what is there now; only what the first question finds is read."""
    found = _THERE.rows(user.pk, now)
    there: Any = found[0] if found else None
    if there is None:
        return Overview([], None, None, [], 0)
    return Overview(
        live_holds_of(user, now) if there.has_holds else [],
        deletion.find_deletion(user.pk) if there.has_deletion else None,
        check_ups.find_standing(user.pk, now) if there.has_check_up else None,
        list(browsers.waits_of(user.pk, now)) if there.has_waits else [],
        there.codes_left,
    )


def _there() -> QuerySet[User]:
    user_id, now = asked_number(0), asked_instant(1)
    mine = User.objects.filter(pk=user_id).annotate(
        has_holds=Exists(holds.live_holds(user_id, now)),
        has_deletion=Exists(deletion.waiting_deletions(user_id)),
        has_check_up=Exists(check_ups.open_of(user_id)),
        has_waits=Exists(browsers.waits_of(user_id, now)),
        codes_left=HowMany(strength.unused_codes(user_id)),
    )
    return mine.only("pk")


_THERE: Final = Compiled(_there)  # every account page asks it
