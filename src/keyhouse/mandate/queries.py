"""Reading mandates and the facts that decisions rest on: two questions a decision, in plain SQL."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple

from keyhouse.accounts import holds
from keyhouse.accounts.models import User
from keyhouse.accounts.queries import compliant_among
from keyhouse.core import clock, configuration
from keyhouse.core.actions import Thing
from keyhouse.core.actor import OFFICES, Actor, named_offices
from keyhouse.credentials.tokens.caveats import Scope
from keyhouse.credentials.tokens.models import ROBOT
from keyhouse.mandate import declarations
from keyhouse.mandate.brownouts import Ended, cut, held_after
from keyhouse.mandate.condensing import SEVERAL
from keyhouse.mandate.declarations import DECLARED, NOWHERE, Place
from keyhouse.mandate.defaults import DEFAULT, NAME
from keyhouse.mandate.documents import Mandate, read_mandate
from keyhouse.mandate.facts import (
    FACTORS,
    Asking,
    Authority,
    Exempted,
    Facts,
    Notice,
    Object,
    Person,
    Snoozed,
)
from keyhouse.mandate.models import Change, MandateVersion, Pause
from keyhouse.mandate.once import Once
from keyhouse.mandate.pauses import Span, begun_by, ended_before, held, is_ending, moved, with_stages
from keyhouse.mandate.rules import ACCEPT, HELD_ACTIONS, JOIN, Policy, covers_through, is_on_its_way
from keyhouse.mandate.shadowing import Shadowed, holds_from, shadows_of, versions_of
from keyhouse.projects import rights, sql
from keyhouse.projects.rights import BRANCHES, NAMED, OWN, selection
from keyhouse.projects.rules import MAINTAINER, OWNER

THE_CHANGE: Final = 1  # key of the one row of `Change`
_KEPT: Final = 512  # people, as they are made of rows
_MOST_ROWS_KEPT: Final = 200  # of one person
MUCH: Final = 200  # rights in projects, or publishers: of whoever has more, decisions are given what they see


Entry = tuple[datetime, Policy]


@dataclass(frozen=True)  # no slots: what is worked out once stays with it
class Ledger:
    """All versions of all mandates that took or take effect, read once for each change.

    A version stands there once more for each end of a pause: as it is while its calendar stands still, and afterwards.
    """

    change: int
    versions: tuple[Entry, ...]  # from when on, by name and version
    shadows: tuple[Shadowed, ...] = ()
    pauses: tuple[tuple[str, Span], ...] = ()  # by mandate, in their order

    def coming(self, now: datetime) -> list[Entry]:
        """Return the versions that are announced and take effect later; nobody is told of those in a shadow."""
        return [(at, one) for at, one in self.written if at > now and not one.mandate.is_unannounced(now)]

    def shadows_on(self, now: datetime) -> list[Shadowed]:
        """Return the shadows whose verdicts count at `now`."""
        return [one for one in self.shadows if one.is_on(now)]

    def with_version(self, policy: Policy, effective_at: datetime) -> Ledger:
        """Return it with one version more, given `as_it_runs`, that is subject to the same pauses."""
        if not policy.mandate.stages:  # in a shadow and nothing after it: nothing is decided otherwise
            return self
        spans = [span for name, span in self.pauses if name == policy.name]
        added = entries(holds_from(effective_at, policy), policy, spans)
        return replace(self, versions=(*self.versions, *added))

    def firm(self, now: datetime) -> Ledger:
        """Return it without the versions that are still to take effect, which may be withdrawn until then."""
        begun = {policy.label for at, policy in self.versions if at <= now}
        return replace(self, versions=tuple(one for one in self.versions if one[1].label in begun))

    def without_ends_to_come(self, now: datetime) -> Ledger:
        """Return it as if no pause ended by itself: what may end sooner promises nobody a day."""
        return replace(
            self,
            versions=tuple(
                (at, policy)
                for at, policy in self.versions
                if at <= now or not policy.pauses or policy.pauses[-1][1] != at
            ),
        )

    @property
    def written(self) -> tuple[Entry, ...]:
        """Return each version once, as it takes effect."""
        seen: dict[str, Entry] = {}
        for entry in self.versions:
            seen.setdefault(entry[1].label, entry)
        return tuple(seen.values())

    @Once
    def projects(self) -> frozenset[str]:
        """Return the normalised names of projects that any of them asks about."""
        told = (DEFAULT, *(policy for _, policy in self.versions), *(one.judge for one in self.shadows))
        return frozenset().union(*(policy.mandate.projects for policy in told))

    def live_at(self, now: datetime) -> tuple[Policy, ...]:
        """Return of each name the version that holds at `now`; what is replaced or retired is left out.

        That changes at known instants only, so between two of them it is worked out once.
        """
        place = bisect_right(self._turns, now)
        found = self._live.get(place)
        if found is None:
            found = self._live[place] = self._work_out(now)
        return found

    @Once
    def _live(self) -> dict[int, tuple[Policy, ...]]:
        return {}

    @Once
    def _turns(self) -> list[datetime]:
        """Return every instant at which a version takes effect or a stage begins."""
        mandates = [DEFAULT.mandate, *(policy.mandate for _, policy in self.versions)]
        begun = {stage.at for mandate in mandates for stage in mandate.stages}
        return sorted(begun | {effective_at for effective_at, _ in self.versions})

    def _work_out(self, now: datetime) -> tuple[Policy, ...]:
        newest: dict[str, Policy] = {NAME: DEFAULT}
        for effective_at, policy in self.versions:
            if effective_at <= now:
                newest[policy.name] = policy
        replaced = {name for policy in newest.values() for name in policy.mandate.replaces}
        return tuple(
            policy
            for name, policy in sorted(newest.items())
            if name not in replaced and not _is_retired(policy, now)
        )


def _is_retired(policy: Policy, now: datetime) -> bool:
    begun = [stage for stage in policy.mandate.stages if stage.at <= now]
    return bool(begun) and begun[-1].state in _OVER


_OVER: Final = frozenset({"retired", "abandoned"})


def entries(
    effective_at: datetime, policy: Policy, spans: Sequence[Span], ended: Sequence[Ended] = ()
) -> Iterator[Entry]:
    """Yield a version from when on it holds, and what each pause makes of it; `spans` are those of its mandate, in order.

    A pause that was over before the version took effect moves none of its stages: they were written after it.
    """
    begun = replace(policy, mandate=begun_by(policy.mandate, effective_at))
    past = ended_before(spans, effective_at)
    yield effective_at, cut(replace(begun, pauses=past) if past else begun, ended)
    if is_ending(begun.mandate):
        return
    mandate = begun.mandate
    for span in spans[len(past) :]:
        paused_at, resumed_at = span
        back = held_after(mandate, paused_at) if resumed_at != paused_at else ()
        standing, now = with_stages(held(mandate, paused_at), back), (paused_at, None)
        yield max(paused_at, effective_at), cut(_changed(begun, standing, (*past, now)), ended)
        if resumed_at is None:
            return
        mandate, past = with_stages(moved(mandate, (paused_at, resumed_at)), back), (*past, span)
        yield resumed_at, cut(_changed(begun, mandate, past), ended)


def _changed(policy: Policy, mandate: Mandate, past: tuple[Span, ...]) -> Policy:
    written = replace(mandate, written_digest=policy.mandate.digest)
    return replace(policy, mandate=written, pauses=past, original=policy.mandate)


_EMPTY: Final = Ledger(0, ())
_read: dict[str, Ledger] = {"last": _EMPTY}  # of this process; replaced as a whole


def ledger(change: int | None = None) -> Ledger:
    """Return all versions; `change` is what the change row says, where it was read already."""
    found = read_change() if change is None else change
    if found == 0:
        return _EMPTY
    last = _read["last"]
    if last.change != found:
        last = _read["last"] = _read_ledger(found)
    return last


def _read_ledger(change: int) -> Ledger:
    spans, ended = tuple(_spans()), _ended_brownouts()
    rows = list(_versions())
    versions = [
        entry
        for at, policy in versions_of(rows)
        for entry in entries(
            at, policy, [span for name, span in spans if name == policy.name], ended[policy.name]
        )
    ]
    shadows = shadows_of([(at, cut(policy, ended[policy.name])) for at, policy in rows])
    return Ledger(change, tuple(versions), tuple(shadows), spans)


def _ended_brownouts() -> dict[str, list[Ended]]:
    """Return the brownouts that ended before their time, by mandate."""
    found: dict[str, list[Ended]] = defaultdict(list)
    for name, stage_at, at in sql.select(_ENDED):
        found[name].append(Ended(sql.read_instant(stage_at), sql.read_instant(at)))
    return found


_ENDED: Final = "SELECT mandate, stage_at, ended_at FROM shadow_brownoutend"


def ended_brownouts(mandate: str) -> list[Ended]:
    """Return the brownouts of a mandate that ended before their time, the first one first."""
    return sorted(_ended_brownouts()[mandate], key=lambda one: one.at)


def count_snoozes(mandate: str) -> dict[str, int]:
    """Return how often a mandate's deadlines were put off, and by how many people."""
    ((taken, people),) = sql.select(_COUNT_SNOOZES, mandate)
    return {"taken": int(taken), "people": int(people)}


