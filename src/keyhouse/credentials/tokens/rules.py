"""What a token may be asked to be, and when one is alive. Pure."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from packaging.version import Version

from keyhouse.core.errors import Refusal
from keyhouse.credentials.tokens.caveats import ACTS
from keyhouse.credentials.tokens.errors import TokenTermsInvalid

MAX_DESCRIPTION: Final = 100
MAX_REASON: Final = 200
MAX_VERSION: Final = 100
MAX_PROJECTS: Final = 100
MIN_DAYS: Final = 1
MAX_DAYS: Final = 365
DEFAULT_DAYS: Final = 90
MAX_ROBOT_DAYS: Final = 90
MAX_ROBOTS: Final = 10  # of one project or organization, that work
MAX_NETWORKS: Final = 20
REMINDER_DAYS: Final = (14, 3)  # before the end
NEVER_USED_AGE: Final = timedelta(days=30)
UNUSED_AGE: Final = timedelta(days=90)
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
    version: str = ""  # of the one release, where it is for a single one
    networks: tuple[str, ...] = ()  # from which it works; none: from everywhere
    may_found: bool = False  # of an organization's: it may make projects there


@dataclass(frozen=True, slots=True)
class Reach:
    """For which of an organization's projects something is: those named, all there are now, or also later ones."""

    names: tuple[str, ...] = ()  # as typed
    is_all_now: bool = False
    is_also_later: bool = False


def judge_terms(terms: Terms) -> Refusal | None:
    """Return what is wrong with the terms of a new token, or None."""
    for is_right, sentence in (
        (
            _is_description(terms.description),
            f"A token needs a description of at most {MAX_DESCRIPTION} characters.",
        ),
        (_are_projects(terms), f"A token is for 1 to {MAX_PROJECTS} projects, or for all."),
        (_has_reason(terms), "A token for all projects needs a reason."),
        (
            MIN_DAYS <= terms.expires_in_days <= MAX_DAYS,
            f"A token lives from {MIN_DAYS} to {MAX_DAYS} days.",
        ),
        (_are_actions(terms.actions), "A token may upload, yank or read: at least one of these, each once."),
        (_is_release(terms), "A token for one release is for one project and a version such as 1.2.0."),
        (
            _are_networks(terms.networks),
            f"Networks are written like 192.0.2.0/24 or 2001:db8::/32, at most {MAX_NETWORKS}.",
        ),
    ):
        if not is_right:
            return TokenTermsInvalid(sentence)
    return None


def _is_description(text: str) -> bool:
    return 0 < len(text) <= MAX_DESCRIPTION and text == text.strip() and text.isprintable()


def _are_projects(terms: Terms) -> bool:
    ids = terms.project_ids
    if ids is None:
        return True
    is_some = len(ids) > 0 or terms.may_found
    return is_some and len(ids) <= MAX_PROJECTS and len(set(ids)) == len(ids)


def _has_reason(terms: Terms) -> bool:
    return terms.project_ids is not None or 0 < len(terms.reason.strip()) <= MAX_REASON


def _are_actions(actions: tuple[str, ...]) -> bool:
    return bool(actions) and set(actions) <= set(ACTS) and len(set(actions)) == len(actions)


def _is_release(terms: Terms) -> bool:
    if not terms.version:
        return True
    is_single = terms.project_ids is not None and len(terms.project_ids) == 1 and not terms.may_found
    return is_single and len(terms.version) <= MAX_VERSION and canonical_version(terms.version) is not None


def canonical_version(text: str) -> str | None:
    """Return a version in canonical spelling, or None where it is none."""
    try:
        return str(Version(text))
    except ValueError:  # also for numbers of thousands of digits
        return None


def _are_networks(networks: tuple[str, ...]) -> bool:
    return len(networks) <= MAX_NETWORKS and all(canonical_network(one) is not None for one in networks)


def canonical_network(text: str) -> str | None:
    """Return a network in canonical spelling, a single address as the network of it, or None where it is neither."""
    try:
        return str(ipaddress.ip_network(text))
    except ValueError:
        return None


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


def is_unused(minted_at: datetime, last_used_at: datetime | None, now: datetime) -> bool:
    """Tell whether nobody seems to need a token: last used long ago, or never since it was made."""
    if last_used_at is None:
        return now - minted_at >= NEVER_USED_AGE
    return now - last_used_at >= UNUSED_AGE


def due_reminder(life: Life, minted_at: datetime, reminded: int | None, now: datetime) -> int | None:
    """Return which reminder (days before the end) of a token is due at `now` and was not sent, or None.

    A token that is made for fewer days than that is not reminded of at once. Where two are due, the later one is sent.
    """
    if not is_alive(life, now):
        return None
    passed = [days for days in REMINDER_DAYS if minted_at < life.expires_at - timedelta(days=days) <= now]
    due = min(passed, default=None)
    return due if due is not None and (reminded is None or due < reminded) else None
