"""What is asked of one person: by which mandate, since when, until when, whether they comply, and the one next step.

All of it comes from the rules that the gate asks, so that a page promises nothing the gate doesn't keep.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

from django.http import HttpRequest

from keyhouse.core import clock
from keyhouse.core.actions import CATALOGUE, REMOVE_LAST, Action
from keyhouse.core.actor import Actor
from keyhouse.mandate import places, queries, shown, snoozing, words
from keyhouse.mandate.condensing import condensed, is_condensed
from keyhouse.mandate.declarations import Place
from keyhouse.mandate.defaults import BEGINNING
from keyhouse.mandate.documents import METHODS, Mandate, read_mandate
from keyhouse.mandate.facts import NEEDING_FACTOR, Asking, Authority, Facts, Object, held_since
from keyhouse.mandate.places import There
from keyhouse.mandate.rules import (
    FLOOR,
    GAINING,
    OF_A_JOB,
    Objection,
    Policy,
    covers,
    is_compliant,
    objection,
    prospective,
    satisfies,
)
from keyhouse.mandate.selectors import View
from keyhouse.mandate.snoozing import Offer
from keyhouse.projects.rules import MAINTAINER, OWNER, ROLE_ACTIONS

ADD_FACTOR: Final = "/account/second-factors/add/"
FACTORS: Final = "/account/second-factors/"
STEP_UP: Final = "/account/step-up/"
ACCOUNT: Final = "/account/"
_FAR: Final = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Step:
    """The one thing to do next, and the page where it is done."""

    text: str
    path: str
    label: str


@dataclass(frozen=True, slots=True)
class Effect:
    """What a mandate does to somebody who lacks what it asks: these acts are refused since `at`, or from then on.

    `at` is None where a warning has no day yet. `projects` names those it is about, where others fare otherwise.
    """

    is_refused: bool
    at: datetime | None
    acts: tuple[str, ...]  # what the catalogue says of them
    projects: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One live mandate as it concerns one person; `since` and `until` are theirs, not the schedule's."""

    policy: Policy
    is_met: bool
    exempt_until: datetime | None
    since: datetime | None
    until: datetime | None
    effects: tuple[Effect, ...]
    snooze: Offer | None = None
    snoozed_until: datetime | None = None

    @property
    def mandate(self) -> Mandate:
        """Return the mandate itself."""
        return self.policy.mandate

    @property
    def is_floor(self) -> bool:
        """Whether it is the operators' floor, which is no mandate: nobody made it, and nothing lowers it."""
        return self.policy is FLOOR_POLICY

    @property
    def accepts(self) -> str:
        """Say what it accepts."""
        return words.accepted(self.mandate)

    @property
    def is_from_the_beginning(self) -> bool:
        """Whether it has held for as long as this index exists."""
        return self.mandate.announced_at <= BEGINNING

    @property
    def is_open(self) -> bool:
        """Whether something is still to be done about it."""
        return not self.is_met and self.exempt_until is None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        mandate = self.mandate
        return {
            "mandate": mandate.name,
            "version": None if self.is_floor else self.policy.version,
            "title": mandate.title,
            "reason": mandate.reason,
            "link": mandate.link or None,
            "accept": sorted(mandate.accept, key=METHODS.index),
            "prefer": mandate.prefer,
            "announced_at": clock.format_instant(mandate.announced_at),
            "is_met": self.is_met,
            "exempt_until": clock.format_if_any(self.exempt_until),
            "since": clock.format_if_any(self.since),
            "until": clock.format_if_any(self.until),
            "snooze": self.snooze.as_dict() if self.snooze else None,
            "snoozed_until": clock.format_if_any(self.snoozed_until),
            "effects": [
                {
                    "refused": one.is_refused,
                    "at": clock.format_if_any(one.at),
                    "acts": list(one.acts),
                    "projects": list(one.projects) or None,
                }
                for one in self.effects
            ],
        }