_COUNT_SNOOZES: Final = "SELECT COUNT(*), COUNT(DISTINCT user_id) FROM shadow_snooze WHERE mandate = %s"


def as_it_runs(policy: Policy) -> Policy:
    """Return a version as it would hold: a brownout that ended before its time doesn't begin again with a new version."""
    return cut(policy, _ended_brownouts()[policy.name])


def read_change() -> int:
    """Return what changes whenever a mandate does; 0: nothing was ever written."""
    return int(sql.find_value(_CHANGE, THE_CHANGE) or 0)


_CHANGE: Final = f"SELECT value FROM {Change._meta.db_table} WHERE id = %s"  # noqa: SLF001 - how Django names its model interface


def _spans() -> Iterator[tuple[str, Span]]:
    for row in Pause.objects.order_by("begun_at", "pk"):
        yield row.mandate, (row.begun_at, row.ends_at)


def _versions() -> Iterator[Entry]:
    rows = MandateVersion.objects.filter(effective_at__isnull=False, withdrawn_at__isnull=True)
    for row in rows.order_by("name", "version"):
        if row.effective_at is not None:
            yield row.effective_at, policy_of(row)


def policy_of(row: MandateVersion) -> Policy:
    """Return a stored version as decisions take it."""
    is_history = row.origin in {MandateVersion.Origin.DEFAULT, MandateVersion.Origin.SEEDED}
    return Policy(read_mandate(row.document), row.version, is_floor_exempt=is_history)


