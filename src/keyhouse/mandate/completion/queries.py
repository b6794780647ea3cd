"""Whether a mandate is complete, and if not, what is left (M5).

Complete means: it is in force, nobody whom it covers lacks what is asked (exempted ones lack it, E1), no credential below
that strength works any more, and the gate that this process asks has answered every probe as the document says.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final, Protocol, cast

from keyhouse.accounts.models import User
from keyhouse.core import actions, clock
from keyhouse.core.actor import Strength
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import credential_of, live_tokens
from keyhouse.credentials.trusted_publishers import listing
from keyhouse.credentials.trusted_publishers.leaked import name_of
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.queries import all_live
from keyhouse.mandate import people, queries
from keyhouse.mandate.completion.models import CompletionCheck
from keyhouse.mandate.completion.probes import Probe, probes_of, refused_to_all
from keyhouse.mandate.dispositions import is_below
from keyhouse.mandate.documents import IN_FORCE, Mandate
from keyhouse.mandate.facts import Asking, Facts, Object, Person
from keyhouse.mandate.rules import Decision, Policy, covers, decide, holds_accepted, is_compliant, is_exempt

MOST_NAMED: Final = 20
_AT_ONCE: Final = 2000
_MOST_READ_FOR_A_PAGE: Final = 10_000  # people
_MOST_THINGS: Final = 100  # of one person, asked about one credential


class Answering(Protocol):
    """A gate that answers about facts which exist in memory only."""

    def answer(self, facts: Facts, policies: Sequence[Policy], now: datetime) -> Decision:
        """Return the decision that a door would be given."""


@dataclass(frozen=True, slots=True)
class Left:
    """Something that keeps a mandate from being complete: a stable code, how many, a sentence, and some names."""

    code: str
    count: int
    sentence: str
    names: tuple[str, ...] = ()  # for operators only

    def as_dict(self, *, with_names: bool = False) -> dict[str, Any]:
        """Return it as JSON has it; names are for operators."""
        told: dict[str, Any] = {"code": self.code, "count": self.count, "sentence": self.sentence}
        return told | {"names": list(self.names)} if with_names else told


@dataclass(frozen=True, slots=True)
class Tally:
    """How many probes were asked, of how many acts and classes of credentials."""

    asked: int = 0
    acts: int = 0
    classes: int = 0


@dataclass(frozen=True, slots=True)
class Completion:
    """What the check found at an instant; complete where nothing is left."""

    mandate: str
    version: int
    at: datetime
    covered: int
    tally: Tally
    left: tuple[Left, ...]

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left."""
        return not self.left

    def as_dict(self, *, with_names: bool = False) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {
            "mandate": self.mandate,
            "version": self.version,
            "at": clock.format_instant(self.at),
            "is_complete": self.is_complete,
            "covered": self.covered,
            "probes": {
                "asked": self.tally.asked,
                "acts": self.tally.acts,
                "classes": self.tally.classes,
            },
            "left": [one.as_dict(with_names=with_names) for one in self.left],
        }


def check(
    policy: Policy,
    now: datetime,
    live: Sequence[Policy] | None = None,
    watch: Callable[[Iterable[Facts]], Iterable[Facts]] = lambda everybody: everybody,
) -> Completion:
    """Check a version of a mandate as it stands at `now`; reads everybody once, writes nothing.

    `live`: the mandates that hold; without it those of the ledger. `watch` sees the people go by. Raises DatabaseError.
    """
    policies = tuple(queries.live_policies(now) if live is None else live)
    standing = _Standing(policy, policies, now)
    for facts in watch(people.all_facts()):
        standing.count(facts)
    tally, differences = _probe(policy, policies, now)
    found = [*_not_in_force(policy, policies, now), *standing.left(), *differences]
    return Completion(policy.name, policy.version, now, standing.covered, tally, tuple(found))


def named_left(policy: Policy, now: datetime) -> list[Left]:
    """Return whom and what it still waits for, by name, for a page; nothing where that are too many to be read for it."""
    if User.objects.count() > _MOST_READ_FOR_A_PAGE:
        return []
    standing = _Standing(policy, queries.live_policies(now), now)
    for facts in people.all_facts():
        standing.count(facts)
    return standing.left()


def is_in_force(mandate: Mandate, now: datetime) -> bool:
    """Tell whether the last stage that begun for everybody refuses something for good."""
    begun = [stage for stage in mandate.stages if stage.at <= now and stage.who is None]
    return bool(begun) and begun[-1].state in IN_FORCE and bool(refused_to_all(mandate, now))


