"""What publishers that wait for a project need done beside requests, deciding by the clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from django.db import close_old_connections, transaction
from django.db.models import Exists, OuterRef, QuerySet

from keyhouse.core import clock
from keyhouse.core.rounds import Rounds, Work, do_all
from keyhouse.credentials.trusted_publishers import letters
from keyhouse.credentials.trusted_publishers.forgetting import forget_identities, forget_minted
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.services import (
    PENDING_FOR,
    REMINDED_AFTER,
    end_pending,
    tell_owners,
)
from keyhouse.mail.letters import Letter
from keyhouse.projects.models import Project

POLL_SECONDS: Final = 60.0
FIRST_SECONDS: Final = 6.0  # after the start, which has more urgent things to do
_AT_ONCE: Final = 500
_TAKEN: Final = Project.objects.filter(normalized_name=OuterRef("pending_normalized_name"))


def remind(now: datetime) -> int:
    """Remind whoever set a publisher up that nothing came of in 25 days, once; returns how many."""
    due = Publisher.objects.filter(
        project__isnull=True,
        reminded_at__isnull=True,
        expires_at__gt=now,
        expires_at__lte=now + PENDING_FOR - REMINDED_AFTER,
    )
    return sum(
        _remind(one, now)
        for one in list(due.select_related("configured_by", "organization").order_by("pk")[:_AT_ONCE])
    )


def _remind(publisher: Publisher, now: datetime) -> bool:
    with transaction.atomic():
        mine = Publisher.objects.filter(pk=publisher.pk, project__isnull=True, reminded_at__isnull=True)
        if not mine.update(reminded_at=now):
            return False
        tell_owners(publisher, letters.pending_reminder(publisher), now)
    return True


def end_old(now: datetime) -> int:
    """End publishers whose 30 days are over, each with a notice; returns how many."""
    return _end(
        Publisher.objects.filter(project__isnull=True, expires_at__lte=now),
        now,
        "its 30 days are over",
        letters.pending_expired,
    )


def end_overtaken(now: datetime) -> int:
    """End publishers for names that belong to a project by now, however that came; returns how many."""
    taken = Publisher.objects.filter(Exists(_TAKEN), project__isnull=True)
    return _end(taken, now, "somebody else took the name", letters.pending_overtaken)


def _end(rows: QuerySet[Publisher], now: datetime, reason: str, letter: Callable[[Publisher], Letter]) -> int:
    due = list(rows.select_related("configured_by", "organization").order_by("pk")[:_AT_ONCE])
    for one in due:
        with transaction.atomic():
            end_pending(one, reason, letter(one), now)
    return len(due)


WORKS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "pending_publishers_reminded": remind,
    "pending_publishers_over": end_old,
    "pending_publishers_overtaken": end_overtaken,
    "identities_forgotten": forget_identities,
    "minted_tokens_forgotten": forget_minted,
}


def keep(now: datetime) -> dict[str, int]:
    """Do all that is due at `now`; returns how much of what. Where one work fails the others are done first."""
    return do_all(WORKS, now)


class Keeper(Rounds):
    """Does it in the background of a server."""

    def __init__(self) -> None:
        """Begin when told to."""
        work = Work(
            "publisher-keeper",
            lambda: keep(clock.now()),
            "publishers that wait for a project can't be looked after right now",
            close_old_connections,
        )
        super().__init__(work, first=FIRST_SECONDS, every=POLL_SECONDS)
