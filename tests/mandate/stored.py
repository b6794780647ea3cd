"""Mandates put into the ledger as they would stand there, and people they are about."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from keyhouse.accounts.models import Email, User
from keyhouse.core import clock
from keyhouse.core.actor import Actor, Strength
from keyhouse.mandate.defaults import BEGINNING, DOCUMENT
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.models import Change, MandateVersion
from keyhouse.projects.models import Project, Role

ANNOUNCED = datetime(2024, 6, 3, tzinfo=UTC)
ENFORCED = ANNOUNCED + timedelta(days=91)  # a Monday (N1)
OWNERS = {"role": ["project.owner", "project.maintainer"]}


def document(**changes: Any) -> dict[str, Any]:
    """Return a campaign: announced, ninety days later enforced, for whoever has a role in a project."""
    body = {
        "name": "campaign",
        "title": "A second factor for maintainers",
        "reason": "A stolen password alone must not be able to publish.",
        "who": OWNERS,
        "methods": {"accept": ["authenticator-app", "security-key", "passkey"]},
        "notice": {"floor_days": 30, "unreached_cap_days": 60},
        "stages": [
            {"state": "announced", "at": ANNOUNCED, "warn": ["all"], "deny": ["second-factor.remove-last"]},
            {"state": "enforced", "at": ENFORCED, "deny": ["all"]},
        ],
    }
    return {**body, **changes}


def store(
    body: dict[str, Any], *, version: int = 1, effective_at: datetime | None = BEGINNING, **facts: Any
) -> MandateVersion:
    """Put a version into the ledger as an applied one."""
    mandate = read_mandate(body)
    row = MandateVersion.objects.create(
        name=mandate.name,
        version=version,
        document=mandate.as_dict(),
        digest=mandate.digest,
        proposed_at=clock.now(),
        proposed_by="host",
        effective_at=effective_at,
        **{"origin": "applied", **facts},
    )
    Change.objects.update_or_create(pk=1, defaults={"value": secrets.randbits(62) or 1})
    return row


def retire_default() -> None:
    """Take the mandate out that a new index starts with, as a seeded history does."""
    stages = [{"state": "retired", "at": BEGINNING}]
    store({**DOCUMENT, "stages": stages}, version=2, origin="seeded")


def make_user(name: str, *, joined_at: datetime | None = None, **facts: Any) -> User:
    """Make an account with a verified address."""
    joined_at = joined_at or datetime(2020, 1, 1, tzinfo=UTC)
    user = User.objects.create(username=name, joined_at=joined_at, **facts)
    Email.objects.create(
        user=user, address=f"{name}@example.org", is_primary=True, verified_at=joined_at, added_at=joined_at
    )
    return user


def make_project(name: str, *owners: User, since: datetime | None = None) -> Project:
    """Make a project that these people own."""
    since = since or datetime(2020, 1, 2, tzinfo=UTC)
    project = Project.objects.create(name=name, normalized_name=name, folded_name=name, created_at=since)
    for owner in owners:
        Role.objects.create(project=project, user=owner, kind="owner", since_at=since)
    return project


def session_of(user: User, *methods: str, at: datetime | None = None) -> Actor:
    """Return a session of that person, proven just now by password and authenticator app if not said otherwise."""
    return Actor(
        kind="session",
        user_id=user.pk,
        name=user.username,
        credential=f"session-of-{user.username}",
        strength=Strength(frozenset(methods or ("password", "totp")), at or clock.now()),
        network="192.0.2.1",
        user_agent="Mozilla/5.0 (secret-agent)",
        is_operator=user.is_operator,
        email_is_verified=True,
    )
