"""Mandates as operators see them: where each stands, how adoption went, what the next stage will bring."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.mandate import queries as ledgers
from keyhouse.mandate import words
from keyhouse.mandate.campaigns.queries import Campaign, campaigns
from keyhouse.mandate.campaigns.states import Transition, state_of
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.metrics.forecast import Load, forecast
from keyhouse.mandate.metrics.queries import Day, latest_of_all, series
from keyhouse.mandate.metrics.rules import DENOMINATORS, Denominator, Share, find_denominator
from keyhouse.mandate.models import Pause
from keyhouse.mandate.notices.queries import REASONS
from keyhouse.mandate.rules import Policy
from keyhouse.web.console.share_plot import Curve, curve_of

RANGES: Final = (30, 90, 365, 730)  # days
_WEEKLY_FROM: Final = 365  # from so many days on, one day of each week is shown
_WEEK: Final = 7
MOST_STEPS: Final = 50
ONE_DAY: Final = timedelta(days=1)
_HELD: Final = "covered"  # the share that a list shows
_OF_INDEX: Final = "authority"


_BADGES: Final = {
    "enforced": "ok",
    "completed": "ok",
    "early": "ok",
    "brownout": "warn",
    "paused": "warn",
    "rolled_back": "danger",
    "abandoned": "danger",
    "stale": "danger",
}


@dataclass(frozen=True, slots=True)
class State:
    """Where a mandate stands, since when, and what comes next."""

    name: str
    since: datetime | None = None
    next: tuple[str, datetime | None] | None = None
    ends_at: datetime | None = None  # of a pause, where it ends by itself
    has_draft: bool = False
    pause: Pause | None = None

    @property
    def word(self) -> str:
        """Say where it stands."""
        return words.state_named(self.name)

    @property
    def next_word(self) -> str:
        """Say what comes next, or nothing."""
        return words.state_named(self.next[0]) if self.next else ""

    @property
    def next_at(self) -> datetime | None:
        """Return when that is."""
        return self.next[1] if self.next else None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        coming = {"state": self.next[0], "at": clock.format_if_any(self.next[1])} if self.next else None
        told = {"state": self.name, "since": clock.format_if_any(self.since), "next": coming}
        return told | {"pause_ends_at": clock.format_if_any(self.ends_at), "has_draft": self.has_draft}


@dataclass(frozen=True, slots=True)
class Listed:
    """One mandate in the list: its newest version, how it stands, and the last day that was counted."""

    policy: Policy
    state: State
    day: Day | None
    is_live: bool = False

    @property
    def badge(self) -> str:
        """Return how its state is marked."""
        return _BADGES.get(self.state.name, "")

    @property
    def shown_since(self) -> datetime | None:
        """Return since when it stands so; None where that is for as long as this index exists."""
        since = self.state.since
        return None if since is None or since <= BEGINNING else since

    @property
    def share(self) -> Share | None:
        """Return how many of the people it covers comply."""
        return None if self.day is None else self.day.share_of(find_denominator(_HELD))

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "mandate": self.policy.name,
            "version": self.policy.version,
            "title": self.policy.mandate.title,
            **self.state.as_dict(),
            "share": None if self.share is None else self.share.as_dict(),
            "share_of": find_denominator(_HELD).whole,
        }


def all_mandates(now: datetime) -> list[Listed]:
    """Return every mandate there is or was, what holds first, then by name."""
    days = latest_of_all(now.date())
    known = {one.name: one for one in campaigns()}
    live = {one.name: one for one in ledgers.live_policies(now)}
    policies = live | {
        name: ledgers.policy_of(one.current(now)) for name, one in known.items() if name not in live
    }
    rows = [
        Listed(one, _state(one, known.get(name), now), days.get(name), name in live)
        for name, one in policies.items()
    ]
    return sorted(rows, key=lambda one: (not one.is_live, one.policy.name))


def get_mandate(name: str, now: datetime) -> Listed:
    """Return one mandate; raises MandateMissing."""
    found = next((one for one in all_mandates(now) if one.policy.name == name), None)
    if found is None:
        raise MandateMissing
    return found


def _state(policy: Policy, known: Campaign | None, now: datetime) -> State:
    """Return where a mandate stands; the one that an index begins with may never have been written down."""
    found = state_of(policy, now) if known is None else known.state(now)
    following = (found.next.name, found.next.at) if found.next else None
    pause = None if known is None else known.open_pause(now)
    return State(
        found.name,
        found.since,
        following,
        found.ends_at,
        has_draft=known is not None and known.draft() is not None,
        pause=pause,
    )


# ---- how it came there


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a mandate, for those who run the index: with who did it, and why."""

    step: Transition

    @property
    def what(self) -> str:
        """Say what was done."""
        return self.step.word

    @property
    def by(self) -> str:
        """Say who did it."""
        return self.step.by or "the calendar"


def steps_of(name: str, now: datetime) -> list[Transition]:
    """Return every step of a mandate, those ahead too, the oldest first; none of one that was never written down."""
    found = next((one for one in campaigns() if one.name == name), None)
    return [] if found is None else list(found.transitions(now))


