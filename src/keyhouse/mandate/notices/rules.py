"""Which notices are due to one person now. Pure: derived from mandates, facts, pauses and what was told before.

Nothing is remembered about what is to come; so a mandate that changes, a clock that goes back, or a round that is cut
off can't make anybody miss a notice or get one twice: each occasion has a name, and each name is told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final, NamedTuple

from keyhouse.core import clock
from keyhouse.core.actions import REMOVE_LAST
from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.facts import Facts
from keyhouse.mandate.rules import GAINING, Policy, covers, deadline, is_compliant
from keyhouse.mandate.selectors import Selector, View

ANNOUNCEMENT: Final = "announcement"
REMINDER: Final = "reminder"
BROWNOUT: Final = "brownout"
ENFORCED: Final = "enforced"
COMPLIANT: Final = "compliant"
WEAK: Final = "weak-credential"
PAUSED: Final = "paused"
RESUMED: Final = "resumed"
CHANGED: Final = "changed"
COMPLETED: Final = "completed"
CHECK_UP: Final = "check-up"
KINDS: Final = (
    ANNOUNCEMENT, REMINDER, BROWNOUT, ENFORCED, COMPLIANT, WEAK, PAUSED, RESUMED, CHANGED, COMPLETED, CHECK_UP,
)  # fmt: skip
# What changes what somebody was told before waits for no throttle.
CHANGES: Final = frozenset({PAUSED, RESUMED, CHANGED})
# What makes no mail of its own: it goes along with whatever else is due, or stands on the site alone.
ON_SITE: Final = frozenset({CHECK_UP})
THROTTLE: Final = timedelta(days=3)  # between two mails to one person
WEAK_EVERY: Final = timedelta(days=14)
BROWNOUT_AHEAD: Final = timedelta(days=7)
RETRY_AFTER: Final = timedelta(days=3)  # a mail that no server took
MOST_TRIES: Final = 3
_NOT_TOLD_OF: Final = GAINING | {REMOVE_LAST}  # what has no date of its own, since it has no grace


@dataclass(frozen=True, slots=True)
class Told:
    """A notice that was queued. `is_open`: it reached nobody, and may be tried again."""

    mandate: str
    kind: str
    about: str
    scheduled_at: datetime | None
    queued_at: datetime
    is_open: bool = False


@dataclass(frozen=True, slots=True)
class Item:
    """A notice that is due. `deadline_at`: from when on something is refused to this person; None: no date is set."""

    policy: Policy
    kind: str
    about: str
    scheduled_at: datetime | None = None
    deadline_at: datetime | None = None
    projects: tuple[str, ...] = ()  # that a weak credential published

    @property
    def key(self) -> tuple[str, str, str]:
        """Return mandate, kind and occasion."""
        return self.policy.notice_name, self.kind, self.about


class Standstill(NamedTuple):
    """A pause of a mandate's calendar."""

    begun_at: datetime
    ended_at: datetime | None


