"""How everybody and every project stands now, by the index's own measure and by each live mandate.

People are read some thousand at a time and put into groups of those alike; of each only two small numbers stay, where
they own anything. So memory grows with projects and their owners, and hardly with accounts.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from itertools import islice
from typing import Any, Final, NamedTuple

from django.db.models import Count, Model, QuerySet, Sum

from keyhouse.accounts.models import Authenticator, SecurityKey, User
from keyhouse.core import configuration
from keyhouse.core.actions import REMOVE_LAST
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.trusted_publishers.queries import all_live
from keyhouse.mandate import people, queries
from keyhouse.mandate.defaults import DEFAULT
from keyhouse.mandate.facts import NEEDING_FACTOR, Asking, Authority, Facts
from keyhouse.mandate.metrics.rules import ACTIVE, DOWNLOADS_OF, POPULATIONS
from keyhouse.mandate.notices.queries import REASONS, reasons_of
from keyhouse.mandate.rules import (
    Policy,
    covers,
    covers_through,
    deadline,
    denied_since,
    is_accepted,
    is_compliant,
)
from keyhouse.mandate.selectors import View
from keyhouse.mandate.timetables import timetable_of
from keyhouse.projects import rights, sql
from keyhouse.projects.collaborators.models import FormerRole
from keyhouse.projects.models import Project, ProjectDownloads
from keyhouse.projects.rules import OWNER

INDEX: Final = ""  # the key under which the index itself is measured
RESISTANT: Final = frozenset({"security-key", "passkey"})
_AT_ONCE: Final = 2000


@dataclass(frozen=True)  # no slots: what is worked out once stays with it
class Yardstick:
    """What is measured by: a mandate, or for the index itself what a new index asks for."""

    key: str
    policy: Policy
    now: datetime

    @cached_property
    def refusing(self) -> frozenset[str]:
        """Return what any of its stages refuses, but for shedding the last factor."""
        return frozenset().union(*(stage.deny for stage in self.policy.mandate.stages)) - {REMOVE_LAST}

    @cached_property
    def next_stage(self) -> int | None:
        """Return the place of the next stage that refuses anything, or None."""
        return find_next_stage(self.policy, self.now)


def find_next_stage(policy: Policy, now: datetime) -> int | None:
    """Return the place of the next stage of a mandate that refuses anything but shedding the last factor, or None."""
    mandate = policy.mandate
    for at, stage in enumerate(mandate.stages):
        if stage.at > now and any(one.deny - {REMOVE_LAST} for one in mandate.holding[at]):
            return at
    return None


def yardsticks(policies: Sequence[Policy], now: datetime) -> list[Yardstick]:
    """Return the index's own measure, and one for each of these mandates."""
    return [Yardstick(INDEX, DEFAULT, now), *(Yardstick(one.name, one, now) for one in policies)]


class Alike(NamedTuple):
    """All that is counted of a person by one measure."""

    authority: bool
    active: bool
    covered: bool
    compliant: bool
    resistant: bool
    device: bool
    synced: bool
    app: bool
    two: bool
    exempt: bool
    told: bool
    refused: bool
    coming: bool

    @property
    def is_unreached(self) -> bool:
        """Whether they lack what is asked of them, and no notice told them so."""
        return self.covered and not self.compliant and not self.exempt and not self.told


class Standing(NamedTuple):
    """All that is counted of a project: by which measures it is covered, has one owner who complies, has only such."""

    covered: int
    one: int
    every: int
    is_archived: bool


@dataclass(slots=True)
class Counted:
    """What was counted; the numbers of one measure are `of`."""

    measures: Sequence[Yardstick]
    people: list[Counter[Alike]] = field(default_factory=list)
    tokens: list[Counter[str]] = field(default_factory=list)
    publishers: list[Counter[str]] = field(default_factory=list)
    exemptions: list[int] = field(default_factory=list)
    unreached: list[Counter[str]] = field(default_factory=list)
    projects: Counter[Standing] = field(default_factory=Counter)
    downloads: Counter[Standing] = field(default_factory=Counter)
    ownerless: Counter[str] = field(default_factory=Counter)

    def of(self, at: int) -> dict[str, Any]:
        """Return the counters of the measure in that place."""
        tokens, publishers = self.tokens[at], self.publishers[at]
        return {
            "people": _people_dict(self.people[at]),
            "projects": _projects_dict(self.projects, 1 << at),
            "downloads": _projects_dict(self.downloads, 1 << at),
            "tokens": _credentials_dict(tokens),
            "publishers": _credentials_dict(publishers),
            "exemptions": {"live": self.exemptions[at]},
            "unreached": {why: self.unreached[at][why] for why in REASONS if self.unreached[at][why]},
            "left": {"ownerless": self.ownerless[self.measures[at].key]},
        }


