"""A mandate as it is written down, read and judged. Pure; the grammar is a contract (see `docs/operate/mandate.md`).

What is wrong is told with the path of the key (`stages[1].deny`); `toml_lines` turns that into a line number.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from keyhouse.core import clock
from keyhouse.core.actions import CATALOGUE
from keyhouse.distfiles.names import normalise
from keyhouse.mandate.calendars import NO_CALENDAR, Calendar
from keyhouse.mandate.selectors import (
    METRICS,
    ROLES,
    AllOf,
    AnyOf,
    Cohort,
    Criterion,
    Everyone,
    HasRole,
    JoinedFrom,
    Named,
    NotOf,
    OfCriticalProjects,
    OfOrganizations,
    OfProjects,
    Selector,
    criteria_of,
    projects_of,
)

Path = tuple[str | int, ...]

SHADOW: Final = "shadow"  # nothing is refused yet, and nobody told; what would be refused is counted
# How a mandate ends before its time: refusing nothing but to shed the last factor, and then nothing at all.
ENDING: Final = ("rolled_back", "abandoned")
STATES: Final = (
    SHADOW, "announced", "reminding", "brownout", "early", "enforced", "completed", *ENDING, "retired",
)  # fmt: skip
PAUSED: Final = "paused"
BEFORE_FORCE: Final = frozenset({"announced", "reminding", "brownout", "early", PAUSED})
IN_FORCE: Final = frozenset({"enforced", "completed"})
METHOD_SETS: Final = ("phishing-resistant", "device-bound")
METHODS: Final = ("security-key", "passkey", "authenticator-app", *METHOD_SETS)
# Which proofs count as which method. A recovery code and a password never do.
PROOFS_OF: Final[Mapping[str, frozenset[str]]] = {
    "security-key": frozenset({"webauthn"}),
    "passkey": frozenset({"passkey"}),
    "authenticator-app": frozenset({"totp"}),
    "phishing-resistant": frozenset({"webauthn", "passkey"}),
    "device-bound": frozenset(),
}
ACTION_SETS: Final = ("management", "publishing", "credentials", "all")
# What a launch asks to be so before it goes ahead (L1); `campaigns.guards` looks each of them up.
GUARDS: Final = ("operators", "break-glass", "methods", "recovery", "notice", "simulation", "rehearsal")
USUAL_GUARDS: Final = tuple(name for name in GUARDS if name != "rehearsal")
# By what a release may be published at all, whatever stands behind it.
WAYS: Final = ("trusted-publisher", "token")
USUAL_REMINDERS: Final = (28, 14, 7, 1)  # days before a deadline
DISPOSITIONS: Final = ("keep", "warn", "refuse", "expire", "revoke")
_NAME: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")
_LONGEST_TITLE: Final = 200
_LONGEST_TEXT: Final = 2000
_LONGEST_NAME: Final = 200
_LONGEST_STEP: Final = 60  # of a key, told in a complaint
_STAGE: Final = re.compile(r"^stages\[(\d+)\]\.?")
_POSITION: Final = re.compile(r"\[(\d+)\]")
_MOST_NAMES: Final = 1000
MOST_STAGES: Final = 50
_DEEPEST: Final = 16
_MOST_DAYS: Final = 365
_MOST_HOURS: Final = 24 * _MOST_DAYS
_MOST_PER_HOUR: Final = 10**9
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MOST_REMINDERS: Final = 10
_LONGEST_WINDOW: Final = 730
# An instant and what is counted from it stay within every calendar: no gate may fall over a date.
_FIRST_YEAR: Final = 1970
_LAST_YEAR: Final = 2999
NEVER: Final = datetime(_LAST_YEAR + 1, 1, 1, tzinfo=UTC)  # when a mandate is announced that has only shadows
_MOST_REFUSALS: Final = 10**9
_LONGEST_SNOOZE: Final = 30  # days
_MOST_SNOOZES: Final = 5


class DocumentInvalid(ValueError):  # noqa: N818 - it names what is wrong
    """Something written down can't be; `path` says where."""

    def __init__(self, path: Path, reason: str) -> None:
        """Take the path of keys and list positions, and the reason."""
        super().__init__(f"{in_words(shown(path))}: {reason}" if path else reason)
        self.path, self.reason = path, reason


