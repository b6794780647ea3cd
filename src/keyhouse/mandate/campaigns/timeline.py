"""A campaign as a time line: what begins when, for whom, until when people must be told, and how far deadlines reach. Pure.

The same events are drawn in the terminal and on pages; instants are UTC, and a reader's own zone stands beside them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from typing import Any, Final, Literal

from keyhouse.core import clock
from keyhouse.core.actions import REMOVE_LAST
from keyhouse.mandate import words
from keyhouse.mandate.beginnings import Beginning, bad_days, beginnings
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.rules import Policy
from keyhouse.mandate.shadowing import Shadowed, shadow_of

Kind = Literal["shadow", "stale", "stage", "tell-by", "deadlines", "tokens", "pause", "resume"]
_UNKNOWN: Final = datetime(
    3000, 1, 1, tzinfo=UTC
)  # from here on an instant stands for one that nobody knows yet
_ORDER: Final = ("resume", "shadow", "stale", "tell-by", "stage", "tokens", "deadlines", "pause")


@dataclass(frozen=True, slots=True)
class Event:
    """One thing on a time line. `until`: the end of a span, where it is known."""

    at: datetime
    kind: Kind
    title: str
    text: str
    until: datetime | None = None
    refuses: bool = False  # something, from here on
    number: int | None = None  # of its stage

    @property
    def is_from_the_beginning(self) -> bool:
        """Whether it has been so for as long as this index exists."""
        return self.at <= BEGINNING

    @property
    def is_known(self) -> bool:
        """Whether its instant is known; while a calendar stands still, that of what is to come isn't."""
        return self.at < _UNKNOWN

    def is_past(self, now: datetime) -> bool:
        """Tell whether it has begun."""
        return self.at <= now

    def as_dict(self, now: datetime) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "at": clock.format_instant(self.at) if self.is_known else None,
            "until": clock.format_if_any(self.until),
            "kind": self.kind,
            "stage": self.number,
            "title": self.title,
            "text": self.text,
            "refuses": self.refuses,
            "is_past": self.is_past(now),
        }


@dataclass(frozen=True)  # no slots: what is worked out once stays with it
class Timeline:
    """All events of one version of a mandate, in their order, as they look from `now`."""

    policy: Policy
    now: datetime
    shadow: Shadowed | None = None  # as the ledger knows it; None: as it would be from now on

    @cached_property
    def events(self) -> tuple[Event, ...]:
        """Return what was and what comes, the first first."""
        found = [
            *_shadow(self.policy, self.shadow, self.now),
            *_stages(self.policy),
            *_deadlines(self.policy),
            *_tokens(self.policy),
            *_pauses(self.policy),
        ]
        return tuple(sorted(found, key=lambda one: (one.at, _ORDER.index(one.kind))))

    @property
    def next(self) -> Event | None:
        """Return what comes next, if anything does."""
        return next((one for one in self.events if not one.is_past(self.now) and one.is_known), None)

    @property
    def stages(self) -> list[Event]:
        """Return the stages alone."""
        return [one for one in self.events if one.kind == "stage"]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        following = self.next
        return {
            "mandate": self.policy.name,
            "version": self.policy.version,
            "title": self.policy.mandate.title,
            "now": clock.format_instant(self.now),
            "next": None if following is None else following.as_dict(self.now),
            "events": [one.as_dict(self.now) for one in self.events],
        }


# ---- what is on it


Span = tuple[datetime, datetime | None]  # of a pause; without an end it goes on


def _spans(policy: Policy) -> Sequence[Span]:
    found: Sequence[Span] = getattr(policy, "pauses", ())
    return found


def _as_written(policy: Policy) -> Mandate:
    """Return the mandate as it was written down, whatever pauses made of it."""
    found: Mandate = getattr(policy, "as_written", policy.mandate)
    return found


def _shadow(policy: Policy, known: Shadowed | None, now: datetime) -> Iterator[Event]:
    """Yield the shadow with its end, and when it is stale, where nothing follows right after it (X7)."""
    mandate = policy.mandate
    if not mandate.shadows:
        return
    shadow = known or shadow_of(policy, now)
    for number, stage in enumerate(mandate.shadows):
        begins = max(stage.at, shadow.begins)
        ends = min([*(one.at for one in mandate.shadows[number + 1 :]), shadow.ends])
        if begins < ends:
            yield Event(begins, "shadow", words.state(stage), _would(stage, ends), until=ends)
    if shadow.ends < mandate.announced_at and not shadow.is_superseded:
        yield Event(
            shadow.ends,
            "stale",
            "Shadow ends with nothing after it",
            "From here on it is stale: nothing is counted and nothing begins, until somebody decides.",
            until=mandate.announced_at if mandate.stages else None,
        )


def _would(stage: Stage, ends: datetime) -> str:
    """Say what is counted in a shadow, and until when."""
    return (
        f"Refuses nobody and is told to nobody; until {words.moment(ends)} it is counted who would be refused if it were in force:"
        f" it {words.effect(stage)}."
    )


