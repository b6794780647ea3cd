"""Telling everybody whom a recovery concerns, in the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

from django.db.models import QuerySet

from keyhouse.accounts import emails
from keyhouse.accounts.models import Email, User
from keyhouse.accounts.recovery.queries import all_operators
from keyhouse.core import standing
from keyhouse.mail.letters import Letter


def tell_person(user: User, letter: Letter, now: datetime) -> None:
    """Tell the person at every verified address, with the link that stops what they didn't do."""
    emails.tell(user, letter, now=now)


def tell_co_owners(user: User, letter: Letter, now: datetime) -> None:
    """Tell everybody who owns a project that this person owns or maintains."""
    tell_others(standing.of(user.pk).co_owner_ids, letter, now)


def tell_operators(user: User, letter: Letter, now: datetime) -> None:
    """Tell all operators but the person themselves, also those who can't act now."""
    tell_others(all_operators().exclude(pk=user.pk).values_list("pk", flat=True), letter, now)


def tell_others(user_ids: Iterable[int], letter: Letter, now: datetime, *, key: str = "") -> None:
    """Tell people at every verified address of theirs. It is not about their accounts, so nothing in it freezes them.

    With a `key` the same is told once, however often this is called.
    """
    emails.send_to_all(_addresses_of(user_ids), letter, now=now, key=key)


def tell_each(letters: Mapping[int, Letter], now: datetime, *, key: str = "") -> None:
    """Tell people, by their numbers, what differs for each of them, as `tell_others` does."""
    mails = ((one, letters[one.user_id]) for one in _addresses_of(letters))
    emails.send_to_each(mails, now=now, key=key)


def _addresses_of(user_ids: Iterable[int]) -> QuerySet[Email]:
    rows = Email.objects.filter(user_id__in=list(user_ids), verified_at__isnull=False)
    return rows.exclude(user__state=User.State.DELETED).select_related("user").order_by("pk")


def tell_all(user: User, letter: Letter, now: datetime) -> None:
    """Tell the person, their co-owners and the operators; nobody twice."""
    tell_person(user, letter, now)
    operators = all_operators().values_list("pk", flat=True)
    others = {*standing.of(user.pk).co_owner_ids, *operators} - {user.pk}
    tell_others(sorted(others), letter, now)