def _credentials_dict(found: Counter[str]) -> dict[str, int]:
    return {"live": found["live"], "weak": found["weak"], "strong": found["live"] - found["weak"]}


def _people_dict(groups: Counter[Alike]) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {name: Counter() for name in POPULATIONS}
    for group, count in groups.items():
        for name in _populations_of(group):
            numbers = found[name]
            numbers["all"] += count
            for flag in _SHOWN[1:]:
                numbers[flag] += count * getattr(group, flag)
    return {
        name: {flag: numbers[flag] for flag in _SHOWN if name == "covered" or flag not in _OF_COVERED}
        for name, numbers in found.items()
    }


_OF_COVERED: Final = frozenset({"told", "refused", "coming"})
_KINDS: Final = ("device", "synced", "app")
_SHOWN: Final = ("all", "compliant", "resistant", *_KINDS, "two", "exempt", "told", "refused", "coming")


def _populations_of(group: Alike) -> Iterator[str]:
    yield "accounts"
    if group.authority:
        yield "authority"
        if group.active:
            yield "active"
    if group.covered:
        yield "covered"


def _projects_dict(found: Counter[Standing], bit: int) -> dict[str, dict[str, int]]:
    numbers: dict[str, Counter[str]] = {"owned": Counter(), "covered": Counter()}
    for standing, count in found.items():
        for name in ("owned", "covered") if standing.covered & bit else ("owned",):
            numbers[name]["all"] += count
            numbers[name]["one"] += count * bool(standing.one & bit)
            numbers[name]["every"] += count * bool(standing.every & bit)
            numbers[name]["archived"] += count * standing.is_archived
    return {
        name: {flag: some[flag] for flag in ("all", "one", "every", "archived")}
        for name, some in numbers.items()
    }


def count_all(measures: Sequence[Yardstick], now: datetime) -> Counted:
    """Count everybody, every project, every token and publisher as they are at `now`; writes nothing."""
    size = len(measures)
    counted = Counted(
        measures,
        people=[Counter() for _ in range(size)],
        tokens=[Counter() for _ in range(size)],
        publishers=[Counter() for _ in range(size)],
        exemptions=[0] * size,
        unreached=[Counter() for _ in range(size)],
    )
    complying: dict[int, int] = {}  # of whoever has a role in a project: by which measures, as bits
    covering: dict[str, int] = {}  # of projects: by which measures they are covered, as bits
    for batch in _batches(people.all_facts()):
        beside = read_beside(batch, now)
        groups = {
            key_of(facts): _count_person(facts, beside, counted, complying, covering) for facts in batch
        }
        _count_unreached(groups, counted)
    _count_projects(counted, complying, covering, now)
    return counted


def _batches(everybody: Iterator[Facts]) -> Iterator[list[Facts]]:
    while batch := list(islice(everybody, _AT_ONCE)):
        yield batch


# ---- people


@dataclass(frozen=True, slots=True)
class Beside:
    """What of some people stands in no facts."""

    active: frozenset[int]
    factors: Mapping[int, int]
    tokens: Mapping[int, list[Asking]]
    publishers: Mapping[int, list[Asking]]


def read_beside(batch: Sequence[Facts], now: datetime) -> Beside:
    """Read it of some people, given by id, in a fixed number of questions."""
    first, last = key_of(batch[0]), key_of(batch[-1])
    since = now - ACTIVE
    seen = User.objects.filter(pk__gte=first, pk__lte=last, last_seen_at__gte=since)
    live = Token.objects.filter(revoked_at=None, expires_at__gt=now)
    used = _owned(Token.objects.filter(last_used_at__gte=since), "user_id", first, last)
    active = {*seen.values_list("pk", flat=True), *used.values_list("user_id", flat=True)}
    factors: Counter[int] = Counter()
    for rows in (Authenticator.objects.all(), SecurityKey.usable(configuration.current().key_name)):
        grouped = _owned(rows, "user_id", first, last).values_list("user_id").annotate(Count("pk"))
        factors.update(dict(grouped))
    return Beside(
        frozenset(active),
        factors,
        _askings("token", _owned(live, "user_id", first, last), "user_id"),
        _askings("publisher", _owned(all_live(now), "configured_by_id", first, last), "configured_by_id"),
    )


