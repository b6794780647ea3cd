"""In what state a mandate is, and by which steps it came there (M2). Pure.

Nothing of it is stored: a state follows from the document, from the pauses, and from the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal, Protocol

from keyhouse.core import clock
from keyhouse.mandate import words
from keyhouse.mandate.documents import Mandate, Stage, read_mandate
from keyhouse.mandate.pauses import HELD, Span, held, is_ending, moved
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.shadowing import shadow_of

Name = Literal[
    "draft",
    "simulated",
    "shadow",
    "stale",
    "announced",
    "reminding",
    "brownout",
    "early",
    "enforced",
    "completed",
    "retired",
    "paused",
    "superseded",
    "rolled_back",
    "abandoned",
]
OVER: Final = frozenset({"retired", "superseded", "abandoned"})  # nothing of it holds any more
LONGEST_SHADOW: Final = timedelta(days=30)  # after which one that leads to nothing is stale (X7)


class Version(Protocol):
    """What of a stored version tells its state."""

    version: int
    document: Any
    is_draft: bool
    effective_at: datetime | None
    withdrawn_at: datetime | None
    proposed_at: datetime


@dataclass(frozen=True, slots=True)
class Next:
    """What comes next, and when; without an instant: when a pause ends, or somebody approves."""

    name: str
    at: datetime | None

    @property
    def word(self) -> str:
        """Say what it is."""
        return words.state_named(self.name)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"name": self.name, "at": clock.format_if_any(self.at)}


@dataclass(frozen=True, slots=True)
class State:
    """A state: its name, since when, and what comes next. `ends_at`: when a pause ends by itself, if it does."""

    name: Name
    since: datetime
    next: Next | None = None
    ends_at: datetime | None = None

    @property
    def word(self) -> str:
        """Say what it is."""
        return words.state_named(self.name)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        told = {"name": self.name, "since": clock.format_instant(self.since)}
        coming = self.next.as_dict() if self.next else None
        return (
            told | {"next": coming} | ({"ends_at": clock.format_if_any(self.ends_at)} if self.ends_at else {})
        )


def state_of(
    version: Policy | Version,
    now: datetime,
    *,
    pauses: Sequence[Span] = (),
    superseded_at: datetime | None = None,
) -> State:
    """Return the state of a mandate at an instant: of a live policy, or of a stored version.

    A policy of the ledger knows its pauses. Of a stored version `pauses` are those of its mandate, and `superseded_at` is
    when a later version took its place; `campaigns.queries` knows both.
    """
    if isinstance(version, Policy):
        return _of_policy(version, now)
    if version.withdrawn_at is not None and version.withdrawn_at <= now:
        return State("abandoned", version.withdrawn_at)
    effective_at = version.effective_at
    if effective_at is None or effective_at > now:
        return _before_effect(version)
    if superseded_at is not None and superseded_at <= now:
        return State("superseded", superseded_at)
    spans = tuple(span for span in pauses if span[0] <= now)
    return _at(read_mandate(version.document), spans, effective_at, now)


def _before_effect(version: Version) -> State:
    """Tell of a draft, and of a version that waits for an approval or for its instant."""
    coming = Next("launched" if version.is_draft else "announced", version.effective_at)
    return State("draft", version.proposed_at, coming)


def _of_policy(policy: Policy, now: datetime) -> State:
    if policy.is_paused:
        coming = _coming(policy.as_written, policy.pauses[-1][0])
        return State("paused", policy.pauses[-1][0], Next(coming.state, None) if coming else None)
    return _unpaused(policy.mandate, now, policy.mandate.announced_at)


def _at(mandate: Mandate, spans: Sequence[Span], effective_at: datetime, now: datetime) -> State:
    for paused_at, resumed_at in spans:
        if resumed_at is not None and resumed_at <= effective_at:
            continue
        if is_ending(mandate):
            break
        if resumed_at is None or now < resumed_at:
            coming = _coming(mandate, paused_at)
            return State("paused", paused_at, Next(coming.state, None) if coming else None, resumed_at)
        mandate = moved(mandate, (paused_at, resumed_at))
    return _unpaused(mandate, now, effective_at)


def _unpaused(mandate: Mandate, now: datetime, since: datetime) -> State:
    coming = _coming(mandate, now)
    following = Next(coming.state, coming.at) if coming else None
    begun = [stage for stage in mandate.stages if stage.at <= now]
    if not begun:
        return _in_shadow(mandate, now, since, following)
    last = begun[-1]
    first = _first_of_its_kind(begun)
    return State(_name(last), first.at, following)


def _in_shadow(mandate: Mandate, now: datetime, since: datetime, following: Next | None) -> State:
    """Tell of a version that isn't announced: in its shadow, past that with nothing that follows, or before it."""
    begun = [stage.at for stage in mandate.shadows if stage.at <= now]
    if not begun:
        return State("simulated", since, following)
    ends = begun[-1] + LONGEST_SHADOW
    return State("stale", ends, following) if now >= ends else State("shadow", begun[0], following)