class Use(NamedTuple):
    """A weak credential published a project, by somebody's own credential or in a project that they own."""

    mandate: str
    project: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is the same for everybody in a round: the mandates that mail, their pauses, and which are proven to be complete."""

    policies: tuple[Policy, ...]
    pauses: Mapping[str, Sequence[Standstill]] = field(default_factory=dict)
    proven: frozenset[str] = frozenset()
    check_ups: Mapping[str, datetime] = field(default_factory=dict)  # by person, since when enrolled


def mails(policy: Policy) -> bool:
    """Tell whether a mandate tells people by mail: a campaign does, and one that says when it reminds.

    The default, and a seeded history, wait for no notice, so they send none.
    """
    mandate = policy.mandate
    is_asked = mandate.remind_days is not None or mandate.launch is not None
    return is_asked and not policy.is_floor_exempt


class There(NamedTuple):
    """What an organization asks of somebody, with the facts about that of its things which is refused to them first."""

    policy: Policy
    facts: Facts


def due(  # noqa: PLR0913, PLR0917 - all that one mail may tell of
    facts: Facts,
    around: Circumstances,
    told: Iterable[Told],
    uses: Iterable[Use],
    now: datetime,
    there: Iterable[There] = (),
) -> list[Item]:
    """Return what this person is to be told now, in one mail; nothing where they were mailed a moment ago.

    What changes something that they know waits for nothing, and takes along whatever else is due. `there`: what
    organizations ask of them.
    """
    known = list(told)
    found: list[Item] = []
    for policy in around.policies:
        if policy.mandate.announced_at <= now and covers(policy, facts):
            case = _Case(policy, facts, [one for one in known if one.mandate == policy.name], now)
            is_proven = policy.name in around.proven
            found += _of_mandate(case, around.pauses.get(policy.name, ()), is_proven=is_proven)
    for policy, facts_there in there:
        mine = [one for one in known if one.mandate == policy.notice_name]
        found += _of_mandate(_Case(policy, facts_there, mine, now), (), is_proven=False)
    found += _weak(around.policies, known, uses, now)
    found += _check_up(around, facts, known, now)
    return [] if _is_too_soon(found, known, now) else found


def _is_too_soon(items: Iterable[Item], known: Iterable[Told], now: datetime) -> bool:
    """Tell whether another mail would follow the last one too fast; a clock that was far ahead once holds nobody up."""
    if any(one.kind in CHANGES for one in items):
        return False
    mailed = [one for one in known if not one.is_open and one.kind not in ON_SITE]
    return any(abs(now - one.queued_at) < THROTTLE for one in mailed)


class _Case:
    """One mandate as it concerns one person."""

    def __init__(self, policy: Policy, facts: Facts, known: Sequence[Told], now: datetime) -> None:
        self.policy, self.facts, self.now = policy, facts, now
        self.known = [one for one in known if not one.is_open]
        self.by_name = {(one.kind, one.about): one for one in self.known}
        self.announcement = clock.format_instant(policy.mandate.announced_at)
        view = View(facts.person, facts.authority, policy.mandate.announced_at)
        # what an organization asks begins once; before that only what is gained is refused
        last = policy.mandate.stages[-1].at
        self.calendar = (
            PersonalCalendar((last,), ()) if policy.organization else calendar_of(policy.mandate, view)
        )
        self.is_met = is_compliant(policy.mandate, facts.person)
        name = policy.notice_name
        is_told = any(policy.mandate.announced_at <= at <= now for at in facts.told_at.get(name, ()))
        self._facts_told = facts if is_told else facts.once_told([name], now)

    def item(self, kind: str, about: str, scheduled: datetime | None = None) -> Item:
        """Return a notice; whoever is told now has their date from now on."""
        if kind != WEAK and scheduled is None and self.calendar.dates:
            scheduled = self.next_date or self.calendar.dates[-1]
        date = None if scheduled is None else self.date_of(scheduled)
        return Item(self.policy, kind, about, scheduled, known_date(date))

    def date_of(self, scheduled: datetime) -> datetime:
        """Return when what the schedule refuses from then on is refused to this person, if they are told now."""
        return deadline(self.policy, self._facts_told, scheduled, self.now)

    @property
    def next_date(self) -> datetime | None:
        """Return the next instant of the schedule from which on more is refused to this person, and isn't yet."""
        return next((at for at in self.calendar.dates if self.date_of(at) > self.now), None)

    @property
    def announced(self) -> Told | None:
        """Return the announcement they got, if they did."""
        return self.by_name.get((ANNOUNCEMENT, self.announcement))

    @property
    def is_exempt(self) -> bool:
        """Tell whether somebody let them off, for now."""
        return any(
            one.mandate == self.policy.name
            and (one.since is None or one.since <= self.now)
            and self.now < one.until
            for one in self.facts.exemptions
        )