@dataclass(frozen=True, slots=True)
class Standing:
    """Everything that is asked of one person, the most pressing first, and what else is live."""

    asked: tuple[Asked, ...]
    others: tuple[Policy, ...]
    step: Step | None

    @property
    def is_met(self) -> bool:
        """Whether they have all that is asked of them; whoever is exempt has not (E1)."""
        return all(one.is_met for one in self.asked)

    @property
    def exempt_until(self) -> datetime | None:
        """Return when the first exemption from something that they don't have ends, or None."""
        return min(
            (one.exempt_until for one in self.asked if one.exempt_until and not one.is_met), default=None
        )

    @property
    def open(self) -> tuple[Asked, ...]:
        """Return what is still to be done."""
        return tuple(one for one in self.asked if one.is_open)

    @property
    def since(self) -> datetime | None:
        """Return from when on something is refused, or None."""
        return min((one.since for one in self.open if one.since), default=None)

    @property
    def until(self) -> datetime | None:
        """Return when something will be refused, or None."""
        return min((one.until for one in self.open if one.until), default=None)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        step = self.step
        return {
            "is_met": self.is_met,
            "next": {"text": step.text, "path": step.path} if step else None,
            "asked": [one.as_dict() for one in self.asked],
            "others": [{"mandate": one.name, "title": one.mandate.title} for one in self.others],
        }


def read_standing(actor: Actor, now: datetime) -> Standing:
    """Return what is asked of whoever is signed in; raises DatabaseError."""
    facts, policies, mine = _read(actor, now)
    return standing_of(facts, policies, now, asked_in(mine, facts, now))


def shown_standing(request: HttpRequest, actor: Actor, now: datetime) -> Standing:
    """Return what is asked of somebody for a page that shows it: what is still open counts as told from here on."""
    facts, policies, mine = _read(actor, now)
    standing = standing_of(facts, policies, now, asked_in(mine, facts, now))
    names = [one.policy.notice_name for one in standing.open]
    if not shown.is_page(request) or not names:
        return standing
    shown.show(request, names)
    told = facts.once_told(names, now)
    return standing_of(told, policies, now, asked_in(mine, told, now))


def _read(actor: Actor, now: datetime) -> tuple[Facts, tuple[Policy, ...], list[There]]:
    """Return what a standing is made of; of rights of which there are very many, each only where it can tell anything."""
    basis, mine = queries.basis_of(actor, None, now), _places_of(actor.user_id)
    if is_condensed(basis.standing.authority):
        asking = [*basis.policies, *(one for place, _ in mine for one in place.policies(now))]
        if not all(is_compliant(one.mandate, basis.person) for one in asking):
            basis = queries.basis_of(actor, None, now, is_whole=True)
    return basis.facts(""), basis.policies, mine


def standing_of(
    facts: Facts, policies: Iterable[Policy], now: datetime, there: Sequence[Asked] = ()
) -> Standing:
    """Return what live mandates ask of the person of these facts, in the session that asks.

    `there`: what organizations ask of them beside that, as `asked_in` found it.
    """
    known = tuple(policies)
    mine = [one for one in known if one.mandate.announced_at <= now and covers(one, facts)]
    found = [*[_asked(one, facts, now) for one in mine], *_floor(facts), *there]
    asked = tuple(sorted(found, key=_urgency))
    others = tuple(one for one in known if one not in mine)
    return Standing(asked, others, _next_step(asked, facts))


def _urgency(one: Asked) -> tuple[bool, datetime, str]:
    return not one.is_open, one.since or one.until or _FAR, one.policy.name


def _floor(facts: Facts) -> list[Asked]:
    """Return what the operators' floor asks, which no mandate and no exemption changes."""
    if NEEDING_FACTOR.isdisjoint(facts.person.roles):
        return []
    is_met = bool(facts.person.factors)
    acts = tuple(sorted(action.summary for action in _acts_of(facts)))
    effects = () if is_met else (Effect(is_refused=True, at=BEGINNING, acts=acts),)
    return [Asked(FLOOR_POLICY, is_met, None, None if is_met else BEGINNING, None, effects)]


# The floor as a page shows it; the gate has a rule of its own for it.
FLOOR_POLICY: Final = Policy(
    read_mandate(
        {
            "name": FLOOR,
            "title": "A second factor for operators, moderators and auditors",
            "reason": "Whoever rules the index holds one, whatever any mandate or exemption says.",
            "who": {"role": sorted(NEEDING_FACTOR)},
            "methods": {"accept": ["security-key", "passkey", "authenticator-app"], "prefer": "security-key"},
            "notice": {"floor_days": 0, "unreached_cap_days": 0},
            "stages": [{"state": "enforced", "at": BEGINNING, "deny": ["all"]}],
        }
    ),
    is_floor_exempt=True,
)


