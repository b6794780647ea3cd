"""Who and what a comparison of mandates asks about: people grouped, made-up people, credentials, acts, instants. Pure.

`rules.decide` looks at little of a person: which sets they are in, when their deadlines are, in what state the account
is. People alike in all of that get the same decisions, so one of them is asked for all.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, product
from math import prod
from typing import Any, Final

from keyhouse.core.actions import CATALOGUE, REMOVE_LAST, Action
from keyhouse.core.actor import SECOND_FACTOR_METHODS
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.facts import NEEDING_FACTOR, Asking, Authority, Facts, Notice, Object, Person
from keyhouse.mandate.once import Once
from keyhouse.mandate.pauses import elapsed
from keyhouse.mandate.rules import (
    FOUNDING,
    GAINING,
    HELD_ACTIONS,
    OPEN_WHILE_HELD,
    UPLOADS,
    Policy,
    deadline,
    is_accepted,
)
from keyhouse.mandate.selectors import (
    Cohort,
    Everyone,
    HasRole,
    JoinedFrom,
    Named,
    OfCriticalProjects,
    OfOrganizations,
    OfProjects,
    Selector,
    View,
    leaves,
)

MOST_NAMED: Final = 5  # of a group, told as examples
TICK: Final = timedelta(microseconds=1)
_HOUR: Final = timedelta(hours=1)
_FAR: Final = datetime.max.replace(tzinfo=UTC) - timedelta(days=1)
_LONG_AGO: Final = datetime(1990, 1, 1, tzinfo=UTC)
_FAMILIAR: Final = ("release.upload", "project.manage", "token.mint", "project.create")
_MIXED_FULLY: Final = 7  # so many traits are mixed in every way: 128 mixes
_IDS_TRIED: Final = 4000  # made-up ids among which cohorts look for members and others
_PER_STANDING: Final = 4  # what it costs to make somebody up, counted in questions to a mandate
_PER_PERSON: Final = 4
_STAGES_OF_A_QUESTION: Final = 4
_WHOLE: Final = 100  # per cent

# What a session or the session behind a token can have proven: (proofs, device-bound).
PROVEN: Final = (
    (frozenset({"password"}), False),
    (frozenset({"password", "totp"}), False),
    (frozenset({"password", "webauthn"}), False),
    (frozenset({"passkey"}), False),
    (frozenset({"password", "webauthn"}), True),
    (frozenset({"passkey"}), True),
)
PROOF_OF_FACTOR: Final = {"authenticator-app": "totp", "security-key": "webauthn", "passkey": "passkey"}


Tokens = Mapping[str, Collection[Asking]]  # live ones, by the id of the person


class Effort:
    """So much may be asked, and no more: what people write must not keep an index busy for long."""

    def __init__(self, most: int) -> None:
        """Take how much, counted in questions to a mandate."""
        self._left = most

    def spend(self, count: int = 1) -> bool:
        """Tell whether so much is left, and take it."""
        self._left -= count
        return self._left >= 0

    @property
    def is_spent(self) -> bool:
        """Whether more was asked for than is allowed."""
        return self._left < 0


@dataclass(slots=True)
class Group:
    """People who get the same decisions: one of them, how many they are, some names, and when their deadlines are.

    `tokens` are live ones that each of them has, one of those that no policy tells apart.
    """

    facts: Facts
    objects: tuple[Object | None, ...]
    deadlines: frozenset[datetime]
    tokens: tuple[Asking, ...] = ()
    count: int = 0
    names: tuple[str, ...] = ()

    @property
    def best(self) -> Asking:
        """Return a session that proved everything the person has enrolled."""
        return best_session(self.facts.person)


def best_session(person: Person) -> Asking:
    """Return a session that proved everything somebody has enrolled."""
    proofs = {"password"} | {PROOF_OF_FACTOR[factor] for factor in person.factors}
    return Asking("session", frozenset(proofs), device_bound=person.has_device_bound)


def group_people(
    people: Iterable[Facts], policies: Sequence[Policy], tokens: Tokens | None = None
) -> list[Group]:
    """Put people together who get the same decisions from any of these policies, whatever they do and when.

    Notices count as delivered at the next full hour, so that those delivered in one hour stay together.
    """
    groups: dict[Any, Group] = {}
    announced, sets = {policy.mandate.announced_at for policy in policies}, _Sets(policies)
    for one in people:
        facts = _rounded(one, announced)
        names = _classes_of_names(facts, policies)
        times = tuple(_deadlines(facts, policy) for policy in policies)
        held = _classes_of_tokens((tokens or {}).get(facts.person.id, ()), policies)
        key = (_about_person(facts, sets), times, frozenset(names), frozenset(held))
        group = groups.get(key)
        if group is None:
            objects = (None, *names.values())
            group = groups[key] = Group(
                facts, objects, _all_instants(times, names, facts), tuple(held.values())
            )
        group.count += 1
        if len(group.names) < MOST_NAMED:
            group.names = (*group.names, facts.person.known_as)
    return list(groups.values())


def _rounded(facts: Facts, announced: Iterable[datetime]) -> Facts:
    if not facts.notices:
        return facts
    told = tuple(replace(one, delivered_at=_next_hour(one.delivered_at, announced)) for one in facts.notices)
    return replace(facts, notices=told)


def likeness(facts: Facts, policies: Sequence[Policy]) -> Any:
    """Return what these policies see in somebody; people of whom that is equal get the same decisions and deadlines."""
    times = tuple(_deadlines(facts, policy) for policy in policies)
    return _about_person(facts, _Sets(policies)), times, frozenset(_classes_of_names(facts, policies))


def _next_hour(at: datetime, announced: Iterable[datetime]) -> datetime:
    """Return the next full hour, or the instant itself where a mandate is announced in between: that tells notices apart."""
    full = at.replace(minute=0, second=0, microsecond=0)
    later = full if full == at else full + _HOUR
    return at if any(at < one <= later for one in announced) else later


def _about_person(facts: Facts, sets: _Sets) -> tuple[Any, ...]:
    person = facts.person
    return (
        person.state,
        person.verified_email,
        person.factors,
        person.has_device_bound,
        not NEEDING_FACTOR.isdisjoint(person.roles),
        sets.of(facts),
        frozenset(facts.exemptions) if facts.exemptions else frozenset(),
    )


class _Sets:
    """In which of the sets that some policies name people are, now and by what an act can give them.

    Worked out once for all who look alike to the sets; where one tells people apart by themselves, for each.
    """

    def __init__(self, policies: Sequence[Policy]) -> None:
        self._policies = policies
        self._known: dict[Any, tuple[Any, ...]] = {}

    @Once
    def _leaves(self) -> list[Selector]:
        named = (one for policy in self._policies for one in _selectors(policy.mandate))
        return [leaf for one in named for leaf in leaves(one)]

    @Once
    def _is_by_roles(self) -> bool:
        """Tell whether these sets see nothing in somebody but the roles they have, and where."""
        return all(isinstance(leaf, _BY_ROLES) for leaf in self._leaves)

    @Once
    def _names(self) -> frozenset[str]:
        named = (leaf.names for leaf in self._leaves if isinstance(leaf, OfProjects | OfOrganizations))
        return frozenset().union(*named)

    def of(self, facts: Facts) -> tuple[Any, ...]:
        """Return of each policy in which sets somebody is."""
        if not self._is_by_roles:
            return self._work_out(facts)
        view, names = View(facts.person, facts.authority), self._names
        where = (view.projects & names, view.organizations & names) if names else ()
        key = view.roles, view.criteria, where
        found = self._known.get(key)
        if found is None:
            found = self._known[key] = self._work_out(facts)
        return found

    def _work_out(self, facts: Facts) -> tuple[Any, ...]:
        person, authority = facts.person, facts.authority
        gained = [
            View(person, (*authority, *(Authority(kind, "", role, None, "prospective") for role in roles)))
            for kind, roles in _GAINED
        ]
        views = (View(person, authority), *gained)
        return tuple(tuple(_memberships(one.mandate, seen) for seen in views) for one in self._policies)


_BY_ROLES: Final = (Everyone, HasRole, OfProjects, OfOrganizations, OfCriticalProjects)
# What an act can give before it is done: a first upload, an invitation into a project, an organization, one into that.
_GAINED: Final = (
    ("project", ("owner",)),
    ("project", ("owner", "maintainer")),
    ("organization", ("owner",)),
    ("organization", ("owner", "manager", "member")),
)


def _memberships(mandate: Mandate, view: View) -> tuple[bool, ...]:
    """Tell of each set that a mandate names whether the person is in it."""
    view = view.at(mandate.announced_at)
    return tuple(one.matches(view) for one in _selectors(mandate))


def _selectors(mandate: Mandate) -> Iterator[Selector]:
    yield mandate.who
    yield from (stage.who for stage in mandate.stages if stage.who is not None)


def _deadlines(facts: Facts, policy: Policy) -> tuple[datetime, ...]:
    """Return when each stage that refuses something is real for this person, asked about the object of the facts."""
    if policy.is_floor_exempt:
        return ()
    return tuple(deadline(policy, facts, at, _FAR) for at in scheduled(policy.mandate))


def scheduled(mandate: Mandate) -> Iterator[datetime]:
    """Yield the instants from which on something is to be refused."""
    for stage, holding in zip(mandate.stages, mandate.holding, strict=True):
        if any(one.deny for one in holding):
            yield stage.at
    if mandate.credentials.at is not None:
        yield max(mandate.announced_at, mandate.credentials.at)


def _classes_of_names(facts: Facts, policies: Sequence[Policy]) -> dict[Any, Object]:
    """Return of the projects and organizations between which a policy could tell one each, by what it sees in them."""
    found: dict[Any, Object] = {}
    for thing, entries in _things_apart(facts, policies):
        narrowed = replace(facts, object=thing)
        vars(narrowed)["entries_of_object"] = entries  # it would look through all for each
        key = tuple(
            (
                policy.mandate.who.matches(View(facts.person, entries, policy.mandate.announced_at)),
                _deadlines(narrowed, policy),
            )
            for policy in policies
        )
        found.setdefault(key, thing)
    return found


def _things_apart(facts: Facts, policies: Sequence[Policy]) -> Iterator[tuple[Object, tuple[Authority, ...]]]:
    """Yield the projects and organizations with what somebody may do there: of those that differ by name alone the first.

    A name tells apart where a policy has it. Whoever is in a team of an organization may have the same right in thousands.
    """
    told_apart, seen_in = _names_in(policies), _seen_in(policies)
    held: dict[tuple[str, str], list[Authority]] = {}
    for one in facts.authority:
        if one.name:
            kind = "organization" if one.kind == "organization" else "project"
            held.setdefault((kind, one.name), []).append(one)
    seen = set()
    for (kind, name), entries in held.items():
        alike = (kind, name if name in told_apart else "", *map(seen_in, entries))
        if alike not in seen:
            seen.add(alike)
            yield Object(kind, name), tuple(entries)


def _seen_in(policies: Sequence[Policy]) -> Callable[[Authority], tuple[Any, ...]]:
    """Return what tells these policies one entry of authority from another, but for its name.

    Of since when it is held they see which of them were announced by then, and whether a criterion covered it already.
    """
    announced = sorted({policy.mandate.announced_at for policy in policies})
    sees_instants = any(policy.organization for policy in policies)  # there the floor counts from then on

    def seen_in(one: Authority) -> tuple[Any, ...]:
        since: datetime | int | None = one.since
        if one.since is not None and one.covered_since is None and not sees_instants:
            since = bisect_right(announced, one.since)
        return one.kind, one.role, since, one.via, one.critical, one.covered_since

    return seen_in


def _names_in(policies: Iterable[Policy]) -> frozenset[str]:
    every = [leaf for policy in policies for leaf in leaves(policy.mandate.who)]
    return frozenset().union(
        *(leaf.names for leaf in every if isinstance(leaf, OfProjects | OfOrganizations))
    )


def _all_instants(
    times: Iterable[Sequence[datetime]], names: Iterable[Any], facts: Facts
) -> frozenset[datetime]:
    found = {at for some in times for at in some}
    found |= {at for key in names for _, some in key for at in some}
    for one in facts.exemptions:
        found |= {one.until, one.since or one.until}
    return frozenset(found)


# ---- credentials


def all_askings(policies: Sequence[Policy], now: datetime) -> list[Asking]:
    """Return sessions and tokens between which a policy could tell; the session's proof is as old as nothing."""
    minted = _instants_of_minting(policies)
    every = [Asking("session", proved, device_bound=bound) for proved, bound in PROVEN]
    every += [
        Asking("token", proved, False, at, None, bound) for (proved, bound), at in product(PROVEN, minted)
    ]
    return _distinct(every, policies, now)