def _of_mandate(case: _Case, pauses: Sequence[Standstill], *, is_proven: bool) -> list[Item]:
    """Return what is due of one mandate; one that calls itself completed without proof goes on as one in force (M5)."""
    stages = [one for one in case.policy.mandate.stages if one.at <= case.now]
    if stages and stages[-1].state in _ENDED and (is_proven or stages[-1].state != "completed"):
        return _ended(case, stages[-1].state)
    rest = next((one for one in pauses if one.begun_at <= case.now and one.ended_at is None), None)
    if rest is not None:
        return _at_rest(case, clock.format_instant(rest.begun_at))
    if case.is_met:
        is_told = case.announced is not None or (COMPLIANT, case.announcement) in case.by_name
        return [] if is_told else [case.item(COMPLIANT, case.announcement)]
    if case.announced is None:
        return [case.item(ANNOUNCEMENT, case.announcement)]
    if case.is_exempt:
        return []
    return [one for one in (_change(case, pauses), *_by_calendar(case)) if one is not None]


_ENDED: Final = frozenset({"completed", "retired", "abandoned", "rolled_back"})
_LAST_YEAR: Final = 2999


def known_date(at: datetime | None) -> datetime | None:
    """Return an instant, or None for one that a pause holds: it lies behind every calendar."""
    return None if at is None or at.year > _LAST_YEAR else at


def _at_rest(case: _Case, about: str) -> list[Item]:
    """Tell those who have a date that it will be later; there is no day to tell anybody else meanwhile."""
    is_told = case.is_met or case.is_exempt or case.announced is None or (PAUSED, about) in case.by_name
    return [] if is_told else [Item(case.policy, PAUSED, about)]


def _ended(case: _Case, state: str) -> list[Item]:
    """Tell those who were told of its beginning that it is complete, and those who had a date that it has none any more."""
    if state == "rolled_back":
        return _without_date(case)
    was_told = case.announced is not None or (COMPLIANT, case.announcement) in case.by_name
    is_told = (COMPLETED, case.announcement) in case.by_name
    if state != "completed" or is_told or not was_told:
        return []
    return [Item(case.policy, COMPLETED, case.announcement)]


def _without_date(case: _Case) -> list[Item]:
    about = f"none {clock.format_instant(case.policy.mandate.stages[-1].at)}"
    is_told = case.announced is None or case.is_met or (CHANGED, about) in case.by_name
    return [] if is_told else [Item(case.policy, CHANGED, about)]


def _change(case: _Case, pauses: Sequence[Standstill]) -> Item | None:
    """Return what tells of another date than they know, also after a pause."""
    dated = [one for one in case.known if one.scheduled_at is not None]
    last = max(dated, key=lambda one: one.queued_at, default=None)
    resumed = _resumed(case, pauses)
    if last is None or (last.scheduled_at in case.calendar.dates and not _is_sooner(case, last)):
        return None if resumed is None else case.item(RESUMED, resumed)
    if last.scheduled_at is not None and last.scheduled_at <= case.now and case.next_date is None:
        return None
    if resumed is not None:
        return case.item(RESUMED, resumed)
    about = "none" if case.next_date is None else clock.format_instant(case.next_date)
    if (
        CHANGED,
        about,
    ) in case.by_name and case.next_date is not None:  # it was that before, and something else since
        about = f"{about} v{case.policy.version}"
    return None if (CHANGED, about) in case.by_name else case.item(CHANGED, about)


def _is_sooner(case: _Case, last: Told) -> bool:
    """Tell whether a new version put a date in front of the one that they know, which stands on."""
    coming, known = case.next_date, last.scheduled_at
    return coming is not None and known is not None and coming < known and case.now < known


def _resumed(case: _Case, pauses: Sequence[Standstill]) -> str | None:
    for one in pauses:
        about = clock.format_instant(one.begun_at)
        is_over = one.ended_at is not None and one.ended_at <= case.now
        if is_over and (PAUSED, about) in case.by_name and (RESUMED, about) not in case.by_name:
            return about
    return None