def is_known(name: str) -> bool:
    """Tell whether there is, or was, a mandate of that name."""
    return MandateVersion.objects.filter(name=name).exists()


def live_policies(now: datetime) -> tuple[Policy, ...]:
    """Return the mandates that are live at `now`, by name."""
    return ledger().live_at(now)


def gather(actor: Actor, action: str, thing: Thing | None, now: datetime) -> tuple[Facts, tuple[Policy, ...]]:
    """Gather what a decision needs, in two questions, and three for a deletion or an invitation; raises DatabaseError."""
    basis = basis_of(actor, thing, now)
    return basis.facts(action), basis.policies


class Basis(NamedTuple):
    """What decisions about one asker and one thing rest on, whatever the act."""

    actor: Actor
    thing: Thing | None
    now: datetime
    person: Person
    standing: Standing
    there: Place
    live: tuple[Policy, ...]  # of the index

    @property
    def policies(self) -> tuple[Policy, ...]:
        """Return what holds there: the mandates of the index, and those of the organization."""
        return (*self.live, *self.there.policies(self.now)) if self.there.rows else self.live

    def facts(self, action: str) -> Facts:
        """Return the facts of one act; a deletion or an invitation takes a question more."""
        found = _object(action, self.thing, self.live, self.now, self.actor.user_id)
        return Facts(
            self.person,
            _asking(self.actor),
            action,
            self.standing.authority,
            _within(found, self.there) if self.there.rows else found,
            self.standing.notices,
            self.standing.exemptions,
            self.standing.snoozes,
        )


def basis_of(
    actor: Actor, thing: Thing | None, now: datetime, among: Ledger | None = None, *, is_whole: bool = False
) -> Basis:
    """Read what decisions rest on, in two questions; raises DatabaseError.

    `among`: the mandates to decide by are taken from these, which somebody thinks of, and not from those that hold.
    `is_whole`: each right is told by its name, also of whoever has so many that decisions need no more than a few entries.
    """
    person, change, has_declared, has_much = _read_person(actor, now)
    mandates = among or ledger(change)
    asked = thing if has_declared else None
    # of mandates that somebody thinks of, it is told by name what they would make critical
    is_condensed = has_much and among is None and not is_whole
    names = _names_told(mandates, thing) if is_condensed else None
    standing, there = (
        _NOTHING_READ if actor.user_id is None else _read_standing(actor.user_id, now, asked, names)
    )
    return Basis(actor, thing, now, person, standing, there, mandates.live_at(now))


def _names_told(mandates: Ledger, thing: Thing | None, *more: str) -> list[str]:
    """Return the names by which a decision tells projects apart, in one order."""
    return sorted({*mandates.projects, *more, *([thing.name] if thing is not None and thing.name else [])})


def _within(thing: Object | None, there: Place) -> Object | None:
    """Return the object with the organization whose own mandate is about it."""
    if thing is None:
        return None
    return replace(thing, organization=there.organization, organization_since=there.since)


def person_of(user_id: int) -> Person:
    """Return an account as it is now."""
    return _read_person(Actor("session", user_id), clock.now()).person


