"""Operators, mandates and an instant to test the ledger with."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from keyhouse.accounts.models import Authenticator, Email, User
from keyhouse.core import clock
from keyhouse.core.actor import Actor, Strength
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.projects.models import Project, Role

NOW = datetime(2026, 6, 2, tzinfo=UTC)  # a Tuesday; ninety days later it is a Monday (N1)
DAY = timedelta(days=1)
LONG_AGO = NOW - 1000 * DAY


def document(name: str = "keys", **changes: Any) -> dict[str, Any]:
    """Return a mandate that asks maintainers for a factor, announced now and enforced in ninety days."""
    return {
        "name": name,
        "title": "A second factor",
        "reason": "A stolen password alone must not be able to publish.",
        "who": {"role": ["project.owner", "project.maintainer"]},
        "methods": {"accept": ["security-key", "passkey", "authenticator-app"]},
        "stages": [
            {"state": "announced", "at": NOW, "warn": ["all"]},
            {"state": "enforced", "at": NOW + 90 * DAY, "deny": ["all"]},
        ],
        **changes,
    }


def mandate(name: str = "keys", **changes: Any) -> Mandate:
    return read_mandate(document(name, **changes))


def enforced(at: datetime, *deny: str) -> dict[str, Any]:
    return {"state": "enforced", "at": at, "deny": list(deny or ("all",))}


def make_person(name: str, *, has_app: bool = True, is_verified: bool = True, **facts: Any) -> User:
    user = User.objects.create(username=name, **{"joined_at": LONG_AGO, **facts})
    Email.objects.create(
        user=user,
        address=f"{name}@example.org",
        is_primary=True,
        verified_at=LONG_AGO if is_verified else None,
        added_at=LONG_AGO,
    )
    if has_app:
        Authenticator.objects.create(user=user, name="phone", secret_sealed="x", created_at=LONG_AGO)
    return user


def make_operator(name: str, **facts: Any) -> User:
    return make_person(name, is_operator=True, **facts)


def make_project(name: str, *owners: User) -> Project:
    project = Project.objects.create(name=name, normalized_name=name, folded_name=name, created_at=LONG_AGO)
    for owner in owners:
        Role.objects.create(project=project, user=owner, kind="owner", since_at=LONG_AGO)
    return project


def session_of(user: User, *methods: str, age: timedelta = timedelta()) -> Actor:
    """Return a session of that person, proven by password and authenticator app if not said otherwise."""
    return Actor(
        "session",
        user.pk,
        user.username,
        credential=f"session-of-{user.username}",
        strength=Strength(frozenset(methods or ("password", "totp")), clock.now() - age),
        is_operator=user.is_operator,
        email_is_verified=True,
        state=user.state,
    )