def shown(path: Path) -> str:
    """Write a path as `stages[1].deny`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{_told(step)}" for step in path)
    return text.removeprefix(".")


def in_words(written: str) -> str:
    """Say the place in a file that `shown` writes: `stages[1].deny` is the key `deny` of the second stage."""
    told = _STAGE.sub(lambda found: f"stage {int(found[1]) + 1}, ", written).removesuffix(", ")
    return _POSITION.sub(lambda found: f" {int(found[1]) + 1}", told)


def _told(key: str) -> str:
    """Write a key so that every terminal can print it."""
    short = key if len(key) <= _LONGEST_STEP else f"{key[:_LONGEST_STEP]}…"
    return short if short.isprintable() else ascii(short)


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may go wrong within an hour of a brownout before it ends by itself (N8); None: that isn't counted."""

    refusals_per_hour: int | None = None
    failed_uploads_percent: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Return what is set."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Snoozing:
    """How often, and for how long each time, somebody may put off a deadline of their own (N7)."""

    days: int = 0
    times: int = 0

    def is_within(self, other: Snoozing) -> bool:
        """Tell whether nothing can be put off further than by the other."""
        return not self.times or (self.times <= other.times and self.days <= other.days)

    def as_dict(self) -> dict[str, int]:
        """Return it as it is written down."""
        return {"days": self.days, "times": self.times}


@dataclass(frozen=True, slots=True)
class Stage:
    """What holds from an instant on.

    A stage without `who` takes the place of all before it. One with `who` adds to what holds for the people it
    names, a brownout until the next stage, any other until one without `who`.
    """

    state: str
    at: datetime
    warn: frozenset[str] = frozenset()  # exact action names
    deny: frozenset[str] = frozenset()
    who: Selector | None = None
    written: Mapping[str, Sequence[str]] = field(default_factory=dict, compare=False, hash=False)
    error_budget: Budget | None = None  # of a brownout


@dataclass(frozen=True, slots=True)
class Disposition:
    """What becomes of API tokens made below the accepted strength: before the announcement, and after it."""

    before: str = "refuse"
    grace: str = "refuse"
    at: datetime | None = None  # of `expire`