def facts_of_person(
    user_id: int, action: str = "", asking: Asking | None = None, *, told: Iterable[str] | None = None
) -> Facts:
    """Return the facts of somebody who isn't asking now; the asking is a session that proved nothing.

    `told`: of somebody with very many rights only what decisions about these projects rest on; None: each right.
    """
    now = clock.now()
    person, change, _, has_much = _read_person(Actor("session", user_id), now)
    names = None if told is None or not has_much else _names_told(ledger(change), None, *told)
    standing, _ = _read_standing(user_id, now, names=names)
    return Facts(
        person,
        asking or Asking("session"),
        action,
        standing.authority,
        None,
        standing.notices,
        standing.exemptions,
        standing.snoozes,
    )


def policies_about(thing: Thing | None, now: datetime) -> tuple[Policy, ...]:
    """Return what the organization that something belongs to asks on top of the index."""
    asked, values = declarations.question_about(thing)
    return (
        declarations.place_of(sql.select(asked.removeprefix(" UNION ALL "), *values)).policies(now)
        if asked
        else ()
    )


def place_of(organization_id: int, name: str) -> Place:
    """Return what an organization declared, by its number."""
    rows = sql.select(_DECLARED_THERE, organization_id)
    return Place(name, None, tuple(sorted(declarations.read(form, *times) for form, *times in rows)))


_DECLARED_THERE: Final = (
    f"SELECT {declarations.FORM}, declared.announced_at, declared.from_at, declared.begins_at"
    " FROM organizationmandates_declaration declared"
    " WHERE declared.withdrawn_at IS NULL AND declared.organization_id = %s"
)


def _asking(actor: Actor) -> Asking:
    return Asking.of(actor.kind, actor.strength, needs_key=actor.needs_key)


def _object(
    action: str, thing: Thing | None, policies: Iterable[Policy], now: datetime, user_id: int | None
) -> Object | None:
    if thing is None:
        return None
    if action == ACCEPT and thing.kind == "project" and user_id is not None:
        return _object_offered(thing, user_id, now)
    if action == JOIN and thing.kind == "organization" and user_id is not None:
        return _organization_offered(thing, user_id, now)
    if action in HELD_ACTIONS and thing.kind == "project":
        return _object_to_delete(thing, [one for one in policies if is_on_its_way(one.mandate, now)], now)
    return Object(thing.kind, thing.name)


def _object_offered(thing: Thing, user_id: int, now: datetime) -> Object:
    """Return a project with the highest role that somebody is invited to there, and what makes it critical."""
    rows = sql.select(_OFFERED, user_id, user_id, thing.name)
    offered = {kind for kind, expires_at, _ in rows if now < sql.read_instant(expires_at)}
    gives = next((kind for kind in ("owner", "maintainer") if kind in offered), "")
    critical = frozenset(criterion for _, _, criterion in rows if criterion is not None)
    return Object(thing.kind, thing.name, gives=gives, critical=critical)


def _organization_offered(thing: Thing, user_id: int, now: datetime) -> Object:
    """Return an organization with the highest role that somebody is invited to there."""
    rows = sql.select(_ORGANIZATION_OFFERED, user_id, user_id, thing.name)
    offered = {kind for kind, expires_at in rows if now < sql.read_instant(expires_at)}
    gives = next((kind for kind in ("owner", "manager", "member") if kind in offered), "")
    return Object(thing.kind, thing.name, gives=gives)


def _object_to_delete(thing: Thing, policies: Iterable[Policy], now: datetime) -> Object:
    """Return a project with what its deletion hangs on: the ask, and which mandates on their way cover any of its people.

    All of them are read by one question, however many there are.
    """
    keys = (configuration.current().key_name, configuration.current().key_name)
    rows = sql.select(_DELETION, *keys, *[thing.name] * (BRANCHES + 1), *keys, thing.name)
    people = _people_of(thing.name, rows, now)
    held = {
        one.name
        for one in policies
        for person, entry, until in people
        if (until is None or until >= one.mandate.announced_at) and covers_through(one, person, (entry,))
    }
    asked_at = next((_instant(row[0]) for row in rows if row[0] is not None), None)
    return Object(thing.kind, thing.name, deletion_asked_at=asked_at, held_by=tuple(sorted(held)))


def _people_of(
    name: str, rows: Iterable[Sequence[Any]], now: datetime
) -> list[tuple[Person, Authority, datetime | None]]:
    """Return whoever has or had a role in a project, with that role and when it ended; each stands there by criterion."""
    criteria: dict[str, datetime] = {}
    people: dict[tuple[Any, ...], tuple[Person, str, Any, Any]] = {}
    for _, criterion, critical_since, kind, since, until, user_id, *columns in rows:
        if criterion is not None:
            criteria[criterion] = sql.read_instant(critical_since)
        if user_id is not None and (user_id, kind, until) not in people:
            people[user_id, kind, until] = _person(user_id, columns, now), kind, since, until
    return [
        (person, _role(name, kind, since, criteria), _instant(until))
        for person, kind, since, until in people.values()
    ]