def past_steps(name: str, now: datetime) -> list[Step]:
    """Return the last steps that were taken, the newest first."""
    past = [Step(one) for one in steps_of(name, now) if not one.is_planned and one.at > BEGINNING]
    return past[::-1][:MOST_STEPS]


# ---- who stands behind a figure


@dataclass(frozen=True, slots=True)
class Behind:
    """A list of those whom a share lacks: where it is, and what its link says."""

    address: str
    words: str


_LACKING: Final = {
    "covered": Behind("people/?which=lacking", "Who doesn't"),
    "notice": Behind("people/?which=unreached", "Whom no notice reached, and why"),
    "tokens": Behind("people/?which=weak", "Whose tokens are too weak"),
    "phishing-resistant": Behind("people/?which=no-key", "Who holds neither"),
    "two-factors": Behind("people/?which=one-factor", "Who holds one or none"),
}
_OF_PROJECTS: Final = frozenset({"projects-one", "projects-all", "covered-projects", "downloads"})
_OF_PEOPLE: Final = frozenset({"authority", "active", "accounts"})
_STRANDED: Final = Behind("/operator/mandates/stranded/", "Projects that no owner could manage")
_WITHOUT: Final = Behind("/operator/people/?factor=none", "Everybody without a second factor")


def behind(mandate: str, denominator: Denominator) -> Behind | None:
    """Return the list of those whom a share lacks, or None where there is none."""
    key = denominator.key
    if key in _OF_PROJECTS:
        return _STRANDED
    if key in _OF_PEOPLE or (not mandate and key == "two-factors"):
        return _WITHOUT
    return _LACKING.get(key) if mandate else None


def unreached_of(day: Day | None) -> list[tuple[str, str, int]]:
    """Return why notices reached how many people not: key, words and number, the most first."""
    counts = {} if day is None or day.counts is None else day.counts.get("unreached", {})
    found = [(key, REASONS.get(key, key), count) for key, count in counts.items()]
    return sorted(found, key=lambda one: -one[2])


# ---- adoption over time


@dataclass(frozen=True, slots=True)
class Shown:
    """A share over the last so many days: what is drawn, and the same as rows, the newest first."""

    denominator: Denominator
    days: int
    rows: tuple[Day, ...]
    curve: Curve
    behind: Behind | None = None

    @property
    def newest_first(self) -> list[tuple[Day, Share | None]]:
        """Return the days with their shares."""
        return [(one, one.share_of(self.denominator)) for one in reversed(self.rows)]

    @property
    def last(self) -> Share | None:
        """Return the share on the last day that was counted, or None."""
        return next((share for _, share in self.newest_first if share is not None), None)

    @property
    def last_on(self) -> date | None:
        """Return the last day that is shown."""
        return self.rows[-1].on if self.rows else None

    @property
    def missed(self) -> int:
        """Return how many of the days shown were missed."""
        return sum(one.is_missed for one in self.rows)

    @property
    def is_weekly(self) -> bool:
        """Whether one day of each week is shown."""
        return self.days >= _WEEKLY_FROM


def read_days(text: str) -> int:
    """Read `?days=`; whatever is none of the ranges is the second one."""
    return next((days for days in RANGES if str(days) == text), RANGES[1])


def read_denominator(text: str, mandate: str) -> Denominator:
    """Read `?of=`; whatever is none is the people covered, or of the index those with authority."""
    known = {one.key for one in denominators_of(mandate)}
    return find_denominator(text if text in known else _HELD if mandate else _OF_INDEX)


def denominators_of(mandate: str) -> list[Denominator]:
    """Return what can be shown of a mandate, or of the index, which is covered by nothing."""
    return [one for one in DENOMINATORS if mandate or not _is_of_a_mandate(one)]


def _is_of_a_mandate(one: Denominator) -> bool:
    return one.key in {"covered", "covered-projects", "notice"}


def adoption(
    mandate: str, denominator: Denominator, days: int, now: datetime, policy: Policy | None
) -> Shown:
    """Return a share over time, drawn and as rows."""
    today = now.date()
    every = _WEEK if days >= _WEEKLY_FROM else 1
    rows = series(mandate, today - timedelta(days=days - 1), today, every=every)
    points = [(one.on, _percent(one, denominator)) for one in rows]
    begun = [] if policy is None else _beginnings(policy)
    return Shown(denominator, days, tuple(rows), curve_of(points, begun), behind(mandate, denominator))


def _percent(day: Day, denominator: Denominator) -> float | None:
    share = day.share_of(denominator)
    return None if share is None else share.percent


def _beginnings(policy: Policy) -> list[tuple[date, str]]:
    return [(stage.at.date(), words.state(stage)) for stage in policy.mandate.stages]


# ---- what is to come


def load_to_come(mandate: Day | None, now: datetime) -> Load | None:
    """Return what the next stage will bring to those who decide recovery cases."""
    today = now.date()
    return forecast(series("", today - timedelta(days=RANGES[0] - 1), today), mandate)