def _asked(policy: Policy, facts: Facts, now: datetime) -> Asked:
    is_met = is_compliant(policy.mandate, facts.person)
    effects = () if is_met else tuple(_effects(policy, facts, now))
    mine = [one for one in effects if not _GAINED.issuperset(one.acts)] or list(effects)
    since = min((one.at for one in mine if one.is_refused and one.at), default=None)
    until = min((one.at for one in mine if not one.is_refused and one.at), default=None)
    taken = snoozing.taken(policy.mandate, facts, now)[: policy.mandate.snoozing.times]
    return Asked(
        policy,
        is_met,
        _exempt_until(policy, facts, now),
        since,
        until,
        effects,
        snoozing.offer(policy, facts, since or until, now),
        max(taken, default=None),
    )


def _places_of(user_id: int | None) -> list[There]:
    return [] if user_id is None else places.places_of(user_id)


def asked_in(mine: Iterable[There], facts: Facts, now: datetime) -> list[Asked]:
    """Return what these organizations ask of the person of these facts, with what they may act on there."""
    return [one for place, things in mine for one in asked_within(place, facts, things, now)]


def asked_within(place: Place, facts: Facts, things: Sequence[Object], now: datetime) -> list[Asked]:
    """Return what one organization asks of the person of these facts; `things`: itself and its projects, as theirs.

    While the newest version still gives them days, what a former one refuses them is told, too.
    """
    if not things:
        return []
    asking = place.asking(now)
    found = [_asked_there(one, facts, things, now) for one in asking]
    if any(not effect.is_refused for one in found[:1] for effect in one.effects):
        former = [one for one in place.policies(now) if one not in asking]
        found += [one for one in (_asked_there(each, facts, things, now) for each in former) if one.since]
    return found


def entries_by_thing(facts: Facts) -> dict[tuple[str, str], tuple[Authority, ...]]:
    """Return authority by kind and name of the project or organization that it is over, as `entries_of_object` finds it."""
    found: dict[tuple[str, str], list[Authority]] = defaultdict(list)
    for one in facts.authority:
        found["organization" if one.kind == "organization" else "project", one.name].append(one)
    return {key: tuple(entries) for key, entries in found.items()}


def _with_authority_over(facts: Facts, things: Sequence[Object]) -> Facts:
    names = {(one.kind == "organization", one.name) for one in things}
    mine = tuple(one for one in facts.authority if (one.kind == "organization", one.name) in names)
    return replace(facts, authority=mine)


def acting_there(facts: Facts, things: Sequence[Object]) -> Iterator[Facts]:
    """Yield the facts of somebody who would act on each of the things of an organization, with what they hold that by.

    That is their authority over the thing, and over the organization: nothing else there tells things apart.
    """
    mine = _with_authority_over(facts, things)
    held = entries_by_thing(mine)
    own = tuple(one for one in mine.authority if one.kind == "organization")
    for thing in things:
        action = _CHANGING if thing.kind == "organization" else _PUBLISHING
        entries = held.get((thing.kind, thing.name))
        if entries is None:
            authority = mine.authority
        else:
            authority = own if thing.kind == "organization" else (*own, *entries)
        yield replace(mine, object=thing, action=action, authority=authority)


def _asked_there(policy: Policy, facts: Facts, things: Sequence[Object], now: datetime) -> Asked:
    is_met = is_compliant(policy.mandate, facts.person)
    effects = () if is_met else tuple(_effects_there(policy, facts, things, now))
    since = min((one.at for one in effects if one.is_refused and one.at), default=None)
    until = min((one.at for one in effects if not one.is_refused and one.at), default=None)
    return Asked(policy, is_met, None, since, until, effects)


def _effects_there(policy: Policy, facts: Facts, things: Sequence[Object], now: datetime) -> Iterable[Effect]:
    """Yield since when, or from when on, they can't act on the organization and on which of its projects."""
    found: dict[tuple[bool, datetime | None], list[Object]] = defaultdict(list)
    for thing, about in zip(things, acting_there(facts, things), strict=True):
        against = _objection(policy, about, about.action, now)
        if against is not None:
            found[against.is_denial, against.at].append(thing)
    for (is_refused, at), some in sorted(
        found.items(), key=lambda pair: (not pair[0][0], pair[0][1] or _FAR)
    ):
        projects = tuple(one.name for one in some if one.kind == "project")
        acts = (f"Act on the organization {policy.organization}",) if len(some) > len(projects) else ()
        yield Effect(is_refused, at, (*acts, "Act on projects of it") if projects else acts, projects)


_CHANGING: Final = "organization.describe"
_PUBLISHING: Final = "release.publish"
_GAINED: Final = frozenset(CATALOGUE[name].summary for name in GAINING)