class _Asker(NamedTuple):
    """Who it is, what the change row says, whether any organization ever declared a mandate, and whether rights are many."""

    person: Person
    change: int | None = None
    has_declared: bool = False
    has_much: bool = False


def _read_person(actor: Actor, now: datetime) -> _Asker:
    if actor.user_id is None:
        return _Asker(Person(""))
    name = configuration.current().key_name
    rows = sql.select(_PERSON, name, name, actor.user_id)
    if not rows:
        return _Asker(Person(f"u{actor.user_id}", state="deleted"))
    change, declared, has_much, *columns = rows[0]
    person = _person(actor.user_id, columns, now)
    return _Asker(person, int(change or 0), bool(declared), bool(has_much))


def _person(user_id: int, columns: Sequence[Any], now: datetime) -> Person:
    """Return a person by the columns of `_PERSON_COLUMNS`."""
    until, *offers = columns[: _OFFERS + 1]
    lasting = columns[_OFFERS + 1 :]
    is_invited = any(end is not None and now < sql.read_instant(end) for end in offers)
    more = (("invited",) if is_invited else ()) + (("reader",) if configuration.current().is_private else ())
    person = _lasting_person(user_id, tuple(lasting), more)
    held_until = _instant(until)
    if held_until is None or now >= held_until:
        return person
    if person.state == User.State.PASSWORD_DISABLED and not person.factors:
        return person  # it rests altogether, which is more than a hold: publishers rest, too
    told = held_until if held_until < holds.FOR_EVER else None
    return replace(person, state=holds.stated(person.state, held_until, now), held_until=told)


@lru_cache(maxsize=_KEPT)  # the columns are read each time; what is made of them is the same again and again
def _lasting_person(user_id: int, columns: tuple[Any, ...], more: tuple[str, ...]) -> Person:
    """Return a person without what passes with time; `more` are roles beside offices."""
    name, joined_at, state, *rest, codes = columns
    offices, (is_verified, *held) = rest[: len(OFFICES)], rest[len(OFFICES) :]
    return Person(
        id=f"u{user_id}",
        joined_at=_instant(joined_at),
        state=state,
        verified_email=bool(is_verified),
        factors=tuple(factor for factor, has in zip(FACTORS, held, strict=True) if has),
        has_device_bound=bool(held[1]),
        recovery_codes=int(codes),
        roles=named_offices(offices) + more,
        name=name,
    )


class Standing(NamedTuple):
    """What somebody may do, was told, is exempt from and put off."""

    authority: tuple[Authority, ...] = ()
    notices: tuple[Notice, ...] = ()
    exemptions: tuple[Exempted, ...] = ()
    snoozes: tuple[Snoozed, ...] = ()


_NOTHING_READ: Final = Standing(), NOWHERE


def _read_standing(
    user_id: int, now: datetime, thing: Thing | None = None, names: Sequence[str] | None = None
) -> tuple[Standing, Place]:
    """Read roles, publishers, notices, exemptions and snoozes, in one question.

    `thing`: what the organization that it belongs to has declared is read by the same question. `names`: rights in
    other projects than these are read as `condensed` has them, which the database works out.
    """
    asked, more = declarations.question_about(thing)
    if names is None:
        found = sql.select_by_one_plan(_STANDING + asked, *[user_id] * (2 * BRANCHES + 5), *more)
    else:
        statement, named = sql.among(_CONDENSED, names)
        found = sql.select(statement + asked, *[user_id] * BRANCHES, named, *[user_id] * 6, *more)
    there = declarations.place_of(found) if asked else NOWHERE
    rows = tuple(
        row
        for row in found
        if row[0] not in declarations.KINDS
        and (row[0] != "publisher" or _is_live(row, now))
        and (row[5] != SEVERAL or row[3] is not None)  # nobody stands for nothing
    )
    return (_kept_standing(rows) if len(rows) <= _MOST_ROWS_KEPT else _standing(rows)), there


def _is_live(row: Sequence[Any], now: datetime) -> bool:
    """Tell whether a publisher is one of a project, or waits for one and isn't over."""
    expires_at = _instant(row[4])
    return expires_at is None or now < expires_at


