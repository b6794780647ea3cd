"""Somebody of the made-up index, as they stood there a while ago."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from demo.ago import standing
from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user
from keyhouse.core import clock
from keyhouse.core.actor import Actor, Strength

_KEY: Final = frozenset({"password", "webauthn"})


@contextmanager
def acting(name: str, **ago: float) -> Iterator[tuple[Actor, datetime]]:
    """Let it be that long ago, and somebody there who has just proven a security key."""
    user = person_named(name)
    with standing(clock.now() - timedelta(**ago)) as now:
        yield actor_of(user, now), now


def person_named(name: str) -> User:
    """Return somebody of the made-up index."""
    found = find_user(name)
    if found is None:
        message = f"the made-up index has no {name}"
        raise LookupError(message)
    return found


def actor_of(user: User, now: datetime) -> Actor:
    """Return them in a session that has just proven a security key."""
    return Actor(
        "session",
        user.pk,
        user.username,
        credential="demo",
        strength=Strength(_KEY, now, device_bound=True, key_at=now),
        is_operator=user.is_operator,
        is_moderator=user.is_moderator,
        is_auditor=user.is_auditor,
        email_is_verified=True,
        state=user.state,
        needs_key=True,
    )
