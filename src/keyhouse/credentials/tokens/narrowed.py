"""Telling people whose tokens are for all their projects that these reach less, as a right of theirs ended.

Nothing of such a token's reach is written down: it is what its person may do when it is used. So what is due is found
from the rights that ended lately, and a person is told once of all that ended by then, by the key of the mail.
"""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from django.db.models import QuerySet

from keyhouse.accounts import emails
from keyhouse.accounts.models import User
from keyhouse.core import clock, faults
from keyhouse.credentials.tokens import letters
from keyhouse.credentials.tokens.models import Token
from keyhouse.mail.models import Mail
from keyhouse.projects.collaborators.models import FormerRole
from keyhouse.projects.models import Project
from keyhouse.projects.rights import of_person

LATELY: Final = timedelta(days=1)  # a server that was away longer tells nothing late
_How = FormerRole.How
_ENDS: Final = (_How.LEFT, _How.REMOVED, _How.HANDED_OVER, _How.MOVED, _How.RECOVERED)


def tell_of_less(now: datetime) -> int:
    """Tell everybody whose tokens for all projects reach less since lately; returns how many people."""
    wide = Token.objects.filter(
        is_for_all_projects=True, project=None, organization=None, revoked_at=None, expires_at__gt=now
    )
    ended = FormerRole.objects.filter(
        ended_at__gt=now - LATELY, ended_at__lte=now, how__in=_ENDS, user__in=wide.values("user_id")
    )
    lost: dict[int, dict[str, datetime]] = defaultdict(dict)
    for user_id, name, at in ended.order_by("ended_at").values_list("user_id", "normalized_name", "ended_at"):
        lost[user_id][name] = at
    return sum(_tell(user_id, names, wide.filter(user_id=user_id), now) for user_id, names in lost.items())


def _tell(user_id: int, lost: dict[str, datetime], wide: QuerySet[Token], now: datetime) -> int:
    until = _told_until(user_id)
    lost = {name: at for name, at in lost.items() if until is None or at > until}
    if not lost:
        return 0
    mine = Project.objects.filter(of_person(user_id)).order_by("normalized_name")
    left = dict(mine.values_list("normalized_name", "name"))
    gone = {name: at for name, at in lost.items() if name not in left}
    if not gone:
        return 0
    last = max(gone.values())
    tokens = [one for one in wide if one.minted_at < last.replace(microsecond=0)]  # which tells whole seconds
    if not tokens:
        return 0
    with transaction.atomic():
        person = User.objects.select_for_update(no_key=True).get(pk=user_id)
        if person.state == User.State.DELETED or _told_until(user_id) != until:
            return 0
        letter = letters.reaches_less([one.description for one in tokens], sorted(gone), list(left.values()))
        key = f"{_begin(user_id)}{clock.format_instant(last)}"
        told = emails.tell(person, letter, now=now, key=key)
        faults.reach("reminder.rows-written")
    return min(told, 1)


def _begin(user_id: int) -> str:
    """Return how the keys of these mails to somebody begin; the instant follows, then the number of the address."""
    return f"token-reach:{user_id}:"


def _told_until(user_id: int) -> datetime | None:
    """Return the end of the last right that somebody was told of; found by the account, since a key has no index for that."""
    begin = _begin(user_id)
    keys = Mail.objects.filter(account_id=user_id, key__startswith=begin).values_list("key", flat=True)
    found = ((key or "").removeprefix(begin).partition("Z:")[0] for key in keys)
    return max((clock.parse_instant(f"{one}Z") for one in found), default=None)
