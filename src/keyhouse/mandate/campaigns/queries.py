"""What stands in the ledger about campaigns: states of versions, steps, pauses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mandate.campaigns.states import (
    OVER,
    State,
    Transition,
    state_of,
    superseded_at_of,
    transitions,
)
from keyhouse.mandate.completion.queries import is_proven_since, proven_at
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.models import MandateVersion, Pause
from keyhouse.mandate.queries import policy_of
from keyhouse.mandate.selectors import (
    AllOf,
    AnyOf,
    Everyone,
    Named,
    NotOf,
    OfOrganizations,
    OfProjects,
    Selector,
)

COMPLETED: Final = "completed"
ENFORCED: Final = "enforced"
_TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Campaign:
    """A mandate with all of its versions and pauses, the oldest first."""

    name: str
    versions: tuple[MandateVersion, ...]
    pauses: tuple[Pause, ...]
    replaced_at: datetime | None = None  # since when another mandate holds in its stead

    def state_of(self, row: MandateVersion, now: datetime) -> State:
        """Return the state of one of its versions."""
        spans = tuple((one.begun_at, one.ends_at) for one in self.pauses)
        instants = (superseded_at_of(row, self.versions), self.replaced_at)
        superseded_at = min((at for at in instants if at is not None), default=None)
        found = state_of(row, now, pauses=spans, superseded_at=superseded_at)
        if found.name != COMPLETED or is_proven_since(policy_of(row), found.since, now):
            return found
        before = state_of(row, found.since - _TICK, pauses=spans, superseded_at=superseded_at)
        since = before.since if before.name == ENFORCED else found.since
        return replace(found, name=ENFORCED, since=since)

    def state(self, now: datetime) -> State:
        """Return the state of the mandate: of the version that holds, or of the last one."""
        return self.state_of(self.current(now), now)

    def current(self, now: datetime) -> MandateVersion:
        """Return the version that holds at an instant; before that and afterwards the last that was not taken back."""
        held = [
            row
            for row in self.versions
            if row.withdrawn_at is None and row.effective_at is not None and row.effective_at <= now
        ]
        standing = [row for row in self.versions if row.withdrawn_at is None]
        return (held or standing or list(self.versions))[-1]

    def draft(self) -> MandateVersion | None:
        """Return the draft that a launch would take, the newest one."""
        drafts = [row for row in self.versions if row.is_draft and row.withdrawn_at is None]
        return drafts[-1] if drafts else None

    def open_pause(self, now: datetime) -> Pause | None:
        """Return the pause that goes on, or None."""
        return next((one for one in reversed(self.pauses) if one.is_open(now)), None)

    def transitions(self, now: datetime) -> tuple[Transition, ...]:
        """Return all of its steps, drafts too."""
        return self._proven(transitions(self.versions, self.pauses, now))

    def _proven(self, steps: Iterable[Transition]) -> tuple[Transition, ...]:
        """Return steps with those that call it completed at the instant of their proof; left out where there is none (M5)."""
        rows = {row.version: row for row in self.versions}
        found = []
        for step in steps:
            if step.state != COMPLETED or step.is_planned:
                found.append(step)
            elif at := proven_at(policy_of(rows[step.version]), step.at):
                found.append(replace(step, at=at))
        return tuple(sorted(found, key=lambda step: (step.at, step.version)))

    def public_transitions(self, now: datetime) -> tuple[Transition, ...]:
        """Return the steps that everybody may know (L2): nothing of drafts, of what waits, was withdrawn, or is in a shadow.

        Of each version by itself: one that names people hides nothing of what was done before it or comes after it.
        """
        launched = [row for row in self.versions if row.effective_at is not None and row.withdrawn_at is None]
        shown = [row for row in launched if not read_mandate(row.document).is_unannounced(now)]
        if not shown:
            return ()
        general = {row.version for row in shown if is_site_wide(read_mandate(row.document))}
        steps = self._proven(transitions(shown, self.pauses, now))
        return tuple(step for step in steps if step.state != "draft" and step.version in general)

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """Return name, state, version, pauses and what waits as JSON has it, for operators."""
        row, draft, pause = self.current(now), self.draft(), self.open_pause(now)
        return {
            "mandate": self.name,
            "version": row.version,
            "state": self.state_of(row, now).as_dict(),
            "draft": draft.version if draft else None,
            "pause": pause_dict(pause) if pause else None,
        }


def pause_dict(pause: Pause) -> dict[str, Any]:
    """Return a pause as JSON has it."""
    return {
        "begun_at": clock.format_instant(pause.begun_at),
        "begun_by": pause.begun_by,
        "reason": pause.reason,
        "signal": pause.signal or None,
        "confirmed_by": (pause.confirmed_by or None) if pause.confirmed_at else None,
        "ends_at": clock.format_if_any(pause.ends_at),
        "ended_by": pause.ended_by or None,
    }


def campaign(name: str) -> Campaign:
    """Return a mandate with its versions and pauses; raises MandateMissing."""
    found = next((one for one in campaigns() if one.name == name), None)
    if found is None:
        raise MandateMissing
    return found


def campaigns() -> list[Campaign]:
    """Return every mandate that was ever written down, by name."""
    versions: dict[str, list[MandateVersion]] = {}
    for row in MandateVersion.objects.order_by("name", "version"):
        versions.setdefault(row.name, []).append(row)
    pauses: dict[str, list[Pause]] = {}
    for pause in Pause.objects.order_by("begun_at", "pk"):
        pauses.setdefault(pause.mandate, []).append(pause)
    replaced = _replaced(versions)
    return [
        Campaign(name, tuple(rows), tuple(pauses.get(name, ())), replaced.get(name))
        for name, rows in versions.items()
    ]


def _replaced(versions: Mapping[str, Sequence[MandateVersion]]) -> dict[str, datetime]:
    """Return since when which mandates are replaced by another one, as the newest version of that says."""
    found: dict[str, datetime] = {}
    for rows in versions.values():
        held = [row for row in rows if row.effective_at is not None and row.withdrawn_at is None]
        for name in held[-1].document.get("replaces", ()) if held else ():
            if held[-1].effective_at is not None:
                found[name] = min(held[-1].effective_at, found.get(name, held[-1].effective_at))
    return found


def standing(found: Sequence[Campaign], now: datetime) -> list[Campaign]:
    """Return those of which something holds, waits or comes."""
    return [one for one in found if one.state(now).name not in OVER or one.draft() is not None]


@dataclass(frozen=True, slots=True)
class PublicStep:
    """What was done to a mandate, as everybody may know it (L2): by what kind of hand, and no names."""

    mandate: str
    step: Transition

    @property
    def by(self) -> str:
        """Say who did it."""
        names = [name for name in self.step.by.split(", ") if name]
        if not names:
            return "the calendar"
        if names == [host().name]:
            return "the operator at the host"
        return "an operator" if len(names) == 1 else f"{len(names)} operators"

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"mandate": self.mandate, **self.step.as_dict(), "by": self.by}


def public_steps(now: datetime) -> list[PublicStep]:
    """Return what was done so far to the mandates that are about everybody or about roles, the newest first."""
    found = [
        PublicStep(one.name, step)
        for one in campaigns()
        for step in one.public_transitions(now)
        if not step.is_planned and step.at > BEGINNING
    ]
    return sorted(found, key=lambda change: change.step.at, reverse=True)


def is_site_wide(mandate: Mandate) -> bool:
    """Tell whether a mandate is about kinds of people, and not only about some that it names or that belong to what it names.

    Whoever adds a name to it, or leaves one out, makes it no private matter.
    """
    return _is_general(mandate.who)


def _is_general(who: Selector) -> bool:
    if isinstance(who, Named | OfProjects | OfOrganizations):
        return False
    if isinstance(who, NotOf):
        return not isinstance(who.part, Everyone)
    if isinstance(who, AllOf):
        return all(_is_general(part) for part in who.parts)
    return not isinstance(who, AnyOf) or any(_is_general(part) for part in who.parts)