def key_of(facts: Facts) -> int:
    """Return the number of the account that facts are about."""
    return int(facts.person.id[1:])


def _owned(rows: QuerySet[Any], owner: str, first: int, last: int) -> QuerySet[Any]:
    return rows.filter(**{f"{owner}__gte": first, f"{owner}__lte": last})


def _askings(kind: str, rows: Iterable[Model], owner: str) -> dict[int, list[Asking]]:
    found: dict[int, list[Asking]] = defaultdict(list)
    for row in rows:
        made: Any = row
        found[getattr(made, owner)].append(Asking.of(kind, made.strength))
    return found


def _count_person(
    facts: Facts, beside: Beside, counted: Counted, complying: dict[int, int], covering: dict[str, int]
) -> list[Alike]:
    """Count one person by each measure; returns how they stand by each."""
    key, bits = key_of(facts), 0
    tokens, publishers = beside.tokens.get(key, ()), beside.publishers.get(key, ())
    groups = []
    for at, measure in enumerate(counted.measures):
        group = _alike(facts, measure, key in beside.active, beside.factors.get(key, 0))
        groups.append(group)
        counted.people[at][group] += 1
        bits |= group.compliant << at
        counted.exemptions[at] += sum(is_live(one, measure) for one in facts.exemptions)
        _count_credentials(tokens, group, measure, counted.tokens[at])
        _count_credentials(publishers, group, measure, counted.publishers[at])
    entries = _entries_by_project(facts)
    if entries:
        complying[key] = bits
    for name, own in entries.items():
        covered = sum(
            covers_through(one.policy, facts.person, own) << at for at, one in enumerate(counted.measures)
        )
        if covered:
            covering[name] = covering.get(name, 0) | covered
    return groups


def _count_unreached(groups: Mapping[int, Sequence[Alike]], counted: Counted) -> None:
    """Count why no notice of an announced mandate reached some people."""
    for at, measure in enumerate(counted.measures):
        if measure.key and measure.policy.mandate.announced_at <= measure.now:
            some = [key for key, found in groups.items() if found[at].is_unreached]
            counted.unreached[at].update(reasons_of(measure.key, some).values())


def _alike(facts: Facts, measure: Yardstick, is_active: bool, factors: int) -> Alike:  # noqa: FBT001 - one of the things that are counted
    person, policy, now = facts.person, measure.policy, measure.now
    is_covered = covers(policy, facts)
    complies = is_compliant(policy.mandate, person)
    exempt = any(is_live(one, measure) for one in facts.exemptions)
    is_lacking = is_covered and not complies and not exempt
    refused = is_lacking and is_refused(measure, facts)
    return Alike(
        authority=has_authority(facts),
        active=is_active,
        covered=is_covered,
        compliant=complies,
        resistant=not RESISTANT.isdisjoint(person.factors),
        device="security-key" in person.factors,
        synced="passkey" in person.factors,
        app="authenticator-app" in person.factors,
        two=factors > 1,
        exempt=exempt,
        told=any(policy.mandate.announced_at <= at <= now for at in facts.told_at.get(policy.name, ())),
        refused=refused,
        coming=is_lacking and not refused and is_coming(measure, facts),
    )


def has_authority(facts: Facts) -> bool:
    """Tell whether somebody can change anything but their own account; an invitation gives nothing yet."""
    return bool(facts.authority) or not NEEDING_FACTOR.isdisjoint(facts.person.roles)


def is_live(one: Any, measure: Yardstick) -> bool:
    """Tell whether an exemption is from this mandate, and holds now."""
    policy, now = measure.policy, measure.now
    is_of_it = one.mandate == policy.name and one.version in {None, policy.version}
    return bool(measure.key) and is_of_it and (one.since is None or one.since <= now) and now < one.until


def is_refused(measure: Yardstick, facts: Facts) -> bool:
    """Tell whether somebody who lacks what is asked is refused anything now, by the schedule and their own deadline."""
    policy, view = measure.policy, _view(measure, facts)
    since = denied_since(policy.mandate, view, measure.refusing, measure.now) if measure.refusing else None
    return since is not None and deadline(policy, facts, since, measure.now) <= measure.now


