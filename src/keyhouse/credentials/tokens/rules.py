"""What a token may be asked to be, and when one is alive. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.caveats import ACTS
from keyhouse.credentials.tokens.errors import TokenTermsInvalid

MAX_DESCRIPTION: Final = 100
MAX_REASON: Final = 200
MAX_PROJECTS: Final = 100
MIN_DAYS: Final = 1
MAX_DAYS: Final = 365
DEFAULT_DAYS: Final = 90
# A form that is sent twice (a double click, a lost connection) is answered alike for so long.
REPEAT_AGE: Final = timedelta(minutes=2)
LAST_USE_AGE: Final = timedelta(minutes=1)  # a token's last use is written no more often than this


@dataclass(frozen=True, slots=True)
class Terms:
    """What somebody asks a new token to be. `project_ids` None: all projects, also new ones; that needs a reason."""

    description: str
    project_ids: tuple[int, ...] | None
    expires_in_days: int
    actions: tuple[str, ...]
    reason: str = ""


def judge_terms(terms: Terms) -> Refusal | None:
    """Return what is wrong with the terms of a new token, or None."""
    for is_right, sentence in (
        (
            _is_description(terms.description),
            f"A token needs a description of at most {MAX_DESCRIPTION} characters.",
        ),
        (_are_projects(terms.project_ids), f"A token is for 1 to {MAX_PROJECTS} projects, or for all."),
        (_has_reason(terms), "A token for all projects needs a reason."),
        (
            MIN_DAYS <= terms.expires_in_days <= MAX_DAYS,
            f"A token lives from {MIN_DAYS} to {MAX_DAYS} days.",
        ),
        (_are_actions(terms.actions), "A token may upload, yank or read: at least one of these, each once."),
    ):
        if not is_right:
            return TokenTermsInvalid(sentence)
    return None


def _is_description(text: str) -> bool:
    return 0 < len(text) <= MAX_DESCRIPTION and text == text.strip() and text.isprintable()


def _are_projects(ids: tuple[int, ...] | None) -> bool:
    return ids is None or (0 < len(ids) <= MAX_PROJECTS and len(set(ids)) == len(ids))


def _has_reason(terms: Terms) -> bool:
    return terms.project_ids is not None or 0 < len(terms.reason.strip()) <= MAX_REASON


def _are_actions(actions: tuple[str, ...]) -> bool:
    return bool(actions) and set(actions) <= set(ACTS) and len(set(actions)) == len(actions)


@dataclass(frozen=True, slots=True)
class Life:
    """The instants of a token that say whether it is alive."""

    expires_at: datetime
    revoked_at: datetime | None = None
    suspended_at: datetime | None = None


def is_alive(life: Life, now: datetime) -> bool:
    """Tell whether a token works at `now`: not revoked, not suspended, before its end."""
    return life.revoked_at is None and life.suspended_at is None and now < life.expires_at


def is_use_due(last_used_at: datetime | None, now: datetime) -> bool:
    """Tell whether a use at `now` is to be written down after the last one that was (or lies before it)."""
    return last_used_at is None or abs(now - last_used_at) >= LAST_USE_AGE
