"""What a change of mandates would do: differences, people touched, refusals at each coming stage, loosening. Pure.

Everything is asked of `rules.decide`, before and after the change, at every instant at which its answer can turn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain, product
from typing import Any, Final, NamedTuple, Protocol

from keyhouse.core import clock
from keyhouse.core.actions import REMOVE_LAST
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS
from keyhouse.mandate import populations
from keyhouse.mandate.beginnings import bad_days
from keyhouse.mandate.calendars import NO_CALENDAR
from keyhouse.mandate.documents import USUAL_GUARDS, DocumentInvalid, Mandate, Path, read_mandate, shown
from keyhouse.mandate.errors import DeletionHeld
from keyhouse.mandate.facts import Asking, Facts
from keyhouse.mandate.pauses import HELD, elapsed
from keyhouse.mandate.populations import Effort, Group, Tokens
from keyhouse.mandate.rules import (
    GAINING,
    HELD_ACTIONS,
    TAKEN_NAMES,
    Decision,
    Policy,
    covers,
    decide,
    is_compliant,
    objection,
    prospective,
    satisfies,
)
from keyhouse.mandate.selectors import Selector, View
from keyhouse.mandate.shadowing import enforced, shadow_of
from keyhouse.mandate.strictness import IN_FORCE, is_as_strict, lies_within

# Sections of a document that decide something; the others only say why.
SECTIONS: Final = ("who", "methods", "notice", "credentials", "stages", "replaces")
MOST_EXAMPLES: Final = 5
NOTICE_PATH: Final[Path] = ("stages",)  # what a remark about too short a notice is about
MOST_ASKED: Final = 100_000  # questions for making people up, and again for asking about them
MOST_EXAMPLES_ASKED: Final = 20_000  # where no answer could tell that nothing gets looser
UNSURE: Final = (
    "somebody: it could not be excluded that something is allowed that is refused now. The sets of people are too many"
    " or too mixed to try them all, and it can't be seen from the words that everybody is refused at least as much"
)
_BY_TOKEN: Final = ("release.upload", "release.yank", "index.read-private")
_APPROVING: Final = "mandate.approve"  # what an operator must be able to do, or nothing can be mended


class Timeline(Protocol):
    """Mandates with the instants from which on each version holds."""

    @property
    def versions(self) -> tuple[tuple[datetime, Policy], ...]:
        """Return each version with its instant."""

    def live_at(self, now: datetime) -> tuple[Policy, ...]:
        """Return the versions that hold at an instant."""


Add = Callable[[Policy], Timeline]


@dataclass(frozen=True, slots=True)
class Remark:
    """Something to be told about a mandate; `path` is that of the key it is about."""

    path: Path
    reason: str

    def __str__(self) -> str:
        """Return it as a sentence."""
        return f"{shown(self.path)}: {self.reason}" if self.path else self.reason

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"path": shown(self.path), "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field that is another one than before; None: it isn't there."""

    path: Path
    before: Any
    after: Any

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"path": shown(self.path), "before": self.before, "after": self.after}


@dataclass(frozen=True, slots=True)
class Touch:
    """A section that changes, and how many people it alone would touch (None: it can't stand alone)."""

    section: str
    people: int | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {"section": self.section, "people": self.people}


@dataclass(frozen=True, slots=True)
class Forecast:
    """How the people who are here now would stand at an instant, with what they have enrolled now."""

    at: datetime
    what: str
    covered: int
    compliant: int
    exempt: int
    refused: int
    first_refused: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "at": clock.format_instant(self.at),
            "what": self.what,
            "covered": self.covered,
            "compliant": self.compliant,
            "exempt": self.exempt,
            "refused": self.refused,
            "first_refused": list(self.first_refused),
        }


