"""The mandates of the made-up index: one in mid-campaign, and others that are paused, tried out, drafted, put off."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

MANDATE: Final = "everyone"
PAUSED, SHADOW, PUT_OFF = "harbour-masters", "keys-for-everybody", "writers-of-quill"
DRAFT: Final = "security-keys-for-whoever-publishes-releases"
_ANY_DAY: Final = {"override": "The harbour is at work on any day of the week."}
_KEYS: Final = {"accept": ["phishing-resistant"], "prefer": "security-key"}


def seeded_mandates(now: datetime) -> list[dict[str, Any]]:
    """Return those with a history, as they are seeded."""
    return [
        {"document": mandate(now), "approved_by": ["iris", "tomas"]},
        {"document": _paused(now)},
        {"document": _shadow(now)},
    ]


def mandate(now: datetime) -> dict[str, Any]:
    """Return a mandate in the middle of its campaign: announced five months ago, enforced in three weeks."""
    return {
        "name": MANDATE,
        "title": "A second factor for everyone who maintains a project",
        "reason": "A stolen password alone must not be able to publish.",
        "who": {
            "any": [
                {"role": ["project.owner", "project.maintainer"]},
                {"role": ["operator", "moderator", "auditor", "invited"]},
            ]
        },
        "methods": {"accept": ["security-key", "passkey", "authenticator-app"], "prefer": "security-key"},
        "notice": {"floor_days": 30, "unreached_cap_days": 60, "deletion_hold_days": 14},
        "credentials": {"before": "warn", "grace": "refuse"},
        "stages": [
            {
                "state": "announced",
                "at": _morning(now, -150),
                "warn": ["all"],
                "deny": ["second-factor.remove-last"],
            },
            {
                "state": "early",
                "at": _morning(now, -92),
                "who": {"joined_from": _morning(now, -150)},
                "deny": ["management"],
            },
            {"state": "enforced", "at": _morning(now, 21), "deny": ["all"]},
        ],
    }


def enforced_later(now: datetime) -> dict[str, Any]:
    """Return that mandate enforced two months later, which loosens it."""
    later = mandate(now)
    later["stages"][-1]["at"] = _morning(now, 60)
    return later | {"calendar": _ANY_DAY}


def draft(now: datetime) -> dict[str, Any]:
    """Return a campaign that waits for its launch."""
    return {
        **mandate(now),
        "name": DRAFT,
        "title": "A security key or a passkey for whoever publishes releases that others depend on",
        "methods": _KEYS,
        "calendar": _ANY_DAY,
        "launch": {},
        "stages": [
            {"state": "announced", "at": _morning(now, 3), "warn": ["all"]},
            {"state": "enforced", "at": _morning(now, 80), "deny": ["all"]},
        ],
    }


def put_off(now: datetime) -> dict[str, Any]:
    """Return a mandate of which people may put their deadlines off."""
    return {
        **{key: value for key, value in draft(now).items() if key != "launch"},
        "name": PUT_OFF,
        "title": "A second factor for whoever writes quill",
        "who": {"project": ["quill"]},
        "notice": {"floor_days": 30, "snooze": {"days": 7, "times": 2}},
        "stages": [
            {"state": "announced", "at": _morning(now, -1), "warn": ["all"]},
            {"state": "enforced", "at": _morning(now, 70), "deny": ["management"]},
        ],
    }


def _paused(now: datetime) -> dict[str, Any]:
    return {
        **_of_keys(now),
        "name": PAUSED,
        "title": "A security key for whoever looks after the machines of the harbour",
        "who": {"project": ["gangway", "ballast"]},
        "stages": [
            {"state": "announced", "at": _morning(now, -40), "warn": ["all"]},
            {"state": "enforced", "at": _morning(now, 40), "deny": ["management"]},
        ],
    }


def _shadow(now: datetime) -> dict[str, Any]:
    return {
        **_of_keys(now),
        "name": SHADOW,
        "title": "A security key for everybody",
        "who": {"everyone": True},
        "stages": [
            {"state": "shadow", "at": _morning(now, -6), "deny": ["all"]},
            {"state": "announced", "at": _morning(now, 20), "warn": ["all"]},
        ],
    }


def _of_keys(now: datetime) -> dict[str, Any]:
    shared = {
        key: value for key, value in mandate(now).items() if key not in {"who", "stages", "notice", "methods"}
    }
    return {**shared, "methods": _KEYS}


def _morning(now: datetime, days: int) -> str:
    at = now.replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=days)
    return at.isoformat()