def _exempt_until(policy: Policy, facts: Facts, now: datetime) -> datetime | None:
    ends = [
        one.until
        for one in facts.exemptions
        if one.mandate == policy.name
        and one.version in {None, policy.version}
        and (one.since is None or one.since <= now)
        and now < one.until
    ]
    return max(ends, default=None)


def _effects(policy: Policy, facts: Facts, now: datetime) -> Iterable[Effect]:
    """Yield what becomes of the acts of a session that proved a password only, by instant and by project."""
    found: dict[_Fate, list[str]] = defaultdict(list)
    alike = _projects_alike(policy, facts)
    told = {*policy.mandate.projects, *(names[0] for names in alike)}
    few = replace(facts, authority=condensed(facts.authority, facts.person.joined_at, told))
    for action in _acts_of(facts):
        for fate in _fates(policy, few, action.name, alike, now):
            found[fate].append(action.summary)
    for (is_refused, at, projects), acts in sorted(found.items(), key=_place_of):
        yield Effect(is_refused, at, tuple(sorted(acts)), projects)


_Fate = tuple[bool, datetime | None, tuple[str, ...]]  # refused or not, since or from when on, which projects


def _fates(
    policy: Policy, facts: Facts, action: str, alike: Sequence[tuple[str, ...]], now: datetime
) -> Iterable[_Fate]:
    """Yield what becomes of one act; of one on projects, of each kind of them: one gained lately has no grace."""
    if action not in _ON_PROJECTS or not alike:
        against = _objection(policy, facts, action, now)
        if against is not None:
            yield against.is_denial, against.at, ()
        return
    found: dict[tuple[bool, datetime | None] | None, list[str]] = defaultdict(list)
    for names in alike:
        against = _objection(policy, replace(facts, object=Object("project", names[0])), action, now)
        found[None if against is None else (against.is_denial, against.at)] += names
    for told, projects in found.items():
        if told is not None:
            yield *told, (tuple(sorted(projects)) if len(found) > 1 else ())


_ON_PROJECTS: Final = frozenset({*ROLE_ACTIONS[OWNER], *ROLE_ACTIONS[MAINTAINER]})


def _projects_alike(policy: Policy, facts: Facts) -> list[tuple[str, ...]]:
    """Return the projects of somebody, together those of which a mandate gives the same grace: that tells them apart alone."""
    held, projects = entries_by_thing(facts), {one.name for one in facts.authority if one.kind == "project"}
    found: dict[tuple[bool, bool], list[str]] = defaultdict(list)
    for name in sorted(projects):
        since, is_late = held_since(held["project", name], facts.person.joined_at)
        found[since is not None and since < policy.mandate.announced_at, is_late].append(name)
    return [tuple(names) for names in found.values()]


def _place_of(pair: tuple[_Fate, list[str]]) -> tuple[bool, datetime, tuple[str, ...]]:
    (is_refused, at, projects), _ = pair
    return not is_refused, at or _FAR, projects


def _acts_of(facts: Facts) -> list[Action]:
    offices = set(facts.person.roles)
    return [
        action
        for name, action in CATALOGUE.items()
        if action.gated
        and name != REMOVE_LAST
        and name not in OF_A_JOB
        and (not action.offices or offices & action.offices)
    ]


def _objection(policy: Policy, facts: Facts, action: str, now: datetime) -> Objection | None:
    asked = replace(facts, action=action, asking=Asking("session", frozenset({"password"}), at=now))
    return objection(policy, asked, View(asked.person, prospective(asked)), now, counts_holds=False)


def _next_step(asked: Sequence[Asked], facts: Facts) -> Step | None:
    for one in asked:
        if one.is_open:
            return _step_for(one.mandate, facts)
        is_proven = satisfies(one.mandate, facts)
        if one.is_met and not is_proven and facts.asking.kind == "session":
            text = "You signed in without the second factor that is asked of you."
            return Step(text, STEP_UP, "Prove your second factor")
    return None


def _step_for(mandate: Mandate, facts: Facts) -> Step:
    if not facts.person.verified_email and mandate.name != FLOOR:
        text = "Your primary e-mail address is not verified. Ask the operators of this index."
        return Step(text, ACCOUNT, "Look at your account")
    if "authenticator-app" in mandate.accept:
        text = "Set up an authenticator app, or better a security key; it takes two minutes."
        return Step(text, ADD_FACTOR, "Set it up")
    return Step(f"Set up {words.accepted(mandate)}.", FACTORS, "See your second factors")