def _not_in_force(policy: Policy, policies: Sequence[Policy], now: datetime) -> list[Left]:
    if policy not in policies:
        return [Left("not-live", 1, "This version isn't the one that holds.")]
    if is_in_force(policy.mandate, now):
        return []
    return [Left("not-in-force", 1, "It is not in force yet for everybody whom it covers.")]


# ---- people and what they hold


@dataclass(slots=True)
class _Pile:
    """How many, and the first of them by name."""

    count: int = 0
    names: list[str] = field(default_factory=list)

    def add(self, name: str) -> None:
        self.count += 1
        if len(self.names) < MOST_NAMED:
            self.names.append(name)


class _Standing:
    """Counts covered people, whom of them something lacks, and which of their credentials are weak and work."""

    def __init__(self, policy: Policy, policies: Sequence[Policy], now: datetime) -> None:
        self._policy, self._policies, self._now = policy, policies, now
        self._made = _weak_credentials(policy, now)
        self.covered = 0
        self._piles: dict[str, _Pile] = {code: _Pile() for code in _SENTENCES}

    def count(self, facts: Facts) -> None:
        """Take one person into account."""
        if not covers(self._policy, facts):
            return
        self.covered += 1
        if not is_compliant(self._policy.mandate, facts.person):
            self._piles[self._lack_of(facts)].add(facts.person.name)
        for one in self._made.get(facts.person.id, ()):
            if any(self._works(each) for each in _uses(facts, one)):
                self._piles[one.code].add(f"{facts.person.name}: {one.name}")

    def _lack_of(self, facts: Facts) -> str:
        if is_exempt(self._policy, facts, self._now):
            return "people-exempt"
        has_factor = holds_accepted(self._policy.mandate, facts.person)
        return "people-unverified" if has_factor else "people-without-factor"

    def _works(self, facts: Facts) -> bool:
        """Tell whether it is let through; what rests with its account (a hold, a suspension) works again with it."""
        awake = replace(facts, person=replace(facts.person, state="active", held_until=None))
        return decide(awake, self._policies, self._now).verdict != "deny"

    def left(self) -> list[Left]:
        """Return what is left, in one order."""
        return [
            Left(code, pile.count, _SENTENCES[code], tuple(pile.names))
            for code, pile in self._piles.items()
            if pile.count
        ]


_SENTENCES: Final = {
    "people-without-factor": "People whom it covers hold no second factor that it accepts.",
    "people-unverified": "People whom it covers hold one, and their primary address is not verified.",
    "people-exempt": "People whom it covers are exempt, which is not the same as holding one.",
    "weak-tokens": "API tokens below the strength that it asks for still work.",
    "weak-robot-tokens": "Tokens of projects and organizations below the strength that it asks for still work.",
    "weak-publishers": "Trusted publishers below the strength that it asks for still work.",
}


@dataclass(frozen=True, slots=True)
class _Made:
    """A token or publisher below the strength: what it is called, what it is for, and where."""

    code: str
    name: str
    asking: Asking
    acts: tuple[str, ...]
    projects: tuple[str, ...]  # empty: all of its owner's


def _weak_credentials(policy: Policy, now: datetime) -> dict[str, list[_Made]]:
    """Return the live tokens and publishers below what the mandate accepts, by the id of the person behind each."""
    found: dict[str, list[_Made]] = defaultdict(list)
    for token in live_tokens(now):
        if _is_weak(policy, token.strength):
            found[f"u{token.user_id}"].append(_made_of_token(token))
    beside = ("project", "organization")
    rows = all_live(now).order_by("pk").select_related(*beside).iterator(chunk_size=_AT_ONCE)
    for publisher in rows:
        if _is_weak(policy, publisher.strength):
            made = _made_of_publisher(publisher)
            found[f"u{publisher.configured_by_id}"].append(made)
    return found


def _is_weak(policy: Policy, strength: Strength) -> bool:
    return is_below(policy, Facts(Person(""), Asking.of("token", strength), ""))


def _made_of_token(token: Token) -> _Made:
    told = credential_of(token)
    code = "weak-robot-tokens" if token.is_robot else "weak-tokens"
    asking = Asking.of("token", token.strength)
    return _Made(code, token.description, asking, tuple(told.actions), tuple(told.projects))


def _made_of_publisher(publisher: Publisher) -> _Made:
    told = listing.credential_of(publisher)
    asking = Asking.of("publisher", publisher.strength)
    return _Made("weak-publishers", name_of(publisher), asking, tuple(told.actions), tuple(told.projects))