class Case(NamedTuple):
    """A person, a credential, an act and an instant."""

    facts: Facts
    at: datetime

    def __str__(self) -> str:
        """Return it in words."""
        asking, thing = self.facts.asking, self.facts.object
        proved = " and ".join(sorted(asking.proved))
        about = f" of {thing.name}" if thing and thing.name else ""
        return f"{self.facts.action}{about} by a {asking.kind} proven by {proved}, at {_written(self.at)}"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a version of a mandate would change. `people` is the denominator of all counts."""

    name: str
    version: int
    is_new: bool
    is_loosening: bool
    people: int
    touched: int
    loosened: int
    tightened: int
    differences: tuple[Difference, ...]
    touches: tuple[Touch, ...]
    forecasts: tuple[Forecast, ...]
    loosenings: tuple[str, ...]
    warnings: tuple[Remark, ...]
    refusals: tuple[Remark, ...]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "mandate": self.name,
            "version": self.version,
            "is_new": self.is_new,
            "is_loosening": self.is_loosening,
            "people": self.people,
            "touched": self.touched,
            "loosened": self.loosened,
            "tightened": self.tightened,
            "differences": [one.as_dict() for one in self.differences],
            "touches": [one.as_dict() for one in self.touches],
            "forecasts": [one.as_dict() for one in self.forecasts],
            "loosenings": list(self.loosenings),
            "warnings": [one.as_dict() for one in self.warnings],
            "refusals": [one.as_dict() for one in self.refusals],
        }


def _written(at: datetime) -> str:
    return clock.format_instant(at)


# ---- the ground of a comparison


_Key = tuple[frozenset[int], frozenset[int]]


class Ground:
    """Both sides of a comparison, and between whom, what and when they could tell."""

    def __init__(self, before: Timeline, after: Timeline, now: datetime) -> None:
        """Take both sides; nothing before `now` is looked at."""
        self.now = now
        self._sides = before, after
        self._live: dict[datetime, tuple[tuple[Policy, ...], tuple[Policy, ...]]] = {}
        self._differing: dict[_Key, tuple[tuple[Policy, ...], tuple[Policy, ...]]] = {}
        self._proven: dict[tuple[int, int], bool] = {}
        changes = {at for side in self._sides for at, _ in side.versions if at > now}
        seen = (policy for at in (now, *changes) for side in self._sides for policy in side.live_at(at))
        self.policies = tuple(dict.fromkeys(seen))
        held = {now + policy.mandate.deletion_hold for policy in self.policies}
        self._turns = changes | held | populations.turning_points(self.policies)
        self.actions = populations.distinct_actions(self.policies)

    def live(self, at: datetime) -> tuple[tuple[Policy, ...], tuple[Policy, ...]]:
        """Return what holds at an instant, before and after the change."""
        if at not in self._live:
            before, after = self._sides
            self._live[at] = before.live_at(at), after.live_at(at)
        return self._live[at]

    def terms_of(self, policy: Policy, at: datetime) -> Policy:
        """Return a version as it holds at an instant, after the change: pauses make something else of what is written."""
        _, after = self.live(at)
        return next((one for one in after if one.label == policy.label), policy)

    def last_terms_of(self, policy: Policy) -> Policy:
        """Return a version as it is in the end, once every pause is over that is bound to end."""
        versions = self._sides[1].versions
        return next((one for _, one in reversed(versions) if one.label == policy.label), policy)

    def instants(self, group: Group | None = None) -> list[datetime]:
        """Return now and every later instant at which an answer for this group can turn.

        Between two of them nothing turns: all that `decide` compares with an instant begins with it, inclusive.
        """
        personal = group.deadlines if group else frozenset()
        return [self.now, *sorted(at for at in self._turns | personal if at > self.now)]

    def telling_instants(self, group: Group) -> list[datetime]:
        """Return those at which the two sides don't say the same to this group."""
        if group.facts.exemptions:  # bound to a version, whatever that says
            return self.instants(group)
        return [at for at in self.instants(group) if self.lost(at) or self.gained(at)]

    def lost(self, at: datetime) -> tuple[Policy, ...]:
        """Return what holds at an instant before the change, and after it not in these terms."""
        return self._only(at)[0]

    def gained(self, at: datetime) -> tuple[Policy, ...]:
        """Return what holds at an instant after the change, and before it not in these terms."""
        return self._only(at)[1]

    def is_seen_as_tightening(self) -> bool:
        """Tell whether the words alone prove that all that is lost is refused by something that holds after."""
        pairs = {(id(one), at): (one, at) for at in self.instants() for one in self.lost(at)}
        return all(self._is_made_up_for(one, at) for one, at in pairs.values())

    def _is_made_up_for(self, lost: Policy, at: datetime) -> bool:
        return any(self._is_as_strict(one, lost) for one in self.live(at)[1])

    def keeps_revoking(self, lost: Policy, field: str, at: datetime) -> bool:
        """Tell whether what is lost revokes no tokens, or something that holds after does so for all of the same people."""
        return getattr(lost.mandate.credentials, field) != "revoke" or any(
            getattr(one.mandate.credentials, field) == "revoke"
            and lies_within(lost.mandate.who, one.mandate.who)
            for one in self.live(at)[1]
        )

    def _is_as_strict(self, new: Policy, old: Policy) -> bool:
        key = id(new), id(old)
        if key not in self._proven:
            self._proven[key] = is_as_strict(new, old)
        return self._proven[key]

    def _only(self, at: datetime) -> tuple[tuple[Policy, ...], tuple[Policy, ...]]:
        sides = self.live(at)
        key = frozenset(map(id, sides[0])), frozenset(map(id, sides[1]))  # few: instants are many
        if key not in self._differing:
            before, after = ({_terms(one): one for one in side} for side in sides)
            self._differing[key] = (
                tuple(one for terms, one in before.items() if terms not in after),
                tuple(one for terms, one in after.items() if terms not in before),
            )
        return self._differing[key]


