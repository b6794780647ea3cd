"""What adoption is measured by: shares, each with the denominator that it is of. Pure.

The counters of a day are a document of plain numbers, so that years of them are read at once:

    people.POPULATION.{all, compliant, resistant, two, exempt}   POPULATION: accounts, authority, active, covered
    people.POPULATION.{device, synced, app}                      who hold at least one factor of that kind
    people.covered.{told, refused, coming}
    projects.{owned, covered}.{all, one, every, archived}        with an owner; one or every owner complies
    downloads.{owned, covered}.{all, one, every}                 the same, weighted by downloads of 30 days
    uploads.{publisher, token, robot, weak, other}               of the day, by what they were made with
    tokens.{live, weak}, publishers.{live, weak}                 weak: below what is asked of their owner
    unreached.{bounced, no-mx, unverified, …}                    whom no notice reached, by why; none where nobody
    left.{deleted, ownerless}                                    covered projects: deleted that day; without an owner now
    hits.{attempts, warned, people, first, enrolled, p50, p95}   refusals of the day; time to enrol in seconds
    recovery.{open, p50, p95, opened, finished, …}               of the index alone; ages in seconds
    check_ups.{asked, worked, broken, repaired, …}               of the index alone; all that ever were
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

Counts = Mapping[str, Any]

POPULATIONS: Final = ("accounts", "authority", "active", "covered")
ACTIVE: Final = timedelta(days=90)
DOWNLOADS_OF: Final = timedelta(days=30)
AGAIN_WITHIN: Final = timedelta(days=90)
HITS_OF: Final = timedelta(days=90)  # time to enrol is told of those who were refused first within these
_WHOLE: Final = 100


@dataclass(frozen=True, slots=True)
class Share:
    """A part of a whole; without a whole there is no share."""

    part: int
    whole: int

    @property
    def percent(self) -> float | None:
        """Return it in per cent, or None where there is nothing to have a share of."""
        return _WHOLE * self.part / self.whole if self.whole else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, the denominator beside the numerator."""
        percent = self.percent
        return {
            "part": self.part,
            "whole": self.whole,
            "percent": None if percent is None else round(percent, 2),
        }


@dataclass(frozen=True, slots=True)
class Denominator:
    """A share that can be shown: `whole` says of what, `part` says which of them; `path` leads to their counters."""

    key: str
    name: str
    part: str
    whole: str
    path: tuple[str, ...]
    parts: tuple[str, ...]
    wholes: tuple[str, ...] = ("all",)

    def share_of(self, counts: Counts) -> Share:
        """Return the share on a day."""
        found: Any = counts
        for step in self.path:
            found = found.get(step, {})
        if not any(one in found for one in self.parts):
            return Share(0, 0)  # of a day on which that was not counted yet
        return Share(
            sum(found.get(one, 0) for one in self.parts), sum(found.get(one, 0) for one in self.wholes)
        )


_COMPLY: Final = "hold what is asked for, with a verified address"
DENOMINATORS: Final = (
    Denominator("covered", "People covered", _COMPLY, "people whom the mandate covers",
                ("people", "covered"), ("compliant",)),
    Denominator("authority", "With authority", _COMPLY, "people with authority over anything",
                ("people", "authority"), ("compliant",)),
    Denominator("active", "Active", _COMPLY, "people with authority, active within 90 days",
                ("people", "active"), ("compliant",)),
    Denominator("accounts", "All accounts", _COMPLY, "all accounts", ("people", "accounts"), ("compliant",)),
    Denominator("projects-one", "Projects, one owner", "have at least one owner who complies",
                "projects with an owner", ("projects", "owned"), ("one",)),
    Denominator("projects-all", "Projects, all owners", "have only owners who comply",
                "projects with an owner", ("projects", "owned"), ("every",)),
    Denominator("covered-projects", "Covered projects", "have only owners who comply",
                "projects that the mandate covers", ("projects", "covered"), ("every",)),
    Denominator("downloads", "By downloads", "were of projects that have only owners who comply",
                "downloads of 30 days", ("downloads", "owned"), ("every",)),
    Denominator("uploads", "Uploads", "came by trusted publishers or strong enough tokens",
                "uploads of the day", ("uploads",), ("publisher", "token", "robot"),
                ("publisher", "token", "robot", "weak", "other")),
    Denominator("phishing-resistant", "Phishing-resistant", "hold a security key or passkey",
                "people whom the mandate covers", ("people", "covered"), ("resistant",)),
    Denominator("security-keys", "Security keys", "hold a key that stays on its device",
                "people whom the mandate covers", ("people", "covered"), ("device",)),
    Denominator("synced-passkeys", "Synced passkeys", "hold a passkey that several devices can have",
                "people whom the mandate covers", ("people", "covered"), ("synced",)),
    Denominator("apps", "Authenticator apps", "hold an authenticator app",
                "people whom the mandate covers", ("people", "covered"), ("app",)),
    Denominator("two-factors", "Two or more factors", "hold at least two second factors",
                "people whom the mandate covers", ("people", "covered"), ("two",)),
    Denominator("notice", "Told", "were reached by a notice since the announcement",
                "people whom the mandate covers", ("people", "covered"), ("told",)),
    Denominator("tokens", "Tokens", "are strong enough", "API tokens that work", ("tokens",), ("strong",), ("live",)),
)  # fmt: skip
BY_KEY: Final[Mapping[str, Denominator]] = {one.key: one for one in DENOMINATORS}


def find_denominator(key: str) -> Denominator:
    """Return the one that is asked for; whatever is none of them is the first."""
    return BY_KEY.get(key, DENOMINATORS[0])


def quantile(ordered: Sequence[float], share: float) -> float | None:
    """Return the nearest-rank quantile of what is in ascending order; None of nothing."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def spread(values: Sequence[timedelta]) -> dict[str, float | None]:
    """Return the middle and the 95th percentile in seconds."""
    seconds = sorted(one.total_seconds() for one in values)
    return {"p50": quantile(seconds, 0.5), "p95": quantile(seconds, 0.95)}