def _standing(rows: Sequence[Sequence[Any]]) -> Standing:
    found: dict[str, list[Sequence[Any]]] = defaultdict(list)
    for kind, *row in rows:
        found[kind].append(row)
    notices = [Notice(name, kind, sql.read_instant(at)) for name, kind, at, _, _ in found["notice"]]
    exemptions = [
        Exempted(name, int(version), sql.read_instant(until), _instant(since))
        for name, version, until, since, _ in found["exemption"]
    ]
    snoozes = [
        Snoozed(name, sql.read_instant(since), sql.read_instant(until))
        for name, _, since, until, _ in found["snooze"]
    ]
    return Standing(
        tuple(sorted(_authorities(found), key=_place_of)),
        tuple(sorted(notices, key=lambda one: (one.mandate, one.kind))),
        tuple(sorted(exemptions, key=lambda one: (one.mandate, one.version or 0, one.until))),
        tuple(sorted(snoozes, key=lambda one: (one.mandate, one.since))),
    )


_kept_standing: Final = lru_cache(maxsize=_KEPT)(_standing)  # as with people: the rows are read each time


def _authorities(found: Mapping[str, Sequence[Sequence[Any]]]) -> Iterator[Authority]:
    """Yield what somebody may decide about, of the rows of a standing by their kinds."""
    critical = _critical_by_name(found["critical"])
    for name, kind, since, _, via in found["role"]:
        yield _role(name, kind, since, critical.get(name, {}), via)
    for name, kind, since, _, _ in found["organization"]:
        yield Authority("organization", name, kind, sql.read_instant(since))
    # in one order, whichever a database groups them in: the same facts have the same digest
    for criterion, kind, since, covered, _ in sorted(found["covered"], key=repr):
        criteria = frozenset({criterion})
        yield Authority("project", "", kind, sql.read_instant(since), SEVERAL, criteria, _instant(covered))
    yield from _configured(found["publisher"])


def _place_of(one: Authority) -> tuple[str, str, str, str]:
    return one.kind, one.name, one.role, one.via


def _critical_by_name(rows: Iterable[Sequence[Any]]) -> dict[str, dict[str, datetime]]:
    found: dict[str, dict[str, datetime]] = defaultdict(dict)
    for name, criterion, since, *_ in rows:
        found[name][criterion] = sql.read_instant(since)
    return found


def _role(
    name: str, kind: str, since: str | datetime | None, criteria: dict[str, datetime], via: str = OWN
) -> Authority:
    return Authority(
        "project",
        name,
        kind,
        _instant(since),
        via,
        frozenset(criteria),
        min(criteria.values(), default=None),
    )


def _configured(rows: Iterable[Sequence[Any]]) -> list[Authority]:
    """Return the same of rows of a standing, one of which may stand for several publishers."""
    found = [(name, sql.read_instant(since), via) for name, _, since, _, via in rows]
    told = configured((name, since) for name, since, via in found if via != SEVERAL)
    return told + [
        Authority("publisher", name, "configurer", since, via) for name, since, via in found if via == SEVERAL
    ]


def configured(publishers: Iterable[tuple[str, datetime]]) -> list[Authority]:
    """Return the authority of whoever answers for publishers, given as names of projects and since when: one for each name.

    Whether a project is critical is told by roles in it: without one, or before it is there, a publisher gives nothing.
    """
    since: dict[str, datetime] = {}
    for name, at in publishers:
        since[name] = min(at, since.get(name, at))
    return [Authority("publisher", name, "configurer", at) for name, at in since.items()]


def _instant(value: str | datetime | None) -> datetime | None:
    return None if value is None else sql.read_instant(value)


def is_of_ci(actor: Actor) -> bool:
    """Tell whether a publisher or a robot token asks: what works for a project, and goes on without its person."""
    scope = actor.restrictions
    return actor.kind == "publisher" or (isinstance(scope, Scope) and scope.kind == ROBOT)


def has_other_owner(thing: Thing | None, actor: Actor, now: datetime) -> bool:
    """Tell whether a project that is there has another owner who complies."""
    if thing is None or thing.kind != "project" or not isinstance(thing.id, int):
        return False
    others = set(rights.owners_of(thing.id)) - {actor.user_id}
    return bool(others) and bool(compliant_among(others, now))


def begun_at(actor: Actor, thing: Thing | None) -> datetime | None:
    """Return when this very credential first put a file into the release that it is asked about, or None."""
    scope = actor.restrictions
    if thing is None or not isinstance(scope, Scope) or scope.version is None:
        return None
    return _instant(sql.find_value(_BEGUN, actor.credential, thing.name, scope.version))


