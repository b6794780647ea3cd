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
    left = list(Project.objects.filter(of_person(user_id)).order_by("normalized_name"))
    kept = {one.normalized_name for one in left}
    gone = {name: at for name, at in lost.items() if name not in kept}
    # tokens tell whole seconds
    tokens = [one for one in wide if any(one.minted_at < at.replace(microsecond=0) for at in gone.values())]
    if not tokens:
        return 0
    key = f"token-reach:{user_id}:{clock.format_instant(max(gone.values()))}"
    with transaction.atomic():
        person = User.objects.select_for_update(no_key=True).get(pk=user_id)
        if person.state == User.State.DELETED or Mail.objects.filter(key__startswith=f"{key}:").exists():
            return 0
        letter = letters.reaches_less(
            [one.description for one in tokens], sorted(gone), [one.name for one in left]
        )
        told = emails.tell(person, letter, now=now, key=key)
        faults.reach("reminder.rows-written")
    return min(told, 1)