def likely_askings(group: Group, policies: Sequence[Policy], now: datetime) -> list[Asking]:
    """Return the sessions and tokens that these people can have by now: by their password, and by what they enrolled."""
    weak = Asking("session", frozenset({"password"}))
    sessions = (weak, group.best)
    minted = [at for at in _instants_of_minting(policies) if at <= now]
    tokens = [replace(one, kind="token", at=at) for one, at in product(sessions, minted)]
    return _distinct([*sessions, *tokens], policies, now)


def _instants_of_minting(policies: Sequence[Policy]) -> list[datetime]:
    announced = sorted({policy.mandate.announced_at for policy in policies})
    return [announced[0] - TICK, *announced] if announced else []


def _distinct(askings: Iterable[Asking], policies: Sequence[Policy], now: datetime) -> list[Asking]:
    found: dict[Any, Asking] = {}
    for one in askings:
        not_before = one.at if one.at is not None and one.at > now else None
        found.setdefault((_class_of(one, policies), not_before), one)
    return list(found.values())


def _classes_of_tokens(tokens: Iterable[Asking], policies: Sequence[Policy]) -> dict[Any, Asking]:
    return {_class_of(one, policies): one for one in tokens}


def _class_of(asking: Asking, policies: Sequence[Policy]) -> tuple[Any, ...]:
    """Return what policies can see in a session or token."""
    return (
        asking.kind,
        not SECOND_FACTOR_METHODS.isdisjoint(asking.proved),
        tuple(is_accepted(policy.mandate, asking) for policy in policies),
        tuple(asking.at is not None and asking.at >= policy.mandate.announced_at for policy in policies),
    )