def _first_of_its_kind(begun: Sequence[Stage]) -> Stage:
    """Return the stage by which the state began that the last one is in; several may follow each other."""
    first = begun[-1]
    for stage in reversed(begun):
        if stage.state != first.state:
            break
        first = stage
    return first


def _name(stage: Stage) -> Name:
    name: Any = stage.state  # the grammar allows these only
    found: Name = name
    return found


def _coming(mandate: Mandate, after: datetime) -> Stage | None:
    return next((stage for stage in mandate.stages if after < stage.at < HELD), None)


# ---- how it came there


_STEPS: Final = {
    "draft": "Written down",
    "launched": "Took effect",
    "pause confirmed": "Pause confirmed",
    "resumed": "Went on",
    "shadow": "In its shadow",
    "stale": "Stale: nothing follows its shadow",
}


@dataclass(frozen=True, slots=True)
class Transition:
    """One step of a mandate: into which state, when, by whom and why; which version, and resting on which simulation.

    `by` is empty for what the calendar did. `is_planned`: it lies ahead.
    """

    state: str
    at: datetime
    version: int
    by: str = ""
    why: str = ""
    simulation: str = ""
    is_planned: bool = False

    @property
    def word(self) -> str:
        """Say what was done, or is to come."""
        return _STEPS.get(self.state) or words.state_named(self.state)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "state": self.state,
            "at": clock.format_instant(self.at),
            "version": self.version,
            "by": self.by or None,
            "why": self.why or None,
            "simulation": self.simulation or None,
            "is_planned": self.is_planned,
        }


class Stopped(Protocol):
    """What of a stored pause tells the steps into it and out of it."""

    begun_at: datetime
    begun_by: str
    reason: str
    signal: str
    confirmed_at: datetime | None
    confirmed_by: str
    ended_at: datetime | None
    ended_by: str
    ended_why: str

    @property
    def ends_at(self) -> datetime | None:
        """Return when it ended or will end by itself."""


class Ledgered(Version, Protocol):
    """A stored version with who answers for it."""

    name: str
    proposed_by: str
    approved_at: datetime | None
    approved_by: Any
    withdrawn_by: str
    why: str
    simulation: str


def transitions(
    versions: Iterable[Ledgered], pauses: Sequence[Stopped], now: datetime
) -> tuple[Transition, ...]:
    """Return every step of a mandate in the order of time, those that lie ahead at the end.

    `versions` are all of its name by number, drafts too; whoever shows it to everybody leaves those out.
    """
    rows = sorted(versions, key=lambda row: row.version)
    found = [step for row in rows for step in _steps_of(row, rows, pauses, now)]
    found += [step for pause in pauses for step in _steps_of_pause(pause, rows, now)]
    return tuple(sorted(found, key=lambda step: (step.at, step.version)))