def _terms(policy: Policy) -> tuple[Any, ...]:
    """Return what of a version decides anything; its words and its number don't."""
    words: dict[str, Any] = {"title": "", "reason": "", "link": "", "satisfies": (), "prefer": ""}
    mandate = replace(policy.mandate, **words, calendar=NO_CALENDAR, launch=None)
    return mandate, policy.is_floor_exempt, policy.pauses


def plan_change(  # noqa: PLR0913 - both sides, who is here, with what in hand, and when
    before: Timeline,
    add: Add,
    proposed: Policy,
    people: Iterable[Facts],
    now: datetime,
    *,
    tokens: Tokens | None = None,
) -> Plan:
    """Compare the mandates as they are with what they are once `proposed` holds; `add` gives them with one more version.

    `people` are streamed once, and kept only as groups of those who get the same decisions; `tokens` are their live ones.
    """
    ground = Ground(before, add(proposed), now)
    former = next((one for one in before.live_at(now) if one.name == proposed.name), None)
    parts, written = _parts(former, proposed), former.as_written.as_dict() if former else {}
    policies = (*ground.policies, *(policy for _, policy in parts if policy))
    groups = populations.group_people(people, policies, tokens)
    found = [(group, compare(ground, group)) for group in groups]
    loosenings = _loosenings(ground, found)
    touched = sum(group.count for group, change in found if change.is_any)
    return Plan(
        name=proposed.name,
        version=proposed.version,
        is_new=former is None,
        is_loosening=bool(loosenings),
        people=sum(group.count for group in groups),
        touched=touched,
        loosened=sum(group.count for group, change in found if change.looser),
        tightened=sum(group.count for group, change in found if change.tighter),
        differences=tuple(differences(written, proposed.mandate.as_dict())),
        # one alone is the whole change
        touches=tuple(
            _touch(before, add, section, policy, groups, now) if len(parts) > 1 else Touch(section, touched)
            for section, policy in parts
        ),
        forecasts=tuple(forecasts(ground, proposed, groups)),
        loosenings=loosenings,
        warnings=tuple(_warnings(proposed, groups, now)),
        refusals=tuple(_refusals(before, ground, proposed, groups)),
    )


# ---- looser, tighter


class Change(NamedTuple):
    """The first case that is allowed after and was refused before, and the first the other way round."""

    looser: Case | None = None
    tighter: Case | None = None

    @property
    def is_any(self) -> bool:
        """Tell whether anything is decided otherwise."""
        return self.looser is not None or self.tighter is not None


def compare(ground: Ground, group: Group) -> Change:
    """Compare what is decided about people of a group, by whatever they can hold in hand."""
    return _compare(ground, group, populations.likely_askings(group, ground.policies, ground.now))


def _compare(ground: Ground, group: Group, askings: Sequence[Asking], effort: Effort | None = None) -> Change:
    """Compare; with an `effort` only what gets looser is looked for, until it is spent."""
    looser = tighter = None
    for case in _cases(ground, group, askings, effort):
        before, after = (decide(case.facts, side, case.at) for side in ground.live(case.at))
        if before.verdict == after.verdict or "deny" not in {before.verdict, after.verdict}:
            continue
        if after.verdict == "deny":
            tighter = tighter or case
        elif not _is_hold_over(before, ground, case.at):
            looser = looser or case
        if looser and (tighter or effort):
            break
    return Change(looser, tighter)


def _is_hold_over(before: Decision, ground: Ground, at: datetime) -> bool:
    """Tell whether what is let go is a deletion that waited, and only because its mandate comes into force sooner."""
    _, after = ground.live(at)
    return before.code == DeletionHeld.code and any(
        one.name == before.mandate and _is_in_force(one.mandate, at) for one in after
    )


