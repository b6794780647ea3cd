"""What is secret and under way: kept sealed in the row of a session or link until it is finished."""

from __future__ import annotations

import json
from typing import Any, Final

from keyhouse.accounts.models import Session
from keyhouse.accounts.sessions import lock_session
from keyhouse.core import keys

SESSION_PURPOSE: Final = "session-draft"


def open_draft(purpose: str, sealed: str) -> dict[str, Any]:
    """Return what was sealed; an empty text, or one that no key opens any more, is an empty draft."""
    if not sealed:
        return {}
    try:
        draft = json.loads(keys.ring().open(purpose, sealed))
    except (keys.SealBrokenError, ValueError):
        return {}
    return draft if isinstance(draft, dict) else {}


def seal_draft(purpose: str, draft: dict[str, Any]) -> str:
    """Seal a draft for storage; an empty one is an empty text."""
    return keys.ring().seal(purpose, json.dumps(draft).encode()) if draft else ""


def read_draft(session: Session) -> dict[str, Any]:
    """Return what is under way in a session."""
    return open_draft(SESSION_PURPOSE, session.data_sealed)


def change_draft(session: Session, **parts: Any) -> dict[str, Any]:
    """Set parts of a session's draft (None takes one away) in the caller's transaction; returns the whole."""
    row = lock_session(session)
    draft = {name: part for name, part in {**read_draft(row), **parts}.items() if part is not None}
    row.data_sealed = session.data_sealed = seal_draft(SESSION_PURPOSE, draft)
    row.save(update_fields=["data_sealed"])
    return draft