_MINE: Final = "(SELECT LOWER(email.address) FROM accounts_email email WHERE email.user_id = {} AND email.verified_at IS NOT NULL)"
_OFFERING: Final = ("projects_projectinvitation", "organizations_organizationinvitation")
_OFFERS: Final = 2 * len(_OFFERING)  # columns of a person that say until when an invitation waits
_PERSON_COLUMNS: Final = (
    # a question each, so that each is answered from an index of its own
    "owner.held_until,"
    + "".join(
        f" (SELECT MAX(offer.expires_at) FROM {table} offer WHERE offer.user_id = owner.id AND offer.ended_at IS NULL),"
        f" (SELECT MAX(offer.expires_at) FROM {table} offer WHERE offer.ended_at IS NULL AND offer.address"
        f" IN {_MINE.format('owner.id')}),"
        for table in _OFFERING
    )
    + " owner.username, owner.joined_at, owner.state, owner.is_operator,"
    " owner.is_moderator, owner.is_auditor,"
    " EXISTS (SELECT 1 FROM accounts_email email WHERE email.user_id = owner.id AND email.is_primary"
    " AND email.verified_at IS NOT NULL),"
    # one that was disabled by wrong codes still makes the account one with a factor
    " EXISTS (SELECT 1 FROM accounts_authenticator app WHERE app.user_id = owner.id),"
    " EXISTS (SELECT 1 FROM accounts_securitykey kept WHERE kept.user_id = owner.id AND NOT kept.backup_eligible"
    " AND kept.cloned_at IS NULL AND kept.rp_id = %s),"
    " EXISTS (SELECT 1 FROM accounts_securitykey kept WHERE kept.user_id = owner.id AND kept.backup_eligible"
    " AND kept.cloned_at IS NULL AND kept.rp_id = %s),"
    " (SELECT COUNT(*) FROM accounts_recoverycode code JOIN accounts_recoverycodeset kept ON kept.id = code.code_set_id"
    " WHERE kept.user_id = owner.id AND code.used_at IS NULL)"
)
_HAS_MUCH: Final = (
    rights.has_more_than(MUCH, "owner.id")
    + " OR EXISTS (SELECT 1 FROM publishers_publisher publisher WHERE publisher.configured_by_id = owner.id"
    f" LIMIT 1 OFFSET {MUCH})"
)
_PERSON: Final = (
    f"SELECT (SELECT value FROM mandate_change WHERE id = {THE_CHANGE}),"
    f" (SELECT value FROM mandate_change WHERE id = {DECLARED}), {_HAS_MUCH}, {_PERSON_COLUMNS}"
    " FROM accounts_user owner WHERE owner.id = %s"
)
_RIGHTS: Final = selection("{user} = %s")
_ORGANIZATIONS: Final = (
    " UNION ALL SELECT 'organization', organization.normalized_name, member.kind, member.since_at, NULL, NULL"
    " FROM organizations_membership member JOIN organizations_organization organization"
    " ON organization.id = member.organization_id WHERE member.user_id = %s"
)
_PUBLISHERS: Final = (
    " UNION ALL SELECT 'publisher', COALESCE(project.normalized_name, publisher.pending_normalized_name), 'configurer',"
    " publisher.added_at, publisher.expires_at, NULL FROM publishers_publisher publisher"
    " LEFT JOIN projects_project project ON project.id = publisher.project_id WHERE publisher.configured_by_id = %s"
)
_LEDGERS: Final = (
    " UNION ALL SELECT 'notice', notice.mandate, notice.kind, notice.delivered_at, NULL, NULL"
    " FROM mandate_notice notice WHERE notice.user_id = %s"
    " UNION ALL SELECT 'exemption', version.name, CAST(version.version AS varchar), exemption.until,"
    " exemption.effective_at, NULL FROM mandate_exemption exemption JOIN mandate_mandateversion version"
    " ON version.id = exemption.version_id WHERE exemption.user_id = %s"
    " AND exemption.effective_at IS NOT NULL AND exemption.withdrawn_at IS NULL"
    " UNION ALL SELECT 'snooze', snooze.mandate, '', snooze.made_at, snooze.until_at, NULL FROM shadow_snooze snooze"
    " WHERE snooze.user_id = %s"
)
_STANDING: Final = (
    "SELECT 'role', project.normalized_name, held.kind, held.since_at, CAST(NULL AS timestamptz), held.via"
    f" FROM ({_RIGHTS}) held JOIN projects_project project ON project.id = held.project_id"
    " UNION ALL SELECT 'critical', critical.normalized_name, critical.criterion, critical.since_at, NULL, NULL"
    f" FROM ({_RIGHTS}) held JOIN projects_project project ON project.id = held.project_id"
    " JOIN mandate_criticalproject critical ON critical.normalized_name = project.normalized_name"
    f"{_ORGANIZATIONS}{_PUBLISHERS}{_LEDGERS}"
)
# The same as `condensed` has it, worked out where the rows are. A publisher that ends by itself stays: they are few.
_COVERED: Final = (
    "(SELECT MIN(any_of.since_at) FROM mandate_criticalproject any_of"
    " WHERE any_of.normalized_name = critical.normalized_name)"
)
_CONDENSED: Final = (
    f"WITH held AS ({_RIGHTS}), asked AS (SELECT project.id, project.normalized_name FROM projects_project project"
    " WHERE project.normalized_name {})"
    " SELECT 'role', asked.normalized_name, held.kind, held.since_at, CAST(NULL AS timestamptz), held.via"
    " FROM held JOIN asked ON asked.id = held.project_id"
    " UNION ALL SELECT 'critical', critical.normalized_name, critical.criterion, critical.since_at, NULL, NULL"
    " FROM asked JOIN mandate_criticalproject critical ON critical.normalized_name = asked.normalized_name"
    + "".join(
        f" UNION ALL SELECT 'role', '', '{kind}', MIN(held.since_at), NULL, '{SEVERAL}'"
        f" FROM held WHERE held.kind = '{kind}'"
        for kind in (OWNER, MAINTAINER)
    )
    + " UNION ALL SELECT 'covered', found.criterion, found.kind, MIN(found.since_at), MIN(found.covered_at), NULL"
    f" FROM (SELECT critical.criterion, held.kind, held.since_at, {_COVERED} AS covered_at FROM held"
    " JOIN projects_project project ON project.id = held.project_id"
    " JOIN mandate_criticalproject critical ON critical.normalized_name = project.normalized_name"
    " WHERE EXISTS (SELECT 1 FROM mandate_criticalproject)) found"
    " GROUP BY found.criterion, found.kind, CASE WHEN found.since_at < found.covered_at THEN 1 ELSE 0 END"
    f"{_ORGANIZATIONS}{_PUBLISHERS} AND (publisher.project_id IS NULL OR publisher.expires_at IS NOT NULL"
    " OR publisher.project_id IN (SELECT id FROM asked))"
    f" UNION ALL SELECT 'publisher', '', 'configurer', MIN(publisher.added_at), NULL, '{SEVERAL}'"
    " FROM publishers_publisher publisher WHERE publisher.configured_by_id = %s AND publisher.project_id IS NOT NULL"
    " AND publisher.expires_at IS NULL"
    f"{_LEDGERS}"
)
_RIGHTS_IN: Final = selection("{project} = " + NAMED)
_TO_DELETE: Final = (
    f"SELECT ask.asked_at, critical.criterion, critical.since_at, role.kind, role.since_at, {{}}, role.user_id,"
    f" {_PERSON_COLUMNS} FROM projects_project project"
    # what was asked about a former life of the name is used up
    " LEFT JOIN mandate_deletionask ask ON ask.lineage = project.lineage AND ask.asked_at >= COALESCE(project.restored_at, project.created_at)"
    " LEFT JOIN mandate_criticalproject critical ON critical.normalized_name = project.normalized_name"
    " {} JOIN accounts_user owner ON owner.id = role.user_id WHERE project.normalized_name = %s"
)
# whoever gave a role up while a mandate covered it leaves the hold behind (S5, A18)
_DELETION: Final = (
    _TO_DELETE.replace("{}", "CAST(NULL AS timestamptz)", 1).replace(
        "{}", f"LEFT JOIN ({_RIGHTS_IN}) role ON role.project_id = project.id LEFT", 1
    )
    + " UNION ALL "
    + _TO_DELETE.replace("{}", "role.ended_at", 1).replace(
        "{}", "JOIN projects_formerrole role ON role.lineage = project.lineage", 1
    )
)
_OFFERED: Final = (
    "SELECT offer.kind, offer.expires_at, critical.criterion FROM projects_projectinvitation offer"
    " JOIN projects_project project ON project.id = offer.project_id"
    " LEFT JOIN mandate_criticalproject critical ON critical.normalized_name = project.normalized_name"
    f" WHERE offer.ended_at IS NULL AND (offer.user_id = %s OR offer.address IN {_MINE.format('%s')})"
    " AND project.normalized_name = %s"
)
_ORGANIZATION_OFFERED: Final = (
    "SELECT offer.kind, offer.expires_at FROM organizations_organizationinvitation offer"
    " JOIN organizations_organization organization ON organization.id = offer.organization_id"
    f" WHERE offer.ended_at IS NULL AND (offer.user_id = %s OR offer.address IN {_MINE.format('%s')})"
    " AND organization.normalized_name = %s"
)
_BEGUN: Final = (
    "SELECT MIN(file.uploaded_at) FROM projects_file file JOIN projects_release release ON release.id = file.release_id"
    " JOIN projects_project project ON project.id = file.project_id"
    " WHERE file.credential = %s AND project.normalized_name = %s AND release.version = %s"
)