def _is_in_force(mandate: Mandate, at: datetime) -> bool:
    general = [stage.state for stage in mandate.stages if stage.at <= at and stage.who is None]
    return bool(general) and general[-1] in IN_FORCE


def _cases(ground: Ground, group: Group, askings: Sequence[Asking], effort: Effort | None) -> Iterator[Case]:
    """Yield each case that can be decided otherwise after the change.

    Where what is lost and what is gained refuse alike, both sides do, since a refusal of any mandate holds, and all
    the rest is the same. This is asked first because it spares nearly every question to both sides as a whole.
    """
    joined, has_exemptions = group.facts.person.joined_at, bool(group.facts.exemptions)
    view = View(group.facts.person, group.facts.authority)
    for at in ground.telling_instants(group):
        if joined is not None and at < joined:
            continue
        lost, gained = ground.lost(at), ground.gained(at)
        for facts in acts_asked(ground, group, askings, ground.actions, at):
            if effort is not None and not effort.spend():
                return
            seen = View(facts.person, prospective(facts)) if facts.action in GAINING else view
            was_refused = _objects(lost, facts, seen, at)
            can_differ = (was_refused or effort is None) and was_refused != _objects(gained, facts, seen, at)
            if has_exemptions or can_differ:
                yield Case(facts, at)


def _objects(policies: Sequence[Policy], facts: Facts, view: View, at: datetime) -> bool:
    return any(
        (found := objection(policy, facts, view, at)) is not None and found.is_denial for policy in policies
    )


def acts_asked(
    ground: Ground, group: Group, askings: Sequence[Asking], names: Sequence[str], at: datetime
) -> Iterator[Facts]:
    """Yield the facts of every act by every credential at an instant; a session was proven just then."""
    present = [one if one.kind == "token" else replace(one, at=at) for one in askings]
    usable = [one for one in present if one.at is not None and one.at <= at]
    for asking, name, thing in product(usable, names, group.objects):
        facts = replace(group.facts, asking=asking, action=name, object=thing)
        yield facts
        if name in HELD_ACTIONS and thing is not None:
            yield replace(facts, object=replace(thing, deletion_asked_at=ground.now))


def _is_refused(facts: Facts, policies: Sequence[Policy], at: datetime) -> bool:
    return decide(facts, policies, at).verdict == "deny"


def _loosenings(ground: Ground, found: Sequence[tuple[Group, Change]]) -> tuple[str, ...]:
    """Return examples of what was refused before and would be allowed, by people here and by those who may come."""
    spared = [*_spared_tokens(ground), *_longer_snoozes(ground)]
    seen = dict.fromkeys([*spared, *(_told(change.looser) for _, change in found if change.looser)])
    return tuple(seen)[:MOST_EXAMPLES] or _loosenings_to_come(ground, [group for group, _ in found])


def _spared_tokens(ground: Ground) -> list[str]:
    """Tell of weak tokens that would have ended for good, also for what no mandate refuses; no single answer shows that."""
    pairs = [(one, at) for at in ground.instants() for one in ground.lost(at)]
    return [
        f"tokens made {when} the announcement of {one.name}: they would no longer be revoked"
        for field, when in (("before", "before"), ("grace", "since"))
        for one in dict.fromkeys(one for one, at in pairs if not ground.keeps_revoking(one, field, at))
    ]


def _longer_snoozes(ground: Ground) -> list[str]:
    """Tell of deadlines that could be put off further than before; nobody has done so yet, so no answer shows that."""
    return [
        f"deadlines of {one.name}: they could be put off by {one.mandate.snoozing.days} days,"
        f" {one.mandate.snoozing.times} times"
        for at in ground.instants()[:1]
        for one in ground.gained(at)
        if any(
            was.name == one.name and not one.mandate.snoozing.is_within(was.mandate.snoozing)
            for was in ground.lost(at)
        )
    ]


def _told(case: Case) -> str:
    """Tell a case with who it is about: somebody here by name, somebody who may come by their roles."""
    facts = case.facts
    roles = sorted({*facts.person.roles, *(f"{one.kind}.{one.role}" for one in facts.authority)})
    return f"{facts.person.name or 'somebody'} ({', '.join(roles) or 'no role'}): {case}"


