"""When somebody is asked whether their second factors still work, and what the answer is worth. Pure.

Asked once, some weeks after the first of what they hold was added: by then a phone is lost or a key put away, and codes
are still at hand. An answer is a proof by the factor itself, never somebody's word for it; a report is their word.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

AFTER: Final = timedelta(days=28)
FRESH: Final = timedelta(days=7)  # whoever used theirs so shortly before isn't asked
OPEN_FOR: Final = timedelta(days=60)  # then it ends without an answer, and nobody is asked again
LATER: Final = timedelta(days=7)
MOST_LATER: Final = 2

Outcome = Literal["", "worked", "repaired", "unanswered"]


@dataclass(frozen=True, slots=True)
class Method:
    """A second factor as a check-up sees it; `key` is its kind and number, such as `app:3`."""

    key: str
    kind: str
    name: str
    added_at: datetime
    used_at: datetime | None
    is_usable: bool = True

    def is_proven_since(self, at: datetime) -> bool:
        """Tell whether it answered from that instant on; adding it takes an answer, too."""
        return self.is_usable and (self.added_at >= at or (self.used_at is not None and self.used_at >= at))


def enrolled_at(methods: Iterable[Method]) -> datetime | None:
    """Return when the oldest of what somebody holds was added."""
    return min((one.added_at for one in methods), default=None)


def is_in_use(methods: Iterable[Method], enrolled: datetime) -> bool:
    """Tell whether what somebody holds was used so lately that asking would tell nothing new."""
    return any(one.is_proven_since(enrolled + AFTER - FRESH) for one in methods)


def outstanding(methods: Iterable[Method], reported: Mapping[str, datetime]) -> list[Method]:
    """Return what was reported, is still there, and has not answered since."""
    return [one for one in methods if one.key in reported and not one.is_proven_since(reported[one.key])]


def outcome(
    methods: Sequence[Method], asked_at: datetime, reported: Mapping[str, datetime], now: datetime
) -> Outcome:
    """Return how a check-up ends now; empty while it is open."""
    is_proven = any(one.is_proven_since(asked_at) for one in methods)
    if is_proven and not outstanding(methods, reported):
        return "repaired" if reported else "worked"
    return "unanswered" if now >= asked_at + OPEN_FOR else ""


def may_put_off(later_count: int, asked_at: datetime, now: datetime) -> bool:
    """Tell whether it may be put off once more: twice at most, and never past its end."""
    return later_count < MOST_LATER and now + LATER < asked_at + OPEN_FOR