def _uses(owner: Facts, made: _Made) -> Iterator[Facts]:
    """Yield what a credential can be used for, thing by thing: what was gained lately may have no grace."""
    own = (one.name for one in owner.authority if one.kind == "project" and one.name)
    names = made.projects or tuple(dict.fromkeys(own))[:_MOST_THINGS] or ("",)
    for act in made.acts:
        for name in names:
            thing = Object("project", name) if name else None
            yield replace(owner, asking=made.asking, action=act, object=thing)


# ---- the gate


def _probe(policy: Policy, policies: Sequence[Policy], now: datetime) -> tuple[Tally, list[Left]]:
    """Ask the gate that is wired every probe; nothing is asked of a mandate that isn't in force."""
    if policy not in policies or not is_in_force(policy.mandate, now):
        return Tally(), []
    gate = actions.find_gate()
    if not hasattr(gate, "answer"):
        return Tally(), [Left("gate-unwired", 1, "No gate is wired that could be asked.")]
    return _compare(policy, policies, cast("Answering", gate), now)


def _compare(
    policy: Policy, policies: Sequence[Policy], gate: Answering, now: datetime
) -> tuple[Tally, list[Left]]:
    asked, acts, classes, differing = 0, set[str](), set[str](), _Pile()
    for probe in probes_of(policy, now):
        asked += 1
        acts.add(probe.facts.action)
        classes.add(probe.label)
        if not _is_as_said(policy, probe, gate.answer(probe.facts, policies, now)):
            differing.add(f"{probe.facts.action} by a {probe.label}")
    tally = Tally(asked, len(acts), len(classes))
    return tally, list(_differences(tally, differing))


def _is_as_said(policy: Policy, probe: Probe, decision: Decision) -> bool:
    """Compare; a refusal that something else asks for, such as a fresh proof, is no difference."""
    if probe.expected == "refused":
        return decision.verdict == "deny"
    is_refused_by_it = decision.verdict == "deny" and decision.mandate == policy.name
    return probe.expected == "not asked" or not is_refused_by_it


def _differences(tally: Tally, differing: _Pile) -> Iterable[Left]:
    if not tally.asked:
        sentence = "Nobody could be made up whom it covers, so its gate was not tried."
        yield Left("not-probed", 1, sentence)
    if differing.count:
        sentence = "The gate answered otherwise than the mandate says."
        names = tuple(dict.fromkeys(differing.names))
        yield Left("gate-differs", differing.count, sentence, names)


def what_is_left(policy: Policy, live: Sequence[Policy], now: datetime) -> list[str]:
    """Return in sentences, without names, what keeps a version from being complete; for `foregone`."""
    return [f"{one.sentence} ({one.count:,})" for one in check(policy, now, live).left]


# ---- what was found before


def last_check(policy: Policy, now: datetime | None = None) -> CompletionCheck | None:
    """Return the last kept check of this version; at `now` one from the future counts for nothing: a clock was wrong."""
    rows = CompletionCheck.objects.filter(mandate=policy.name, version=policy.version)
    rows = rows if now is None else rows.filter(checked_at__lte=now)
    return rows.order_by("-checked_on").first()


def completed_at(mandate: Mandate) -> datetime | None:
    """Return from when on a document calls itself completed, or None."""
    return next((stage.at for stage in mandate.stages if stage.state == "completed"), None)


def is_proven(policy: Policy, now: datetime) -> bool:
    """Tell whether a mandate that calls itself completed by `now` is: the last check, at or after that instant, says so."""
    at = completed_at(policy.mandate)
    return at is not None and at <= now and is_proven_since(policy, at, now)


def is_proven_since(policy: Policy, at: datetime, now: datetime) -> bool:
    """Tell whether the last check of a version says that it is complete, and was made at or after an instant."""
    row = last_check(policy, now)
    return row is not None and row.checked_at >= at and row.is_complete


def proven_at(policy: Policy, at: datetime) -> datetime | None:
    """Return when a check first said, at or after an instant, that a version is complete; None: none did."""
    rows = CompletionCheck.objects.filter(mandate=policy.name, version=policy.version, is_complete=True)
    found = rows.filter(checked_at__gte=at).order_by("checked_at")
    return found.values_list("checked_at", flat=True).first()


def is_unproven(policy: Policy, now: datetime) -> bool:
    """Tell whether a mandate calls itself completed by `now` without proof: it counts as enforced until there is one."""
    begun = [stage.state for stage in policy.mandate.stages if stage.at <= now]
    return bool(begun) and begun[-1] == "completed" and not is_proven(policy, now)