def _loosenings_to_come(ground: Ground, groups: Sequence[Group]) -> tuple[str, ...]:
    """Look among people who may come, and people here who may be told of a mandate yet.

    Where neither the words prove that nothing gets looser, nor all can be tried, it counts as loosening.
    """
    if (
        ground.is_seen_as_tightening()
    ):  # also where it is only added to: what some mandate refuses stays refused
        return ()
    are_all = populations.are_all_made_up(ground.policies)
    most = (MOST_ASKED if are_all else MOST_EXAMPLES_ASKED) // populations.weight_of(ground.policies)
    making, asking = Effort(most), Effort(most)
    found = _examples_to_come(ground, groups, making, asking)
    is_sure = are_all and not (making.is_spent or asking.is_spent)
    return found if found or is_sure else (UNSURE,)


def _examples_to_come(
    ground: Ground, groups: Sequence[Group], making: Effort, asking: Effort
) -> tuple[str, ...]:
    later = populations.told_later((group.facts for group in groups), ground.policies, ground.now, making)
    made_up = populations.made_up_people(ground.policies, ground.now, making)
    askings = populations.all_askings(ground.policies, ground.now)
    seen: dict[str, None] = {}
    for group in populations.group_people(chain(later, made_up), ground.policies):
        case = _compare(ground, group, askings, asking).looser
        if case is not None:
            seen[_told(case)] = None
        if len(seen) == MOST_EXAMPLES or asking.is_spent:
            break
    return tuple(seen)


# ---- differences


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Difference]:
    """Return field by field what two documents say differently."""
    left, right = dict(_fields(before, ())), dict(_fields(after, ()))
    return [
        Difference(path, left.get(path), right.get(path))
        for path in dict.fromkeys((*left, *right))
        if left.get(path) != right.get(path)
    ]


def _fields(body: Any, path: Path) -> Iterator[tuple[Path, Any]]:
    """Yield the values of a document; a list of texts is one value."""
    if isinstance(body, Mapping):
        for key, value in body.items():
            yield from _fields(value, (*path, key))
    elif isinstance(body, list) and any(isinstance(one, Mapping) for one in body):
        for number, value in enumerate(body):
            yield from _fields(value, (*path, number))
    else:
        yield path, body


def _parts(former: Policy | None, proposed: Policy) -> list[tuple[str, Policy | None]]:
    """Return each section that changes, with the former version changed in that alone where it can be."""
    if former is None:
        return []
    old, new = former.as_written.as_dict(), proposed.mandate.as_dict()
    return [
        (section, _changed_in(section, old, new, proposed))
        for section in SECTIONS
        if old.get(section) != new.get(section)
    ]


def _changed_in(section: str, old: dict[str, Any], new: dict[str, Any], proposed: Policy) -> Policy | None:
    document = {key: value for key, value in old.items() if key != section}
    if section in new:
        document[section] = new[section]
    try:
        mandate = read_mandate(document)
    except DocumentInvalid:
        return None
    return replace(proposed, mandate=mandate)


def _touch(  # noqa: PLR0913, PLR0917 - what a comparison is made of
    before: Timeline, add: Add, section: str, policy: Policy | None, groups: Sequence[Group], now: datetime
) -> Touch:
    if policy is None:
        return Touch(section, None)
    ground = Ground(before, add(policy), now)
    return Touch(section, sum(group.count for group in groups if compare(ground, group).is_any))


# ---- stages to come


def forecasts(ground: Ground, policy: Policy, groups: Sequence[Group]) -> list[Forecast]:
    """Count who would be refused by a mandate now, at each of its coming stages, and at the last deadline of each."""
    found = sorted(marks(ground.last_terms_of(policy), ground.now))
    told = [
        _forecast(ground, ground.terms_of(policy, at), groups, at, what) for at, what in found if at < HELD
    ]
    return [*told[:1], *_shadow_forecasts(ground, policy, groups), *told[1:]]


def _shadow_forecasts(ground: Ground, policy: Policy, groups: Sequence[Group]) -> Iterator[Forecast]:
    """Count who would be refused by each shadow that isn't over, if it were enforced."""
    shadows = policy.mandate.shadows
    ends = [*(stage.at for stage in shadows[1:]), policy.mandate.announced_at]
    for number, (stage, end) in enumerate(zip(shadows, ends, strict=False)):
        if end > ground.now:
            alone = enforced(replace(policy, mandate=replace(policy.mandate, shadows=(stage,))))
            at = max(stage.at, ground.now)
            yield _forecast(ground, alone, groups, at, f"shadow (stages[{number}])")


