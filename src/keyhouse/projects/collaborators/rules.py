"""What holds of roles and invitations. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from keyhouse.projects.rules import MAINTAINER, OWNER

KINDS: Final = (MAINTAINER, OWNER)  # the lower one first
MOST_WAITING: Final = 200  # invitations of one project
KEPT_FOR: Final = timedelta(
    days=30
)  # after its end an invitation is remembered, so that recovery can undo it


def is_higher(kind: str, present: str | None) -> bool:
    """Tell whether a role is more than what somebody has now (None: nothing)."""
    return present is None or KINDS.index(kind) > KINDS.index(present)


def is_waiting(ended_at: datetime | None, expires_at: datetime, now: datetime) -> bool:
    """Tell whether an invitation can be accepted."""
    return ended_at is None and now < expires_at
