"""What follows from a sign-in that is complete, in its transaction: whoever watches an account notices its use.

Features above `accounts` have followers; `web` wires them at start-up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from keyhouse.accounts.models import Session
from keyhouse.accounts.visitor import Visitor

Follower = Callable[[Session, Visitor, datetime], None]

_followers: list[Follower] = []


def wire(*followers: Follower) -> None:
    """Install the followers; none takes them out."""
    _followers[:] = followers


def tell(session: Session, visitor: Visitor, now: datetime) -> None:
    """Let every follower know, in the caller's transaction."""
    for follow in _followers:
        follow(session, visitor, now)
