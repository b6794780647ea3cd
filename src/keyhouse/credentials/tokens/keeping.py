"""What API tokens need done beside requests: telling people before one ends, reaches less, or, of robots, rests.

What was told stands in the token's row, written in the transaction that queues the mail: so each is sent once,
whoever else does the same at that moment and wherever a process dies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from django.db import close_old_connections, transaction
from django.db.models import Q

from keyhouse.accounts import emails
from keyhouse.accounts.models import User
from keyhouse.core import clock, faults
from keyhouse.core.rounds import Rounds, Work, do_all
from keyhouse.credentials.tokens import letters, narrowed, queries
from keyhouse.credentials.tokens.homes import find_home
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import REMINDER_DAYS, Life, due_reminder
from keyhouse.organizations.models import Membership
from keyhouse.projects.rights import rights_in_several
from keyhouse.projects.rules import OWNER

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 11.0  # after the start, which has more urgent things to do


def remind_all(now: datetime) -> int:
    """Remind of every token that ends soon and wasn't reminded of; returns of how many."""
    reminded = 0
    for token in _candidates(now):
        days = due_reminder(_life_of(token), token.minted_at, token.reminded_days, now)
        if days is not None:
            reminded += _remind(token, days, now)
    return reminded


def _candidates(now: datetime) -> list[Token]:
    """Return the tokens in whose last days the latest reminder wasn't sent, oldest end first."""
    farthest, nearest = (timedelta(days=days) for days in REMINDER_DAYS)
    due = Q(expires_at__lte=now + farthest, reminded_days=None) | Q(
        expires_at__lte=now + nearest, reminded_days=REMINDER_DAYS[0]
    )
    rows = Token.objects.filter(due, expires_at__gt=now, revoked_at=None, suspended_at=None)
    return [
        token
        for token in rows.select_related("user", "project", "organization").order_by("expires_at", "pk")
        if _is_told(token)
    ]


def _is_told(token: Token) -> bool:
    return token.is_robot or token.user.state != User.State.DELETED


def _life_of(token: Token) -> Life:
    return Life(token.expires_at, token.revoked_at, token.suspended_at)


def _remind(token: Token, days: int, now: datetime) -> int:
    """Send one reminder, unless somebody else did meanwhile or the token has ended."""
    with transaction.atomic():
        is_mine = Token.objects.filter(
            pk=token.pk, reminded_days=token.reminded_days, revoked_at=None, suspended_at=None
        ).update(reminded_days=days)
        if is_mine:
            letter = letters.ends_soon(token, (token.expires_at - now).days + 1)
            for person in User.objects.filter(pk__in=queries.people_of(token)).order_by("pk"):
                emails.tell(person, letter, now=now)
            faults.reach("reminder.rows-written")
    return is_mine


def tell_of_resting(now: datetime) -> int:
    """Tell the owners of every robot token that began to rest, once; returns of how many."""
    robots = Q(project__isnull=False) | Q(organization__isnull=False)
    rows = Token.objects.filter(robots, rest_told_at=None, revoked_at=None, expires_at__gt=now)
    tokens = list(rows.select_related("user", "project", "organization").order_by("pk"))
    found = rights_in_several({token.project_id for token in tokens if token.project_id is not None})
    owners: set[tuple[int | None, int | None, int]] = {
        (one.project_id, None, one.user_id) for one in found if one.kind == OWNER
    }
    wanted = [token.organization_id for token in tokens if token.organization_id is not None]
    members = Membership.objects.filter(organization_id__in=wanted, kind=OWNER)
    owners |= {(None, *one) for one in members.values_list("organization_id", "user_id")}
    resting = [one for one in tokens if (one.project_id, one.organization_id, one.user_id) not in owners]
    return sum(_tell_rest(one, now) for one in resting)


def _tell_rest(token: Token, now: datetime) -> int:
    with transaction.atomic():
        is_mine = Token.objects.filter(
            pk=token.pk, user_id=token.user_id, rest_told_at=None, revoked_at=None
        ).update(rest_told_at=now)
        home = find_home(token)
        if is_mine and home is not None:
            letter = letters.rests(home, token)
            for person in User.objects.filter(pk__in=home.owner_ids()).order_by("pk"):
                emails.tell(person, letter, now=now)
            faults.reach("reminder.rows-written")
    return is_mine


WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "tokens_reminded": remind_all,
    "robot_tokens_resting": tell_of_resting,
    "tokens_narrowed": narrowed.tell_of_less,
}


def keep(now: datetime) -> dict[str, int]:
    """Do all that is due at `now`; returns how much of what."""
    return do_all(WORKS, now)


class Keeper(Rounds):
    """Does it in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "token-keeper",
            lambda: keep(clock.now()),
            "people can't be reminded of tokens that end right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