# ---- acts


def distinct_actions(policies: Sequence[Policy]) -> list[str]:
    """Return one action for each way in which the schedules and rules tell actions apart."""
    found: dict[Any, str] = {}
    for name, action in sorted(CATALOGUE.items(), key=_familiarity):
        if action.gated:
            listed = tuple(
                (name in stage.warn, name in stage.deny) for one in policies for stage in one.mandate.stages
            )
            is_managing = action.set == "management" or name == "token.mint"
            special = (
                name in FOUNDING,
                name in GAINING,
                name in HELD_ACTIONS,
                name == REMOVE_LAST,
                name in OPEN_WHILE_HELD,
                name in UPLOADS,
            )
            found.setdefault((listed, is_managing, special), name)
    return list(found.values())


def _familiarity(entry: tuple[str, Action]) -> int:
    """Order acts so that those that everybody knows stand for others, and the use of tokens, which no session does, for none."""
    name = entry[0]
    return _FAMILIAR.index(name) if name in _FAMILIAR else len(_FAMILIAR) + (name == "token.use")


# ---- instants


def turning_points(policies: Sequence[Policy]) -> set[datetime]:
    """Return the instants at which what these policies say can change, for whomever."""
    found: set[datetime] = set()
    for policy in policies:
        refusing = set(scheduled(policy.mandate))
        found |= {stage.at for stage in policy.mandate.stages} | refusing
        found |= {elapsed(at, policy.mandate.unreached_cap, policy.pauses) for at in refusing}
    return found