def _stages(policy: Policy) -> Iterator[Event]:
    """Yield the stages; in a pause a policy holds what has begun only, and nobody knows when the rest does."""
    known = beginnings(policy.mandate)
    is_paused = bool(_spans(policy)) and _spans(policy)[-1][1] is None
    waiting = beginnings(_as_written(policy))[len(known) :] if is_paused else ()
    for one in (*known, *waiting):
        whom = f", for {words.who(one.stage.who)}" if one.stage.who is not None else ""
        effect = words.effect(one.stage)
        yield Event(
            one.stage.at if one in known else _UNKNOWN,
            "stage",
            words.state(one.stage),
            f"{effect[:1].upper()}{effect[1:]}{whom}.",
            refuses=bool(one.acts),
            number=one.number,
        )


def _gating(policy: Policy) -> list[Beginning]:
    """Return the stages from which people have grace: those that ask for more than to keep the last factor."""
    if policy.is_floor_exempt:
        return []
    return [one for one in beginnings(policy.mandate) if one.acts - {REMOVE_LAST}]


def _deadlines(policy: Policy) -> Iterator[Event]:
    mandate = policy.mandate
    for one in _gating(policy):
        at, state = one.stage.at, words.state(one.stage)
        if at >= _UNKNOWN:
            continue
        if at - mandate.floor > mandate.announced_at:
            yield Event(
                at - mandate.floor,
                "tell-by",
                f"Notices due for “{state}”",
                f"Whoever is told later has a later deadline: {_days(mandate.floor)} after their notice.",
                number=one.number,
            )
        if mandate.unreached_cap:
            yield Event(
                at,
                "deadlines",
                f"Deadlines of “{state}”",
                f"Whoever was told late, or not at all, has until {words.moment(at + mandate.unreached_cap)} at the latest.",
                until=at + mandate.unreached_cap,
                number=one.number,
            )


def _tokens(policy: Policy) -> Iterator[Event]:
    ends = policy.mandate.credentials
    if ends.at is not None:
        which = " and ".join(
            word for word, said in (("older", ends.before), ("newer", ends.grace)) if said == "expire"
        )
        yield Event(
            ends.at, "tokens", "Weak tokens end", f"API tokens that are too weak, {which} ones, stop working."
        )


def _pauses(policy: Policy) -> Iterator[Event]:
    for begun_at, ended_at in _spans(policy):
        yield Event(
            begun_at,
            "pause",
            "Paused",
            "Nothing more begins, and what is to come is later by as long as this takes.",
            until=ended_at,
        )
        if ended_at is not None:
            yield Event(ended_at, "resume", "Goes on", "The calendar runs again.")


def _days(length: timedelta) -> str:
    return "1 day" if length.days == 1 else f"{length.days} days"


def timeline_of(policy: Policy, now: datetime, shadow: Shadowed | None = None) -> Timeline:
    """Return the time line of a version; of a file that is no version yet, that of `Policy(mandate)`."""
    return Timeline(policy, now, shadow)


def of_mandate(mandate: Mandate, now: datetime) -> Timeline:
    """Return the time line that a document would have."""
    return Timeline(Policy(mandate), now)


def moved_onto_bad_days(policy: Policy, now: datetime) -> list[str]:
    """Say which stages to come of a live version begin to refuse something on a day that is none for that (N1).

    A pause moves stages, and no plan looks at them again; a reason to begin on such a day was given for another one.
    """
    written = _as_written(policy)
    return [
        f"Stage {one.number + 1} {one}"
        for one in bad_days(policy.mandate, now)
        if one.at < _UNKNOWN
        and not (written.calendar.override and _is_there(written, one.number - len(written.shadows), one.at))
    ]


def _is_there(written: Mandate, number: int, at: datetime) -> bool:
    return number < len(written.stages) and written.stages[number].at == at


# ---- in the terminal


def told(data: dict[str, Any], zone: tzinfo | None = None) -> str:
    """Return a time line, as JSON has it, as lines; with the host's zone beside UTC, where it is another one.

    `zone`: that of the host if it isn't given.
    """
    now = clock.parse_instant(data["now"])
    lines, is_ahead = [f"{data['mandate']}: {data['title']}"], False
    for one in data["events"]:
        if not one["is_past"] and not is_ahead:
            is_ahead = True
            lines.append(f"> {_column(now, zone)}  now")
        sign = "*" if one["is_past"] else "o"
        lines.append(f"{sign} {_when(one, zone)}  {one['title']}: {one['text']}")
    if not is_ahead:
        lines.append(f"> {_column(now, zone)}  now; nothing more is to come")
    return "\n".join(lines)


def _when(event: dict[str, Any], zone: tzinfo | None) -> str:
    if event["at"] is None:
        return "when it goes on"
    at = clock.parse_instant(event["at"])
    return "since the beginning" if at <= BEGINNING else _column(at, zone)


def _column(at: datetime, zone: tzinfo | None) -> str:
    here = at.astimezone(zone)
    if here.utcoffset() == timedelta(0):
        return f"{at:%Y-%m-%d %H:%M} UTC"
    day = "" if here.date() == at.date() else f"{here:%Y-%m-%d} "
    return f"{at:%Y-%m-%d %H:%M} UTC ({day}{here:%H:%M %Z})"
