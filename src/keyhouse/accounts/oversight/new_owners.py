"""A new owner for what nobody looks after, by operators: what is the same for projects and organizations (A17).

Being an operator gives no right in either, so this is the one way: where no owner is there who could act, by two operators or
a day after one announced it. Owners who are merely silent have two weeks more; whoever comes back ends it, and everybody who
belongs to it is told at all addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Generic, TypeVar

from django.db.models import Q, QuerySet
from django.db.models.functions import Coalesce

from keyhouse.accounts.models import Proposal, User
from keyhouse.accounts.oversight.proposals import Undertaking
from keyhouse.accounts.recovery.telling import tell_others
from keyhouse.core.errors import Refusal
from keyhouse.mail.letters import Letter, Text

PROPOSE: Final = "ownership.propose"
SILENCE: Final = timedelta(days=180)  # after which an owner counts as one who looks after nothing
OBJECTION: Final = timedelta(days=14)  # for silent owners, to come back
GONE: Final = (User.State.SUSPENDED, User.State.DELETED)
Thing = TypeVar("Thing")
Rows = TypeVar("Rows", bound=QuerySet[Any])


def living(owners: Rows) -> Rows:
    """Return those of these roles whose account is there; each has its person in `user`."""
    return owners.exclude(user__state__in=GONE)


def present(owners: Rows, now: datetime, besides: Q | None = None) -> Rows:
    """Return those of these roles whose person was here lately, or of whom `besides` holds."""
    seen = living(owners).annotate(seen_at=Coalesce("user__last_seen_at", "user__joined_at"))
    lately = Q(seen_at__gt=now - SILENCE)
    return seen.filter(lately if besides is None else lately | besides)


@dataclass(frozen=True, slots=True)
class Ownable(Generic[Thing]):
    """What can get a new owner so, and how its feature finds, judges and changes it.

    `lock` returns it by its name with its row locked, or None; `is_free`: whether no owner looks after it;
    `people` are those who have a role in it, `has_living`: whether an owner is there who could come back.
    """

    kind: Proposal.Kind
    word: str  # what it is, in mails
    sentence: str
    title: str  # of the mail, with `{name}`
    lock: Callable[[str], Thing | None]
    is_free: Callable[[Thing, datetime], bool]
    appoint: Callable[[Thing, User, datetime], None]
    people: Callable[[str], Iterable[int]]
    has_living: Callable[[str], bool]
    missing: type[Refusal]
    owned: type[Refusal]


def undertaking(of: Ownable[Any]) -> Undertaking:
    """Return how such an owner is proposed, judged, told of and appointed."""
    return Undertaking(
        kind=of.kind,
        action=PROPOSE,
        sentence=of.sentence,
        judge=lambda _, name, now: _judge(of, name, now),
        carry_out=lambda user, name, now: of.appoint(_locked(of, name), user, now),
        tell_others=lambda name, told, now: _tell(of, name, told, now),
        notice=lambda name, since: since + OBJECTION if of.has_living(name) else None,
    )


def _locked(of: Ownable[Thing], name: str) -> Thing:
    found = of.lock(name)
    if found is None:
        raise of.missing
    return found


def _judge(of: Ownable[Any], name: str, now: datetime) -> None:
    if not of.is_free(_locked(of, name), now):
        raise of.owned


def _tell(of: Ownable[Any], name: str, told: str, now: datetime) -> None:
    """Tell whoever has a role in it; whoever comes back in time stays its owner alone."""
    letter = Letter(
        "ownership",
        of.title.format(name=name),
        (
            Text(f"By the operators of this index: {told}. Your own role stays as it is."),
            Text(f"If you look after the {of.word}, sign in to your account, and tell the operators."),
        ),
    )
    tell_others(of.people(name), letter, now)