@dataclass(frozen=True, slots=True)
class Signals:
    """From which figure on a campaign pauses by itself (L3); None: that figure pauses nothing."""

    gated_uploads_per_hour: int | None = None
    recovery_age_hours: int | None = None
    bounced_percent: float | None = None
    failed_enrolments_percent: float | None = None

    def as_dict(self) -> dict[str, float]:
        """Return those that are set."""
        told = {name: getattr(self, name) for name in self.__slots__}
        return {name: value for name, value in told.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Launch:
    """What makes a mandate a campaign: it is launched, not applied, and stopped where things go wrong."""

    requires: tuple[str, ...] = USUAL_GUARDS
    pause_when: Signals = Signals()
    keep_factors: timedelta = timedelta(days=30)  # after it was rolled back

    def as_dict(self) -> dict[str, Any]:
        """Return all of it."""
        told: dict[str, Any] = {"requires": list(self.requires), "keep_factors_days": self.keep_factors.days}
        signals = self.pause_when.as_dict()
        return told | {"pause_when": signals} if signals else told


@dataclass(frozen=True)  # no slots: what is worked out once stays with it
class Mandate:
    """Who must hold which second factor, by when, for what, and why."""

    name: str
    title: str
    reason: str
    who: Selector
    accept: frozenset[str]
    prefer: str
    stages: tuple[Stage, ...]
    link: str = ""
    satisfies: tuple[str, ...] = ()
    replaces: tuple[str, ...] = ()
    floor: timedelta = timedelta(days=30)
    unreached_cap: timedelta = timedelta(days=60)
    deletion_hold: timedelta = timedelta(days=14)
    credentials: Disposition = Disposition()
    publishing: frozenset[str] = frozenset(WAYS)
    calendar: Calendar = NO_CALENDAR
    launch: Launch | None = None  # None: it is applied at once, as it stands
    remind_days: tuple[int, ...] | None = None  # None: not said; the longest first
    shadows: tuple[Stage, ...] = ()  # before all stages: nobody is refused, warned or told anything by them
    snoozing: Snoozing = Snoozing()
    written_digest: str = field(
        default="", compare=False
    )  # where time changed the stages: of what was written

    @property
    def reminders(self) -> tuple[int, ...]:
        """Return how many days before their date people are reminded, the longest first."""
        return USUAL_REMINDERS if self.remind_days is None else self.remind_days

    @cached_property
    def announced_at(self) -> datetime:
        """Return the instant of the first stage that is no shadow."""
        return self.stages[0].at if self.stages else NEVER

    def is_unannounced(self, now: datetime) -> bool:
        """Tell whether it is still in its shadow, or past it and nothing follows: nobody is told of it."""
        return bool(self.shadows) and now < self.announced_at

    @cached_property
    def holding(self) -> tuple[tuple[Stage, ...], ...]:
        """Return for each stage those that hold while it is the last begun, the general one first."""
        return tuple(_holding(self.stages[: at + 1]) for at in range(len(self.stages)))

    @cached_property
    def on_its_way(self) -> tuple[bool, ...]:
        """Tell for each stage whether, while it is the last begun, it isn't yet enforced for everybody it covers."""
        state, found = "", []
        for stage in self.stages:
            state = stage.state if stage.who is None else state
            found.append(state in BEFORE_FORCE)
        return tuple(found)

    @cached_property
    def takes_tokens(self) -> bool:
        """Tell whether API tokens may publish, as far as this mandate goes."""
        return "token" in self.publishing

    @cached_property
    def timetables(self) -> dict[Any, Any]:
        """Return a place where `timetables` keeps what it worked out, for as long as the mandate is in memory."""
        return {}

    @cached_property
    def proofs(self) -> frozenset[str]:
        """Return the kinds of proof that are accepted; a device-bound one is told by the credential itself."""
        return frozenset().union(*(PROOFS_OF[method] for method in self.accept))

    @cached_property
    def criteria(self) -> frozenset[Criterion]:
        """Return the criteria for critical projects that it asks about."""
        return frozenset().union(*map(criteria_of, self._selectors))

    @cached_property
    def projects(self) -> frozenset[str]:
        """Return the normalised names of projects that it asks about."""
        return frozenset().union(*map(projects_of, self._selectors))

    @property
    def _selectors(self) -> list[Selector]:
        return [self.who, *(stage.who for stage in (*self.shadows, *self.stages) if stage.who)]

    def as_dict(self) -> dict[str, Any]:
        """Return the document, complete, in one order: what is kept, compared and digested."""
        told: dict[str, Any] = {"name": self.name, "title": self.title, "reason": self.reason}
        if self.link:
            told["link"] = self.link
        if self.satisfies:
            told["satisfies"] = list(self.satisfies)
        if self.replaces:
            told["replaces"] = list(self.replaces)
        if self.publishing != frozenset(WAYS):
            told["publishing"] = {"accept": sorted(self.publishing, key=WAYS.index)}
        if self.calendar != NO_CALENDAR:
            told["calendar"] = self.calendar.as_dict()
        if self.launch is not None:
            told["launch"] = self.launch.as_dict()
        return told | {
            "who": self.who.as_dict(),
            "methods": {"accept": sorted(self.accept, key=METHODS.index), "prefer": self.prefer},
            "notice": self._notice_dict(),
            "credentials": _disposition_dict(self.credentials),
            "stages": [_stage_dict(stage) for stage in (*self.shadows, *self.stages)],
        }

    def _notice_dict(self) -> dict[str, Any]:
        told: dict[str, Any] = {
            "floor_days": self.floor.days,
            "unreached_cap_days": self.unreached_cap.days,
            "deletion_hold_days": self.deletion_hold.days,
        }
        if self.remind_days is not None:
            told["remind_days"] = list(self.remind_days)
        return told | {"snooze": self.snoozing.as_dict()} if self.snoozing.times else told

    @property
    def digest(self) -> str:
        """Return SHA-256 of the canonical document as it was written, hex."""
        if self.written_digest:
            return self.written_digest
        text = json.dumps(self.as_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()


def _holding(begun: tuple[Stage, ...]) -> tuple[Stage, ...]:
    general = max((at for at, stage in enumerate(begun) if stage.who is None), default=-1)
    last = len(begun) - 1
    narrowed = (
        stage for at, stage in enumerate(begun) if at > general and (stage.state != "brownout" or at == last)
    )
    return (*begun[max(general, 0) : general + 1], *narrowed)


def _disposition_dict(disposition: Disposition) -> dict[str, Any]:
    told: dict[str, Any] = {"before": disposition.before, "grace": disposition.grace}
    if disposition.at is not None:
        told["at"] = clock.format_instant(disposition.at)
    return told


def _stage_dict(stage: Stage) -> dict[str, Any]:
    told: dict[str, Any] = {"state": stage.state, "at": clock.format_instant(stage.at)}
    if stage.who is not None:
        told["who"] = stage.who.as_dict()
    for key in ("warn", "deny"):
        if stage.written.get(key):
            told[key] = list(stage.written[key])
    if stage.error_budget is not None:
        told["error_budget"] = stage.error_budget.as_dict()
    return told


class _Table:
    """A table of the document: values by key and type, with the path in every complaint."""

    def __init__(self, body: object, path: Path, known: Sequence[str]) -> None:
        if not isinstance(body, Mapping):
            raise DocumentInvalid(path, "must be a table")
        for key in body:
            if key not in known:
                raise DocumentInvalid((*path, str(key)), f"unknown key; there are {', '.join(known)}")
        self.body, self.path = body, path

    def has(self, key: str) -> bool:
        return key in self.body

    def fail(self, key: str, reason: str) -> DocumentInvalid:
        return DocumentInvalid((*self.path, key), reason)

    def value(self, key: str) -> Any:
        if key not in self.body:
            raise self.fail(key, "is missing")
        return self.body[key]

    def text(self, key: str, longest: int, default: str | None = None) -> str:
        value = self.value(key) if default is None else self.body.get(key, default)
        if not isinstance(value, str) or (default is None and not value.strip()):
            raise self.fail(key, "must be a text")
        if len(value) > longest or not value.replace("\n", "").isprintable():
            raise self.fail(key, f"must be printable and at most {longest} characters")
        return value.strip()

    def number(self, key: str, default: int, least: int, most: int) -> int:
        value = self.body.get(key, default)
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
            raise self.fail(key, f"must be a whole number from {least} to {most}")
        return value

    def share(self, key: str, default: float | None, most: float) -> float:
        value = self.value(key) if default is None else self.body.get(key, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value <= most:
            raise self.fail(key, f"must be a number above 0 and at most {most:g}")
        return float(value)

    def instant(self, key: str) -> datetime:
        return _instant(self.value(key), (*self.path, key))

    def one_of(self, key: str, allowed: Sequence[str], default: str | None = None) -> str:
        value = self.value(key) if default is None else self.body.get(key, default)
        if value not in allowed or not isinstance(value, str):
            raise self.fail(key, f"must be one of {', '.join(allowed)}")
        return value

    def texts(self, key: str, allowed: Sequence[str] = (), *, needed: bool = False) -> tuple[str, ...]:
        value = self.value(key) if needed else self.body.get(key, [])
        if not isinstance(value, list) or not all(isinstance(one, str) and one for one in value):
            raise self.fail(key, "must be a list of texts")
        if len(value) > _MOST_NAMES:
            raise self.fail(key, f"holds {len(value):,} names; at most {_MOST_NAMES:,} are allowed")
        if needed and not value:
            raise self.fail(key, "must not be empty")
        for one in value:
            if len(one) > _LONGEST_NAME or not one.isprintable() or one != one.strip():
                told = f"{one[:_LONGEST_STEP]!a} is no name"
                raise self.fail(key, f"{told}; one is printable and has at most {_LONGEST_NAME} characters")
            if allowed and one not in allowed:
                raise self.fail(key, f"{one!r} is none of {', '.join(allowed)}")
        if len(set(value)) != len(value):
            raise self.fail(key, "names something twice")
        return tuple(value)


def _instant(value: object, path: Path) -> datetime:
    try:
        instant = _parsed(value, path)
    except OverflowError:  # in UTC it lies beyond the calendar
        instant = None
    if instant is None or not _FIRST_YEAR <= instant.year <= _LAST_YEAR:
        raise DocumentInvalid(path, f"must lie between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return instant


def _parsed(value: object, path: Path) -> datetime:
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise DocumentInvalid(path, "an instant needs a zone, for example 2024-01-01T00:00:00Z")
        return clock.parse_instant(value.isoformat())
    if isinstance(value, date | time):
        raise DocumentInvalid(
            path, "an instant needs a day, a time and a zone, for example 2024-01-01T00:00:00Z"
        )
    if not isinstance(value, str):
        raise DocumentInvalid(path, "must be an instant, for example 2024-01-01T00:00:00Z")
    try:
        return clock.parse_instant(value)
    except ValueError as error:
        raise DocumentInvalid(path, str(error)) from error


_KEYS: Final = (
    "name", "title", "reason", "link", "satisfies", "replaces", "who", "methods", "notice", "credentials",
    "publishing", "calendar", "launch", "stages",
)  # fmt: skip


def read_mandate(body: object) -> Mandate:
    """Read a document as TOML or JSON gives it; raises DocumentInvalid with path and reason."""
    table = _Table(body, (), _KEYS)
    name = table.text("name", 63)
    if not _NAME.fullmatch(name):
        raise table.fail("name", "must be lower-case letters, digits and hyphens, such as everyone-2023")
    accept, prefer = _read_methods(table.value("methods"))
    notice = table.body.get("notice", {})
    floor, cap, hold, remind_days = _read_notice(notice)
    shadows, stages = _read_stages(table.value("stages"))
    return Mandate(
        name=name,
        title=table.text("title", _LONGEST_TITLE),
        reason=table.text("reason", _LONGEST_TEXT),
        link=_read_link(table),
        satisfies=table.texts("satisfies"),
        replaces=_read_replaces(table, name),
        who=read_selector(table.value("who"), ("who",)),
        accept=accept,
        prefer=prefer,
        floor=floor,
        unreached_cap=cap,
        deletion_hold=hold,
        credentials=_read_credentials(table.body.get("credentials", {})),
        publishing=_read_publishing(table.body.get("publishing", {})),
        calendar=_read_calendar(table.body.get("calendar", {})),
        launch=_read_launch(table.body["launch"]) if table.has("launch") else None,
        remind_days=remind_days,
        shadows=shadows,
        stages=stages,
        snoozing=_read_snoozing(notice),
    )


def _read_link(table: _Table) -> str:
    link = table.text("link", 500, "")
    if link and (not link.startswith(("https://", "http://")) or any(sign.isspace() for sign in link)):
        raise table.fail("link", "must be an address that begins with https://")
    return link


def _read_replaces(table: _Table, name: str) -> tuple[str, ...]:
    names = table.texts("replaces")
    if name in names:
        raise table.fail("replaces", "a mandate can't replace itself; a new version of it does that anyway")
    return names


def _read_methods(body: object) -> tuple[frozenset[str], str]:
    table = _Table(body, ("methods",), ("accept", "prefer"))
    accept = table.texts("accept", METHODS, needed=True)
    prefer = table.one_of("prefer", METHODS, accept[0])
    if prefer not in _expanded(accept):
        raise table.fail("prefer", "must be one of the accepted methods")
    return frozenset(accept), prefer


def _expanded(accept: Sequence[str]) -> set[str]:
    sets = {"security-key", "passkey"} if set(accept) & set(METHOD_SETS) else set()
    return {*accept, *sets}


def _read_notice(body: object) -> tuple[timedelta, timedelta, timedelta, tuple[int, ...] | None]:
    table = _Table(
        body,
        ("notice",),
        ("floor_days", "unreached_cap_days", "deletion_hold_days", "remind_days", "snooze"),
    )
    floor = table.number("floor_days", 30, 0, _MOST_DAYS)
    cap = table.number("unreached_cap_days", max(60, floor), 0, _MOST_DAYS)
    if cap < floor:
        raise table.fail("unreached_cap_days", "must not be shorter than floor_days")
    hold = table.number("deletion_hold_days", 14, 0, _MOST_DAYS)
    return timedelta(days=floor), timedelta(days=cap), timedelta(days=hold), _read_remind_days(table)


def _read_remind_days(table: _Table) -> tuple[int, ...] | None:
    if not table.has("remind_days"):
        return None
    days = table.value("remind_days")
    if not isinstance(days, list) or len(days) > _MOST_REMINDERS:
        raise table.fail("remind_days", f"must be a list of at most {_MOST_REMINDERS} numbers of days")
    for one in days:
        if not isinstance(one, int) or isinstance(one, bool) or not 1 <= one <= _MOST_DAYS:
            raise table.fail("remind_days", f"holds whole numbers from 1 to {_MOST_DAYS}")
    if len(set(days)) != len(days):
        raise table.fail("remind_days", "names a day twice")
    return tuple(sorted(days, reverse=True))


def _read_snoozing(notice: Mapping[str, Any]) -> Snoozing:
    if "snooze" not in notice:
        return Snoozing()
    table = _Table(notice["snooze"], ("notice", "snooze"), ("days", "times"))
    table.value("days")
    return Snoozing(table.number("days", 7, 1, _LONGEST_SNOOZE), table.number("times", 1, 1, _MOST_SNOOZES))


def _read_credentials(body: object) -> Disposition:
    table = _Table(body, ("credentials",), ("before", "grace", "at"))
    before = table.one_of("before", DISPOSITIONS, "refuse")
    grace = table.one_of("grace", ("refuse", "expire", "revoke"), "refuse")
    needs_at = "expire" in {before, grace}
    if needs_at != table.has("at"):
        raise table.fail("at", "goes with `expire`, and `expire` needs it")
    return Disposition(before, grace, table.instant("at") if needs_at else None)


def _read_publishing(body: object) -> frozenset[str]:
    table = _Table(body, ("publishing",), ("accept",))
    if not table.has("accept"):
        return frozenset(WAYS)
    accept = table.texts("accept", WAYS, needed=True)
    if "trusted-publisher" not in accept:
        raise table.fail(
            "accept", "trusted publishers can't be left out; they are what tokens are given up for"
        )
    return frozenset(accept)


def _read_calendar(body: object) -> Calendar:
    table = _Table(body, ("calendar",), ("holidays", "override"))
    days = table.body.get("holidays", [])
    if not isinstance(days, list):
        raise table.fail("holidays", "must be a list of days, such as 2026-12-25")
    if len(days) > _MOST_NAMES:
        raise table.fail("holidays", f"holds {len(days):,} days; at most {_MOST_NAMES:,} are allowed")
    read = tuple(_day(one, ("calendar", "holidays", number)) for number, one in enumerate(days))
    if len(set(read)) != len(read):
        raise table.fail("holidays", "names a day twice")
    return Calendar(tuple(sorted(read)), table.text("override", _LONGEST_TEXT, ""))


def _day(value: object, path: Path) -> date:
    """Read a day: a date of TOML, or the same as a text; an instant is none."""
    day = value if isinstance(value, date) and not isinstance(value, datetime) else None
    if isinstance(value, str) and _DAY.fullmatch(value):
        with contextlib.suppress(ValueError):
            day = date.fromisoformat(value)
    if day is None:
        raise DocumentInvalid(path, "must be a day without a time, such as 2026-12-25")
    if not _FIRST_YEAR <= day.year <= _LAST_YEAR:
        raise DocumentInvalid(path, f"must lie between the years {_FIRST_YEAR} and {_LAST_YEAR}")
    return day


def _read_launch(body: object) -> Launch:
    table = _Table(body, ("launch",), ("requires", "pause_when", "keep_factors_days"))
    requires = table.texts("requires", GUARDS) if table.has("requires") else USUAL_GUARDS
    return Launch(
        requires=tuple(sorted(requires, key=GUARDS.index)),
        pause_when=_read_signals(table.body.get("pause_when", {})),
        keep_factors=timedelta(days=table.number("keep_factors_days", 30, 0, _MOST_DAYS)),
    )


def _read_signals(body: object) -> Signals:
    table = _Table(body, ("launch", "pause_when"), Signals.__slots__)

    def number(key: str, most: int) -> int | None:
        return table.number(key, 1, 1, most) if table.has(key) else None

    def percent(key: str) -> float | None:
        return table.share(key, None, 100) if table.has(key) else None

    return Signals(
        gated_uploads_per_hour=number("gated_uploads_per_hour", _MOST_PER_HOUR),
        recovery_age_hours=number("recovery_age_hours", _MOST_HOURS),
        bounced_percent=percent("bounced_percent"),
        failed_enrolments_percent=percent("failed_enrolments_percent"),
    )


def _read_stages(body: object) -> tuple[tuple[Stage, ...], tuple[Stage, ...]]:
    """Read all stages, and return shadows and others apart: only the others are announced and do anything."""
    if not isinstance(body, list) or not body:
        raise DocumentInvalid(("stages",), "must be a list of at least one stage")
    if len(body) > MOST_STAGES:
        raise DocumentInvalid(("stages",), f"there are {len(body)}; at most {MOST_STAGES} are allowed")
    stages = tuple(_read_stage(one, ("stages", number)) for number, one in enumerate(body))
    for number, (former, later) in enumerate(pairwise(stages), start=1):
        if later.at <= former.at:
            raise DocumentInvalid(("stages", number, "at"), "must be later than that of the stage before")
    _judge_order(stages)
    shadows = sum(stage.state == SHADOW for stage in stages)
    return stages[:shadows], stages[shadows:]


def _judge_order(stages: Sequence[Stage]) -> None:
    """States go forward; a pause may stand anywhere but first, and brownouts and reminders may alternate."""
    reached = 0
    for number, stage in enumerate(stages):
        if stage.state == PAUSED:
            if number == 0 or stages[number - 1].state == SHADOW:
                raise DocumentInvalid(("stages", number, "state"), "nothing has begun that could be paused")
            continue
        rank = STATES.index(stage.state)
        is_between = {stage.state, STATES[reached]} <= {"reminding", "brownout"}
        if rank < reached and not is_between:
            raise DocumentInvalid(
                ("stages", number, "state"), f"{stage.state} can't follow {STATES[reached]}"
            )
        reached = max(rank, reached) if not is_between else rank


def _read_stage(body: object, path: Path) -> Stage:
    table = _Table(body, path, ("state", "at", "who", "warn", "deny", "error_budget"))
    warn, deny = table.texts("warn"), table.texts("deny")
    state = table.one_of("state", (*STATES, PAUSED))
    _judge_stage(table, state)
    return Stage(
        state=state,
        at=table.instant("at"),
        warn=_actions(warn, (*path, "warn")),
        deny=_actions(deny, (*path, "deny")),
        who=read_selector(table.value("who"), (*path, "who")) if table.has("who") else None,
        written={"warn": warn, "deny": deny},
        error_budget=_read_budget(table.value("error_budget"), path) if table.has("error_budget") else None,
    )


def _judge_stage(table: _Table, state: str) -> None:
    """Refuse a shadow that tells or does nothing, and a budget of what has none."""
    if state == SHADOW and table.has("warn"):
        raise table.fail("warn", "nobody is warned in a shadow; it has `deny` only")
    if state == SHADOW and not table.body.get("deny"):
        raise table.fail("deny", "a shadow needs it: what would be refused, and is counted")
    if state != "brownout" and table.has("error_budget"):
        raise table.fail("error_budget", "goes with a brownout only")


def _read_budget(body: object, path: Path) -> Budget:
    table = _Table(body, (*path, "error_budget"), Budget.__slots__)
    if not table.body:
        raise DocumentInvalid((*path, "error_budget"), f"needs at least one of {', '.join(Budget.__slots__)}")
    return Budget(
        table.number("refusals_per_hour", 1, 1, _MOST_REFUSALS) if table.has("refusals_per_hour") else None,
        table.share("failed_uploads_percent", None, 100) if table.has("failed_uploads_percent") else None,
    )


def _actions(words: Sequence[str], path: Path) -> frozenset[str]:
    """Turn sets and names into exact names of gated actions."""
    found: set[str] = set()
    for word in words:
        if word in ACTION_SETS:
            found |= actions_of(word)
        elif word not in CATALOGUE:
            raise DocumentInvalid(path, f"there is no action {word!r}; sets are {', '.join(ACTION_SETS)}")
        elif not CATALOGUE[word].gated:
            raise DocumentInvalid(path, f"{word!r} is open to everybody, always, and can't be gated")
        else:
            found.add(word)
    return frozenset(found)


def actions_of(set_: str) -> frozenset[str]:
    """Return the names of the gated actions of a set; `all` has every one of them."""
    return frozenset(
        name for name, action in CATALOGUE.items() if action.gated and set_ in {"all", action.set}
    )


_Read = Callable[[object, Path, int], Selector]


def read_selector(body: object, path: Path, depth: int = 0) -> Selector:
    """Read one table with one key; raises DocumentInvalid."""
    if depth > _DEEPEST:
        raise DocumentInvalid(path, f"is nested deeper than {_DEEPEST} levels")
    if not isinstance(body, Mapping) or len(body) != 1:
        raise DocumentInvalid(path, "must be a table with exactly one key; join several with any, all or not")
    key, value = next(iter(body.items()))
    if key not in _SELECTORS:
        raise DocumentInvalid(
            (*path, str(key)), f"there is no such selector; there are {', '.join(_SELECTORS)}"
        )
    return _SELECTORS[key](value, (*path, key), depth)


def _names(value: object, path: Path) -> tuple[str, ...]:
    return _Table({path[-1]: value}, path[:-1], (str(path[-1]),)).texts(str(path[-1]), needed=True)


def _read_everyone(value: object, path: Path, depth: int) -> Selector:
    del depth
    if value is not True:
        raise DocumentInvalid(path, "can only be true; leave others out with not")
    return Everyone()


def _read_role(value: object, path: Path, depth: int) -> Selector:
    del depth
    names = _names(value, path)
    for name in names:
        if name not in ROLES:
            raise DocumentInvalid(path, f"there is no role {name!r}; there are {', '.join(ROLES)}")
    return HasRole(frozenset(names))


def _read_user(value: object, path: Path, depth: int) -> Selector:
    del depth
    return Named(frozenset(name.lower() for name in _names(value, path)))


def _read_project(value: object, path: Path, depth: int) -> Selector:
    del depth
    return OfProjects(frozenset(normalise(name) for name in _names(value, path)))


def _read_organization(value: object, path: Path, depth: int) -> Selector:
    del depth
    return OfOrganizations(frozenset(_names(value, path)))


def _read_joined_from(value: object, path: Path, depth: int) -> Selector:
    del depth
    return JoinedFrom(_instant(value, path))


def _read_cohort(value: object, path: Path, depth: int) -> Selector:
    del depth
    table = _Table(value, path, ("percent", "seed"))
    return Cohort(table.share("percent", None, 100), table.text("seed", 100))


def _read_criterion(value: object, path: Path, depth: int) -> Selector:
    del depth
    table = _Table(value, path, ("metric", "window_days", "top", "at_least", "keep_above", "frozen_at"))
    if table.has("top") == table.has("at_least"):
        raise DocumentInvalid(path, "needs either top or at_least")
    most = 10**9
    return OfCriticalProjects(
        Criterion(
            metric=table.one_of("metric", METRICS),
            window_days=table.number("window_days", 180, 1, _LONGEST_WINDOW),
            top=table.number("top", 1, 1, most) if table.has("top") else None,
            at_least=table.number("at_least", 1, 1, most) if table.has("at_least") else None,
            keep_above=table.share("keep_above", 1.0, 1.0),
            frozen_at=table.instant("frozen_at") if table.has("frozen_at") else None,
        )
    )


def _read_parts(value: object, path: Path, depth: int) -> tuple[Selector, ...]:
    if not isinstance(value, list) or not value:
        raise DocumentInvalid(path, "must be a list of at least one selector")
    if len(value) > _MOST_NAMES:
        raise DocumentInvalid(path, f"holds {len(value):,} selectors; at most {_MOST_NAMES:,} are allowed")
    return tuple(read_selector(one, (*path, number), depth + 1) for number, one in enumerate(value))


_SELECTORS: Final[Mapping[str, _Read]] = {
    "everyone": _read_everyone,
    "role": _read_role,
    "user": _read_user,
    "project": _read_project,
    "organization": _read_organization,
    "joined_from": _read_joined_from,
    "cohort": _read_cohort,
    "critical": _read_criterion,
    "any": lambda value, path, depth: AnyOf(_read_parts(value, path, depth)),
    "all": lambda value, path, depth: AllOf(_read_parts(value, path, depth)),
    "not": lambda value, path, depth: NotOf(read_selector(value, path, depth + 1)),
}