def _steps_of(
    row: Ledgered, rows: Sequence[Ledgered], pauses: Sequence[Stopped], now: datetime
) -> Iterator[Transition]:
    yield Transition("draft", row.proposed_at, row.version, row.proposed_by, simulation=row.simulation)
    if row.withdrawn_at is not None:
        yield Transition("abandoned", row.withdrawn_at, row.version, row.withdrawn_by)
        return
    if row.effective_at is None:
        return
    by = ", ".join([row.proposed_by, *row.approved_by])
    launched = max(row.effective_at, row.proposed_at)  # what holds since the beginning was written down later
    yield Transition("launched", launched, row.version, by, row.why, row.simulation, launched > now)
    superseded_at = superseded_at_of(row, rows)
    yield from _steps_of_shadow(row, superseded_at, now)
    yield from _steps_of_calendar(row, pauses, superseded_at, now)
    if superseded_at is not None:
        yield Transition("superseded", superseded_at, row.version, is_planned=superseded_at > now)


def superseded_at_of(row: Ledgered, rows: Iterable[Ledgered]) -> datetime | None:
    """Return when a later version takes the place of this one, or None."""
    later = (
        other.effective_at
        for other in rows
        if other.version > row.version and other.withdrawn_at is None and other.effective_at is not None
    )
    first = min(later, default=None)
    return None if first is None or row.effective_at is None else max(first, row.effective_at)


def _steps_of_shadow(row: Ledgered, superseded_at: datetime | None, now: datetime) -> Iterator[Transition]:
    """Yield that a version was in its shadow, and that it got stale where nothing followed (X7)."""
    mandate = read_mandate(row.document)
    if row.effective_at is None or not mandate.shadows:
        return
    shadow = shadow_of(Policy(mandate, row.version), row.effective_at, superseded_at)
    yield Transition("shadow", shadow.begins, row.version, is_planned=shadow.begins > now)
    if shadow.ends < mandate.announced_at and not shadow.is_superseded:
        yield Transition("stale", shadow.ends, row.version, is_planned=shadow.ends > now)


def _steps_of_calendar(
    row: Ledgered, pauses: Sequence[Stopped], superseded_at: datetime | None, now: datetime
) -> Iterator[Transition]:
    if row.effective_at is None:
        return
    mandate = as_paused(read_mandate(row.document), pauses, row.effective_at)
    for stage in mandate.stages:
        at = max(stage.at, row.effective_at)
        if at < HELD and (superseded_at is None or at < superseded_at):
            yield Transition(stage.state, at, row.version, is_planned=at > now)


def as_paused(mandate: Mandate, pauses: Sequence[Stopped], effective_at: datetime) -> Mandate:
    """Return a version as all of its pauses made it; one that goes on holds what was to come."""
    if is_ending(mandate):
        return mandate
    for pause in pauses:
        ends_at = pause.ends_at
        if ends_at is not None and ends_at <= effective_at:
            continue
        is_known = pause.ended_at is not None and ends_at is not None
        mandate = (
            moved(mandate, (pause.begun_at, ends_at))
            if is_known and ends_at is not None
            else held(mandate, pause.begun_at)
        )
    return mandate


def _steps_of_pause(pause: Stopped, rows: Sequence[Ledgered], now: datetime) -> Iterator[Transition]:
    version = _version_at(rows, pause.begun_at)
    why = f"{pause.reason} ({pause.signal})" if pause.signal else pause.reason
    yield Transition("paused", pause.begun_at, version, pause.begun_by, why)
    if pause.confirmed_at is not None:
        yield Transition("pause confirmed", pause.confirmed_at, version, pause.confirmed_by)
    ends_at = pause.ends_at
    if ends_at is not None:
        yield Transition(
            "resumed", ends_at, version, pause.ended_by, pause.ended_why, is_planned=ends_at > now
        )


def _version_at(rows: Sequence[Ledgered], at: datetime) -> int:
    live = [
        row.version
        for row in rows
        if row.withdrawn_at is None and row.effective_at is not None and row.effective_at <= at
    ]
    return max(live, default=0)