def marks(policy: Policy, now: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield now, each coming stage, and the last deadline of each, with what it is."""
    yield now, "now"
    mandate = policy.mandate
    for number, stage in enumerate(mandate.stages, start=len(mandate.shadows)):
        if stage.at > now:
            yield stage.at, f"{stage.state} (stages[{number}])"
        last = elapsed(stage.at, mandate.unreached_cap, policy.pauses)
        if stage.deny and last > max(now, stage.at) and not policy.is_floor_exempt:
            yield last, f"last deadline of {stage.state} (stages[{number}])"


def _forecast(ground: Ground, policy: Policy, groups: Sequence[Group], at: datetime, what: str) -> Forecast:
    covered = [group for group in groups if covers(policy, group.facts)]
    refused = [group for group in covered if is_refused_by(ground, policy, group, at)]
    exempt = [group for group in covered if is_exempt(policy, group.facts, at)]
    return Forecast(
        at=at,
        what=what,
        covered=sum(group.count for group in covered),
        compliant=sum(group.count for group in covered if is_compliant(policy.mandate, group.facts.person)),
        exempt=sum(group.count for group in exempt),
        refused=sum(group.count for group in refused),
        first_refused=tuple(name for group in refused for name in group.names)[:MOST_EXAMPLES],
    )


def is_exempt(policy: Policy, facts: Facts, at: datetime) -> bool:
    """Tell whether somebody is exempt from this version at an instant."""
    return any(
        one.mandate == policy.name
        and one.version in {None, policy.version}
        and (one.since or at) <= at < one.until
        for one in facts.exemptions
    )


def is_refused_by(ground: Ground, policy: Policy, group: Group, at: datetime) -> bool:
    """Tell whether a mandate refuses people of a group anything by the most that they can prove.

    What they have already is meant: that a project can't be begun, a last factor not be removed, and that a deletion
    waits, isn't counted.
    """
    names = [name for name in ground.actions if name not in GAINING]
    asked = acts_asked(ground, group, [group.best], names, at)
    return any(denies(policy, facts, at) for facts in asked)


def denies(policy: Policy, facts: Facts, at: datetime) -> bool:
    """Tell whether a mandate refuses an act for what was proven; that a factor stays and a deletion waits isn't counted."""
    if facts.action == REMOVE_LAST:
        return False
    found = objection(policy, facts, View(facts.person, facts.authority), at)
    return found is not None and found.is_denial and found.why in {"weak", "publisher"}


# ---- what to warn of, what to refuse


def _warnings(policy: Policy, groups: Sequence[Group], now: datetime) -> Iterator[Remark]:
    mandate = policy.mandate
    for number, stage in enumerate((*mandate.shadows, *mandate.stages)):
        if stage.at < now:
            yield Remark(("stages", number, "at"), f"{_written(stage.at)} is past; the stage begins at once")
        if stage.who is not None and not _matches_anybody(policy, stage.who, groups):
            yield Remark(("stages", number, "who"), "nobody is in this set now")
    yield from _schedule_warnings(policy.mandate, now)
    if not any(covers(policy, group.facts) for group in groups):
        yield Remark(("who",), "nobody is in this set now")
    ends, enforced_at = policy.mandate.credentials, _enforced_at(policy.mandate)
    if ends.before == "expire" and ends.at is not None and enforced_at is not None and ends.at > enforced_at:
        yield Remark(("credentials", "at"), f"older tokens outlive the stage of {_written(enforced_at)}")
    if mandate.shadows and (ends_at := shadow_of(policy, now).ends) < mandate.announced_at:
        yield Remark(("stages",), f"nothing is counted in its shadow from {_written(ends_at)} on")
    yield from _no_brownout(policy, groups, now)
    if _rests_on_own_word(policy.mandate):
        yield Remark(
            ("methods", "accept"),
            "whether a key can leave its device is the key's own word; a mandate doesn't ask its maker (attestation)",
        )


def _schedule_warnings(mandate: Mandate, now: datetime) -> Iterator[Remark]:
    """Tell of bad days that are meant to be, and of guards that a launch doesn't ask for."""
    if mandate.calendar.override:
        for one in bad_days(mandate, now):
            yield Remark(
                ("stages", one.number, "at"),
                f"begins to refuse something on {one.day}, which is {one.objection}: {mandate.calendar.override}",
            )
    left_out = [name for name in USUAL_GUARDS if mandate.launch and name not in mandate.launch.requires]
    if left_out:
        yield Remark(("launch", "requires"), f"a launch wouldn't ask for {', '.join(left_out)}")


def _no_brownout(policy: Policy, groups: Sequence[Group], now: datetime) -> Iterator[Remark]:
    """Warn where people who publish by weak tokens alone, and so see no page, get no brownout before they are refused (N3)."""
    mandate = policy.mandate
    begins = _publishing_ends(mandate)
    if begins is None or begins <= now or policy.is_floor_exempt:
        return
    weak = sum(group.count for group in groups if _has_weak_token(policy, group))
    is_foreseen = any(one.state == "brownout" and now < one.at < begins for one in mandate.stages)
    if weak and not is_foreseen:
        yield Remark(
            ("stages",),
            f"{weak:,} people have tokens below the accepted strength; whoever only publishes reads no notice here,"
            f" so let a brownout come before {_written(begins)}",
        )


def _publishing_ends(mandate: Mandate) -> datetime | None:
    """Return when the first lasting stage begins that refuses uploads to everybody covered."""
    return min(
        (
            one.at
            for one in mandate.stages
            if one.who is None and one.state != "brownout" and not one.deny.isdisjoint(_BY_TOKEN[:1])
        ),
        default=None,
    )


def _has_weak_token(policy: Policy, group: Group) -> bool:
    facts = (replace(group.facts, asking=one, action="release.upload") for one in group.tokens)
    return covers(policy, group.facts) and any(not satisfies(policy.mandate, one) for one in facts)


def _rests_on_own_word(mandate: Mandate) -> bool:
    """Tell whether it matters to a mandate that a key is bound to its device: it doesn't take every key anyway."""
    return "device-bound" in mandate.accept and not mandate.proofs >= PHISHING_RESISTANT_METHODS


def _matches_anybody(policy: Policy, who: Selector, groups: Sequence[Group]) -> bool:
    announced = policy.mandate.announced_at
    return any(who.matches(View(one.facts.person, one.facts.authority, announced)) for one in groups)


def _refusals(before: Timeline, ground: Ground, policy: Policy, groups: Sequence[Group]) -> Iterator[Remark]:
    if policy.name in TAKEN_NAMES:
        yield Remark(("name",), f"no mandate can be called {policy.name}")
    yield from _bad_replacements(before, policy, ground.now)
    yield from _outlives_enforcement(policy.mandate)
    yield from _dated_before_a_pause(before, policy, ground.now)
    yield from _on_bad_days(before, policy, ground.now)
    yield from _too_soon(before, ground, policy, groups)
    yield from _locked_out(ground, groups)


def _bad_replacements(before: Timeline, policy: Policy, now: datetime) -> Iterator[Remark]:
    """Refuse names that aren't there, and mandates that would replace each other, so that none of them holds."""
    newest = {one.name: one for at, one in before.versions if at <= now} | {
        one.name: one for one in before.live_at(now)
    }
    for name in policy.mandate.replaces:
        if name not in newest:
            yield Remark(("replaces",), f"there is no mandate {name}")
        elif _leads_to(name, policy.name, newest):
            yield Remark(("replaces",), f"{name} itself replaces {policy.name}")


def _on_bad_days(before: Timeline, policy: Policy, now: datetime) -> Iterator[Remark]:
    """Refuse to begin refusing something when nobody would be there to help (N1); what holds can be said again."""
    mandate = policy.mandate
    holds = any(one.as_written.digest == mandate.digest for one in before.live_at(now))
    if not holds and not mandate.calendar.override:
        for one in bad_days(mandate, now):
            yield Remark(("stages", one.number, "at"), str(one))


def _leads_to(name: str, target: str, newest: Mapping[str, Policy]) -> bool:
    waiting, seen = [name], set[str]()
    while waiting:
        found = waiting.pop()
        if found == target:
            return True
        if found in newest and found not in seen:
            seen.add(found)
            waiting.extend(newest[found].mandate.replaces)
    return False


def _dated_before_a_pause(before: Timeline, policy: Policy, now: datetime) -> Iterator[Remark]:
    """Refuse a new version with the dates from before a pause: deadlines would come sooner than people were told."""
    former = next((one for one in before.live_at(now) if one.name == policy.name and one.original), None)
    if former is None or former.is_paused or former.as_written.digest == policy.mandate.digest:
        return
    written = {stage.at for stage in former.as_written.stages}
    holding = {stage.at for stage in former.mandate.stages}
    for number, stage in enumerate(policy.mandate.stages, start=len(policy.mandate.shadows)):
        if stage.at in written - holding:
            moved = min((at for at in holding if at > stage.at), default=stage.at)
            reason = f"{_written(stage.at)} is the date from before a pause; now it is {_written(moved)} at the earliest"
            yield Remark(("stages", number, "at"), reason)


def _outlives_enforcement(mandate: Mandate) -> Iterator[Remark]:
    """Refuse what would let a token of the grace period live on once everybody is refused (A6)."""
    ends, enforced_at = mandate.credentials, _enforced_at(mandate)
    if ends.grace == "expire" and ends.at is not None and enforced_at is not None and ends.at > enforced_at:
        yield Remark(
            ("credentials", "at"),
            "tokens made since the announcement would outlive the stage that refuses,"
            f" which begins at {_written(enforced_at)}; `expire` must not be later",
        )


def _enforced_at(mandate: Mandate) -> datetime | None:
    """Return when the first lasting stage begins that refuses more than to shed the last factor; a general one first."""
    lasting = [one for one in mandate.stages if one.state != "brownout" and one.deny - {REMOVE_LAST}]
    general = [one.at for one in lasting if one.who is None]
    return min(general or [one.at for one in lasting], default=None)


def _floor_kept(before: Timeline, policy: Policy, now: datetime) -> tuple[datetime, int]:
    """Return before when nobody may be gated anew, and by a floor of how many days.

    A version that lowers the floor is itself one that people must be told of: the floors of former versions, and of what
    is replaced, hold for as long as they are after the last instant of that version.
    """
    floors = [(now + policy.mandate.floor, policy.mandate.floor.days)]
    names = {policy.name, *policy.mandate.replaces}
    past = [(at, one) for at, one in before.versions if one.name in names and at <= now]
    for number, (_, one) in enumerate(past):
        ends = [at for at, later in past[number + 1 :] if later.name == one.name]
        floors.append((min(ends, default=now) + one.mandate.floor, one.mandate.floor.days))
    return max(floors)


def _too_soon(before: Timeline, ground: Ground, policy: Policy, groups: Sequence[Group]) -> Iterator[Remark]:
    """Refuse what would gate somebody who is covered now sooner than the notice floor after they were told of it."""
    if policy.is_floor_exempt:
        return
    earliest, days = _floor_kept(before, policy, ground.now)
    found = ((group, _gated_before(ground, policy, group, earliest)) for group in groups)
    gated = [(group, at) for group, at in found if at is not None]
    if gated:
        count = sum(group.count for group, _ in gated)
        people = sum(group.count for group in groups)
        names = [name for group, _ in gated for name in group.names][:MOST_EXAMPLES]
        first = min(at for _, at in gated)
        yield Remark(
            NOTICE_PATH,
            f"{count:,} of {people:,} people would be refused from {_written(first)} on, less than"
            f" {days} days after their notice: {', '.join(names)}",
        )


def _gated_before(ground: Ground, policy: Policy, group: Group, earliest: datetime) -> datetime | None:
    # notices that were delivered told of what held until now; of these terms nobody can have been told before (C2)
    names = [name for name in ground.actions if name not in GAINING]
    for at in ground.instants(group):
        if at >= earliest:
            return None
        (before, _), terms = ground.live(at), ground.terms_of(policy, at)
        in_session = acts_asked(ground, group, [group.best], names, at)
        for facts in chain(in_session, acts_asked(ground, group, group.tokens, _BY_TOKEN, at)):
            if denies(terms, facts, at) and not _is_refused(facts, before, at):
                return at
    return None


def _locked_out(ground: Ground, groups: Sequence[Group]) -> Iterator[Remark]:
    """Refuse what would leave no operator who could approve anything, with what they have enrolled."""
    operators = [one for one in groups if "operator" in one.facts.person.roles]
    points = {at for group in operators for at in ground.telling_instants(group)}
    for at in sorted(points):
        before, after = ground.live(at)
        if _can_any_approve(ground, operators, before, at) and not _can_any_approve(
            ground, operators, after, at
        ):
            yield Remark(
                ("methods", "accept"),
                f"no operator could act any more from {_written(at)} on, with the factors that they have now",
            )
            return


def _can_any_approve(
    ground: Ground, operators: Sequence[Group], policies: Sequence[Policy], at: datetime
) -> bool:
    facts = (one for group in operators for one in acts_asked(ground, group, [group.best], [_APPROVING], at))
    return any(not _is_refused(one, policies, at) for one in facts)