# ---- made-up people


def weight_of(policies: Sequence[Policy]) -> int:
    """Return how much more than usual a question costs: it is asked of every stage."""
    return max(1, sum(len(policy.mandate.stages) for policy in policies) // _STAGES_OF_A_QUESTION)


def are_all_made_up(policies: Sequence[Policy]) -> bool:
    """Tell whether the made-up people stand for all whom selectors can tell apart, and not only for many of them."""
    named = _named(policies)
    cohorts = [leaf for leaf in named if isinstance(leaf, Cohort)]
    is_mixed_fully = len(_traits(named)) <= _MIXED_FULLY
    return is_mixed_fully and len(_ids_by_cohort(cohorts)) == _combinations_of(cohorts)


def made_up_people(policies: Sequence[Policy], now: datetime, effort: Effort) -> Iterator[Facts]:
    """Yield people who may not exist yet: with each mix of roles and names, account old and new, told and untold.

    It ends early where the effort is spent.
    """
    cuts, notices = _cuts(policies), notices_to_come(policies, now)
    for person, authority in _standings(policies, cuts, effort):
        for since, is_verified, told in product({person.joined_at, cuts[-1]}, (True, False), notices):
            if not effort.spend(_PER_PERSON):
                return
            yield Facts(
                replace(person, verified_email=is_verified),
                Asking("session"),
                "",
                authority=tuple(replace(one, since=since) for one in authority),
                notices=told,
            )


def told_later(
    people: Iterable[Facts], policies: Sequence[Policy], now: datetime, effort: Effort
) -> Iterator[Facts]:
    """Yield people who are here, by when they may be told of a mandate yet; ends early where the effort is spent."""
    for facts, told in product(people, notices_to_come(policies, now)):
        if not effort.spend(_PER_PERSON):
            return
        yield replace(facts, notices=told)


def _named(policies: Iterable[Policy]) -> list[Selector]:
    return [leaf for one in policies for selector in _selectors(one.mandate) for leaf in leaves(selector)]


def _cuts(policies: Sequence[Policy]) -> list[datetime]:
    """Return instants of joining: long ago, and each one that a mandate tells from the moment before it."""
    cuts = {policy.mandate.announced_at for policy in policies}
    cuts |= {leaf.at for leaf in _named(policies) if isinstance(leaf, JoinedFrom)}
    return [_LONG_AGO, *sorted(cuts)]


def notices_to_come(policies: Sequence[Policy], now: datetime) -> list[tuple[Notice, ...]]:
    """Return what may have been delivered to somebody: nothing, or a notice of one mandate, or of all, at a telling instant.

    A deadline is a line with two bends over the instant of the notice: where it leaves the schedule, and at the cap.
    Which of two deadlines is later shows at a bend or right behind it.
    """
    told = [policy for policy in policies if not policy.is_floor_exempt]
    names = sorted({policy.name for policy in told})
    some = sorted({tuple(names), *((name,) for name in names)}) if names else []
    bends = {now, *(at for policy in told for at in _bends(policy))}
    return [(), *(_delivered(one, at) for one, at in product(some, sorted(bends)))]


def _bends(policy: Policy) -> Iterator[datetime]:
    mandate = policy.mandate
    yield mandate.announced_at
    for at in set(scheduled(mandate)):
        yield from (at, at - mandate.floor, at + mandate.unreached_cap, at + mandate.unreached_cap + TICK)


def _delivered(names: Sequence[str], at: datetime) -> tuple[Notice, ...]:
    return tuple(Notice(name, "announcement", at) for name in names)


_Standing = tuple[Person, tuple[Authority, ...]]


def _standings(policies: Sequence[Policy], cuts: Sequence[datetime], effort: Effort) -> Iterator[_Standing]:
    """Yield persons with what they may do, one of all those that no selector and no rule tells apart."""
    named, seen, sets = _named(policies), set[Any](), _Sets(policies)
    ids = _ids_by_cohort([leaf for leaf in named if isinstance(leaf, Cohort)])
    users = ["", *_one_of_each([leaf.names for leaf in named if isinstance(leaf, Named)])]
    for traits, id_, user, joined in product(_mixes(_traits(named)), ids, users, cuts):
        if not effort.spend(_PER_STANDING):
            return
        roles = tuple(trait for trait in traits if isinstance(trait, str))
        authority = tuple(trait for trait in traits if isinstance(trait, Authority))
        facts = Facts(Person(id_, joined, roles=roles, name=user), Asking("session"), "", authority)
        key = (joined, _about_person(facts, sets), frozenset(_classes_of_names(facts, policies)))
        if key not in seen:
            seen.add(key)
            yield facts.person, authority


def _traits(named: Sequence[Selector]) -> list[str | Authority]:
    """Return what selectors can see in somebody: roles of the index, and roles in a named place or in any."""
    asked = frozenset().union(*(leaf.roles for leaf in named if isinstance(leaf, HasRole)))
    found: list[str | Authority] = []
    for name in sorted({*asked, "project.owner", "operator"}):
        kind, _, role = name.partition(".")
        found.append(Authority(kind, f"some-{kind}", role) if role else kind)
    for name in _one_of_each([leaf.names for leaf in named if isinstance(leaf, OfProjects)]):
        found += [Authority("project", name, role) for role in ("owner", "maintainer")]
    for name in _one_of_each([leaf.names for leaf in named if isinstance(leaf, OfOrganizations)]):
        found += [Authority("organization", name, role) for role in ("member", "billing")]
    for key in sorted({leaf.criterion.key for leaf in named if isinstance(leaf, OfCriticalProjects)}):
        found.append(Authority("project", f"critical-by-{key}", "maintainer", critical=frozenset({key})))
    return found


def _mixes(traits: Sequence[str | Authority]) -> Iterator[tuple[str | Authority, ...]]:
    """Yield every mix of few traits; of many: none, one, two, all but one, all."""
    most = len(traits)
    sizes = range(most + 1) if most <= _MIXED_FULLY else sorted({0, 1, 2, most - 1, most})
    for size in sizes:
        yield from combinations(traits, size)


def _one_of_each(sets: Sequence[frozenset[str]]) -> list[str]:
    """Return one name of each combination of sets that holds names."""
    found: dict[tuple[bool, ...], str] = {}
    for name in sorted(frozenset().union(*sets)):
        found.setdefault(tuple(name in one for one in sets), name)
    return list(found.values())


def _ids_by_cohort(cohorts: Sequence[Cohort]) -> list[str]:
    """Return made-up ids, one for each combination of cohorts that was met among some thousand."""
    found: dict[tuple[bool, ...], str] = {}
    most = _combinations_of(cohorts)
    for number in range(_IDS_TRIED):
        if len(found) == most:
            break
        id_ = f"made-up-{number}"
        view = View(Person(id_), ())
        found.setdefault(tuple(one.matches(view) for one in cohorts), id_)
    return list(found.values())


def _combinations_of(cohorts: Sequence[Cohort]) -> int:
    """Return how many combinations of cohorts there can be: of one seed, the smaller lies within the larger."""
    shares: dict[str, set[float]] = {}
    for one in cohorts:
        shares.setdefault(one.seed, set()).add(one.percent)
    return prod(1 + sum(percent < _WHOLE for percent in some) for some in shares.values())