def is_coming(measure: Yardstick, facts: Facts) -> bool:
    """Tell whether the next stage begins to refuse somebody who lacks what is asked."""
    at = measure.next_stage
    if at is None:
        return False
    timetable = timetable_of(measure.policy.mandate, measure.refusing)
    return timetable.denied_from(at, _view(measure, facts)) is not None


def _view(measure: Yardstick, facts: Facts) -> View:
    return View(facts.person, facts.authority, measure.policy.mandate.announced_at)


def _count_credentials(
    askings: Iterable[Asking], group: Alike, measure: Yardstick, numbers: Counter[str]
) -> None:
    for one in askings:
        numbers["live"] += 1
        numbers["weak"] += group.covered and not is_accepted(measure.policy.mandate, one)


def _entries_by_project(facts: Facts) -> dict[str, tuple[Authority, ...]]:
    found: dict[str, tuple[Authority, ...]] = {}
    for one in facts.authority:
        if one.kind == "project":
            found[one.name] = (*found.get(one.name, ()), one)
    return found


# ---- projects


def _count_projects(
    counted: Counted, complying: Mapping[int, int], covering: Mapping[str, int], now: datetime
) -> None:
    last = 0
    while rows := list(_projects_after(last)):
        first, last = rows[0][0], rows[-1][0]
        owners, weights = _owners(first, last), _downloads(first, last, now)
        ownerless = []
        for key, name, lineage, status in rows:
            if key not in owners:
                ownerless.append(lineage)
                continue
            bits = [complying.get(one, 0) for one in owners[key]]
            standing = Standing(
                covering.get(name, 0), _any_of(bits), _all_of(bits), status == Project.Status.ARCHIVED
            )
            counted.projects[standing] += 1
            counted.downloads[standing] += weights.get(key, 0)
        _count_ownerless(ownerless, counted)


def _projects_after(last: int) -> QuerySet[Any, Any]:
    columns = ("pk", "normalized_name", "lineage", "status")
    return Project.objects.filter(pk__gt=last).order_by("pk").values_list(*columns)[:_AT_ONCE]


def _any_of(bits: Iterable[int]) -> int:
    found = 0
    for one in bits:
        found |= one
    return found


def _all_of(bits: Sequence[int]) -> int:
    found = bits[0]
    for one in bits[1:]:
        found &= one
    return found


def _owners(first: int, last: int) -> dict[int, set[int]]:
    found: dict[int, set[int]] = defaultdict(set)
    for project, user, kind in sql.select(_RIGHTS, *[first, last] * rights.BRANCHES):
        if kind == OWNER:
            found[project].add(user)
    return found


_RIGHTS: Final = f"SELECT held.project_id, held.user_id, held.kind FROM ({rights.selection('{project} BETWEEN %s AND %s')}) held"


def _downloads(first: int, last: int, now: datetime) -> dict[int, int]:
    rows = ProjectDownloads.objects.filter(
        project_id__gte=first,
        project_id__lte=last,
        day_on__gt=(now - DOWNLOADS_OF).date(),
        day_on__lte=now.date(),
    )
    return dict(rows.values_list("project_id").annotate(Sum("count")))


def _count_ownerless(lineages: Sequence[Any], counted: Counted) -> None:
    """Count projects without an owner that somebody covered left since the announcement."""
    if not lineages:
        return
    counted.ownerless[INDEX] += len(lineages)
    measures = [one for one in counted.measures if one.key]
    earliest = min((one.policy.mandate.announced_at for one in measures), default=None)
    if earliest is None:
        return
    left: dict[str, set[Any]] = defaultdict(set)
    for row in FormerRole.objects.filter(lineage__in=lineages, ended_at__gte=earliest).order_by("pk"):
        gone = Authority("project", row.normalized_name, row.kind, row.since_at)
        for key in covering_through(measures, row.user_id, gone, row.ended_at):
            left[key].add(row.lineage)
    for key, found in left.items():
        counted.ownerless[key] += len(found)


def covering_through(
    measures: Iterable[Yardstick], user_id: int, entry: Authority, until: datetime
) -> list[str]:
    """Return which mandates, announced by then, cover somebody through a role that ended."""
    person = queries.person_of(user_id)
    return [
        one.key
        for one in measures
        if one.policy.mandate.announced_at <= until and covers_through(one.policy, person, (entry,))
    ]