def _by_calendar(case: _Case) -> Iterator[Item]:
    """Yield the trial run to come, the last reminder that is due, and that something came into force."""
    announced = case.announced
    if announced is None:
        return
    for brownout in case.calendar.brownouts:
        about = clock.format_instant(brownout)
        if brownout - BROWNOUT_AHEAD <= case.now < brownout and (BROWNOUT, about) not in case.by_name:
            yield case.item(BROWNOUT, about)
    coming = case.next_date
    if coming is not None and (about := _reminder(case, coming, announced)):
        yield case.item(REMINDER, about, coming)
    begun = [at for at in case.calendar.dates if case.date_of(at) <= case.now]
    if begun and announced.queued_at < case.date_of(begun[-1]):
        about = clock.format_instant(begun[-1])
        if (ENFORCED, about) not in case.by_name:
            yield case.item(ENFORCED, about, begun[-1])


def _reminder(case: _Case, coming: datetime, announced: Told) -> str:
    """Return the occasion of the reminder that is due before that date, or nothing.

    One only: whoever comes late to several of them tells the last one. What the announcement told a moment ago isn't told again.
    """
    date = case.date_of(coming)
    passed = [days for days in case.policy.mandate.reminders if date - timedelta(days=days) <= case.now]
    if not passed or announced.queued_at > date - timedelta(days=min(passed)):
        return ""
    about = f"{min(passed)}d {clock.format_instant(coming)}"
    return "" if (REMINDER, about) in case.by_name else about


def _weak(
    policies: Iterable[Policy], known: Sequence[Told], uses: Iterable[Use], now: datetime
) -> Iterator[Item]:
    """Yield that weak credentials published, once in two weeks, whatever they were."""
    last = max((one.queued_at for one in known if one.kind == WEAK and not one.is_open), default=None)
    if last is not None and abs(now - last) < WEAK_EVERY:
        return
    for policy in policies:
        mine = [one for one in uses if one.mandate == policy.name and (last is None or one.at > last)]
        if mine:
            about = clock.format_instant(max(one.at for one in mine))
            yield Item(policy, WEAK, about, projects=tuple(sorted({one.project for one in mine})))


def _check_up(around: Circumstances, facts: Facts, known: Iterable[Told], now: datetime) -> Iterator[Item]:
    """Yield that somebody is asked whether what they enrolled still works, once, by the first mandate that covers them."""
    enrolled_at = around.check_ups.get(facts.person.id)
    if enrolled_at is None:
        return
    about = clock.format_instant(enrolled_at)
    is_told = any(one.kind == CHECK_UP and one.about == about and not one.is_open for one in known)
    holding = (one for one in around.policies if one.mandate.announced_at <= now and covers(one, facts))
    policy = next((one for one in holding if is_compliant(one.mandate, facts.person)), None)
    if policy is not None and not is_told:
        yield Item(policy, CHECK_UP, about)


# ---- the schedule as it is for one person


class PersonalCalendar(NamedTuple):
    """Instants from which on more is refused to somebody, and those at which a trial run begins for them."""

    dates: tuple[datetime, ...]
    brownouts: tuple[datetime, ...]


def calendar_of(mandate: Mandate, view: View) -> PersonalCalendar:
    """Return the schedule of a mandate for a person that it covers; `view` is of that mandate."""
    narrowed = dict.fromkeys(stage.who for stage in mandate.stages if stage.who is not None)
    return _calendar(mandate.stages, frozenset(one for one in narrowed if one.matches(view)))


@lru_cache(maxsize=1024)  # few stages have a selector, so few kinds of people differ
def _calendar(stages: tuple[Stage, ...], mine: frozenset[Selector]) -> PersonalCalendar:
    dates: list[datetime] = []
    brownouts: list[datetime] = []
    before: frozenset[str] = frozenset()
    lasting: list[Stage] = []
    for stage in stages:
        is_mine = stage.who is None or stage.who in mine
        if stage.state == "brownout":
            if is_mine and stage.deny - _NOT_TOLD_OF:
                brownouts.append(stage.at)
            continue
        lasting = [stage] if stage.who is None else [*lasting, *([stage] if is_mine else [])]
        denied = frozenset().union(*(one.deny for one in lasting)) - _NOT_TOLD_OF
        if denied - before:
            dates.append(stage.at)
        before = denied
    return PersonalCalendar(tuple(dates), tuple(brownouts))
