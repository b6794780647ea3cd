"""Operators, moderators and auditors hold what the mandate asks: whoever declares a rule keeps it first."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.db.models import Q

from keyhouse.accounts.models import User
from keyhouse.mandate.campaigns.guards.guard import Guard, Missing, listed
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.queries import person_of
from keyhouse.mandate.rules import is_compliant

_GONE: Final = (User.State.DELETED, User.State.SUSPENDED)  # they can do nothing


def _look(mandate: Mandate, now: datetime) -> Iterator[Missing]:
    del now
    offices = Q(is_operator=True) | Q(is_moderator=True) | Q(is_auditor=True)
    people = User.objects.filter(offices, kind="person").exclude(state__in=_GONE).order_by("username")
    if not people.filter(is_operator=True).exists():
        yield Missing("operators", "No operator is there who could act.", "Make somebody an operator first.")
    lacking = [user.username for user in people if not _complies(mandate, user.pk)]
    if lacking:
        yield Missing(
            "operators",
            f"{len(lacking)} of {people.count()} people with an office don't hold what this asks for:"
            f" {listed(lacking)}.",
            "Each of them sets up an accepted second factor and a verified address, or gives the office up.",
            "/operator/people/",
        )


def _complies(mandate: Mandate, user_id: int) -> bool:
    return is_compliant(mandate, person_of(user_id))


OPERATORS: Final = Guard(
    "operators", "Everybody with an office holds what the mandate asks for, and can be reached.", _look
)
