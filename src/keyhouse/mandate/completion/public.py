"""What everybody may know of how far a mandate is: counts a day late, never of a few people, and every change of versions."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.mandate.completion.models import CompletionCheck
from keyhouse.mandate.completion.queries import is_proven, is_unproven
from keyhouse.mandate.documents import read_mandate
from keyhouse.mandate.metrics import queries as metrics
from keyhouse.mandate.metrics.rules import BY_KEY
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.public import PublicMandate

LATE: Final = timedelta(days=1)
FEWEST: Final = 10  # people; of fewer no number is told
MOST_CHANGES: Final = 30
_DENOMINATORS: Final = ("active", "accounts", "projects-one", "phishing-resistant", "tokens")
_LACKING: Final = ("people-without-factor", "people-unverified", "people-exempt")


@dataclass(frozen=True, slots=True)
class Progress:
    """What the last check of more than a day ago found; counts that would be of a few people are None."""

    checked_at: datetime
    covered: int | None
    lacking: int | None
    weak_credentials: int | None
    probes: int
    is_complete: bool

    @property
    def compliant(self) -> int | None:
        """Return how many hold what is asked."""
        return None if self.covered is None or self.lacking is None else self.covered - self.lacking

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it, each count with its denominator; `null`: too few to be told."""
        return {
            "checked_at": clock.format_instant(self.checked_at),
            "covered": self.covered,
            "compliant": self.compliant,
            "lacking": self.lacking,
            "weak_credentials": self.weak_credentials,
            "probes": self.probes,
            "is_complete": self.is_complete,
        }


def progress_of(one: PublicMandate, now: datetime) -> Progress | None:
    """Return how far a mandate is, as of a day ago; None before its first check."""
    rows = CompletionCheck.objects.filter(mandate=one.policy.name, version=one.policy.version)
    row = rows.filter(checked_at__lte=now - LATE).order_by("-checked_on").first()
    return None if row is None else _progress(row)


def _progress(row: CompletionCheck) -> Progress:
    left = {each["code"]: int(each["count"]) for each in row.result["left"]}
    covered, lacking = int(row.result["covered"]), sum(left.get(code, 0) for code in _LACKING)
    weak = sum(count for code, count in left.items() if code.startswith("weak-"))
    # both sides of a share tell of people: where either is a few, the share isn't told
    is_told = lacking == 0 or min(lacking, covered - lacking) >= FEWEST
    return Progress(
        row.checked_at,
        covered if covered >= FEWEST else None,
        lacking if covered >= FEWEST and is_told else None,
        weak if weak == 0 or weak >= FEWEST else None,
        int(row.result["probes"]["asked"]),
        row.is_complete,
    )


@dataclass(frozen=True, slots=True)
class ShareTold:
    """A share with its denominator, in words and numbers."""

    key: str
    part: int
    whole: int
    told: str

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"key": self.key, "part": self.part, "whole": self.whole, "told": self.told}


def shares_of(name: str, now: datetime) -> list[ShareTold]:
    """Return adoption as of a day ago by each denominator that is for everybody; none of them about a few people."""
    day = metrics.latest(name, (now - LATE).date())
    found = []
    for key in _DENOMINATORS if day is not None else ():
        denominator = BY_KEY[key]
        share = None if day is None else day.share_of(denominator)
        if share is not None and min(share.part, share.whole - share.part) >= FEWEST:
            told = f"{share.part:,} of {share.whole:,} {denominator.whole.removeprefix('all ')} {denominator.part}"
            found.append(ShareTold(key, share.part, share.whole, told))
    return found


@dataclass(frozen=True, slots=True)
class Standing:
    """A mandate as everybody may see it, with how far it is."""

    shown: PublicMandate
    progress: Progress | None
    shares: list[ShareTold]
    is_proven: bool
    is_unproven: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        policy = self.shown.policy
        told = None if self.progress is None else self.progress.as_dict()
        return {
            "name": policy.name,
            "version": policy.version,
            "progress": told,
            "shares": [one.as_dict() for one in self.shares],
            "is_proven_complete": self.is_proven,
        }


def standings(mandates: list[PublicMandate], now: datetime) -> list[Standing]:
    """Return these mandates with how far each is."""
    return [
        Standing(
            one,
            progress_of(one, now),
            shares_of(one.policy.name, now),
            is_proven(one.policy, now),
            is_unproven(one.policy, now),
        )
        for one in mandates
    ]


@dataclass(frozen=True, slots=True)
class ChangeTold:
    """A version that took effect: which, when, how many answered for it, and whether it allowed more than before."""

    label: str
    title: str
    effective_at: datetime
    approvals: int
    is_loosening: bool

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "version": self.label,
            "title": self.title,
            "effective_at": clock.format_instant(self.effective_at),
            "approvals": self.approvals,
            "loosens": self.is_loosening,
        }


def changes(now: datetime) -> list[ChangeTold]:
    """Return the versions that took effect, the latest first (L2); drafts, and what was taken back, are nobody's business."""
    rows = MandateVersion.objects.filter(effective_at__lte=now, withdrawn_at__isnull=True, origin="applied")
    return [
        ChangeTold(str(row), row.document["title"], at, len(row.approved_by), row.is_loosening)
        for row in rows.order_by("-effective_at", "-pk")[:MOST_CHANGES]
        if (at := row.effective_at) is not None and not read_mandate(row.document).is_unannounced(now)
    ]
