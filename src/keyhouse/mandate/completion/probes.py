"""Every gated act asked by every class of session and credential, and what a mandate says to each. Pure.

What is expected is read off the document alone: which acts the stages that hold refuse, which proofs are accepted. It
takes no part of the way by which the gate decides, so that a door which the gate forgets shows as a difference (M5).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final, Literal

from keyhouse.core.actions import CATALOGUE, REMOVE_LAST
from keyhouse.mandate.documents import Mandate, Stage
from keyhouse.mandate.facts import Asking, Facts, Notice, Object, Person
from keyhouse.mandate.populations import PROVEN, Effort, made_up_people
from keyhouse.mandate.rules import Policy, covers

Expected = Literal["refused", "open", "not asked"]

MOST_SUBJECTS: Final = 5  # made-up people, each with another place in the selector
_MOST_MADE_UP: Final = 4000
_DAY: Final = timedelta(days=1)
_TICK: Final = timedelta(microseconds=1)
_PUBLISHING: Final = frozenset({"release.upload", "project.create"})
_FACTORLESS: Final = ("password", "recovery_code")
_KEYS: Final = frozenset({"webauthn", "passkey"})
_ONLY_OF_HOST: Final = frozenset({"host.command"})


@dataclass(frozen=True, slots=True)
class Probe:
    """One question: who asks (by which class, for people to read) for what, and what the mandate says to it."""

    label: str
    facts: Facts
    expected: Expected


def probes_of(policy: Policy, now: datetime) -> Iterator[Probe]:
    """Yield every probe of a mandate as it stands at `now`; none where nobody can be made up whom it covers."""
    said = _Said(policy.mandate, now)
    for subject in subjects_of(policy, now):
        for label, asking in classes_of(policy, now):
            for name, action in CATALOGUE.items():
                facts = _asked(subject, asking, name)
                if not action.gated or asking.kind == "host":
                    yield Probe(label, facts, "open")
                elif name not in _ONLY_OF_HOST:
                    yield Probe(label, facts, said.of(facts))


class _Said:
    """What the words of a document say at an instant."""

    def __init__(self, mandate: Mandate, now: datetime) -> None:
        """Read the stages that hold."""
        self._mandate, self._now = mandate, now
        self.refused = refused_to_all(mandate, now)
        self._to_some = frozenset().union(*(one.deny for one in _holding(mandate, now))) - self.refused

    def of(self, facts: Facts) -> Expected:
        """Say what the mandate has against an act of these facts."""
        acts = {facts.action, "token.use"} if facts.asking.kind == "token" else {facts.action}
        if not self._to_some.isdisjoint(acts):
            return "not asked"
        if self.refused.isdisjoint(acts) or (
            facts.action == REMOVE_LAST and facts.action not in self.refused
        ):
            return "open"
        if facts.action == REMOVE_LAST:
            return "refused"
        return self._of_asking(facts)

    def _of_asking(self, facts: Facts) -> Expected:
        mandate, asking = self._mandate, facts.asking
        if asking.kind == "token" and facts.action in _PUBLISHING and not mandate.takes_tokens:
            return "refused"
        if not facts.person.verified_email:
            return "refused" if asking.kind == "session" else "not asked"
        is_let_be = asking.kind == "token" and self._is_let_be(asking)
        return "open" if is_let_be or is_strong(mandate, asking) else "refused"

    def _is_let_be(self, token: Asking) -> bool:
        """Tell whether the document lets this token be for now; such ones are counted as credentials that are left."""
        terms = self._mandate.credentials
        is_old = token.at is not None and token.at < self._mandate.announced_at
        disposition = terms.before if is_old else terms.grace
        is_expiring = disposition == "expire" and terms.at is not None and self._now < terms.at
        return is_expiring or disposition in {"keep", "warn"}


def _holding(mandate: Mandate, now: datetime) -> tuple[Stage, ...]:
    begun = [place for place, stage in enumerate(mandate.stages) if stage.at <= now]
    return mandate.holding[begun[-1]] if begun else ()


def refused_to_all(mandate: Mandate, now: datetime) -> frozenset[str]:
    """Return the acts that the stages in force at `now` refuse to everybody whom the mandate covers.

    What a stage adds for some people only is theirs; a mandate is complete by what it refuses to all.
    """
    return frozenset().union(*(one.deny for one in _holding(mandate, now) if one.who is None))


def is_strong(mandate: Mandate, asking: Asking) -> bool:
    """Tell by the words of the document whether a proof is among the accepted methods."""
    proofs = {
        "security-key": {"webauthn"},
        "passkey": {"passkey"},
        "authenticator-app": {"totp"},
        "phishing-resistant": {"webauthn", "passkey"},
    }
    if any(not proofs[method].isdisjoint(asking.proved) for method in mandate.accept if method in proofs):
        return True
    return "device-bound" in mandate.accept and asking.device_bound and not _KEYS.isdisjoint(asking.proved)


def _asked(subject: Facts, asking: Asking, action: str) -> Facts:
    thing = next(
        (one for one in subject.authority if one.name and one.kind in {"project", "organization"}), None
    )
    about = None if thing is None else Object(thing.kind, thing.name)
    return replace(subject, asking=asking, action=action, object=about)


# ---- who asks


def subjects_of(policy: Policy, now: datetime) -> list[Facts]:
    """Return made-up people whom the mandate covers: old ones who were told, new ones, and one without a verified address.

    They exist in memory only. None has a factor, so what they may do hangs on what asks in their name.
    """
    covered = _covered(policy, now)
    unverified = [_old(_with(one, verified_email=False), policy) for one in covered[:1]]
    made = [*(_old(one, policy) for one in covered), *(_new(one, policy) for one in covered), *unverified]
    return [one for one in made if covers(policy, one)]


def _covered(policy: Policy, now: datetime) -> list[Facts]:
    """Return some whom the mandate covers, each by another place: an office, a role, a name, a share."""
    found: dict[tuple[object, ...], Facts] = {}
    for facts in made_up_people((policy,), now, Effort(_MOST_MADE_UP)):
        if not covers(policy, facts):
            continue
        roles = tuple((one.kind, one.role) for one in facts.authority)
        place = (facts.person.roles, facts.person.name, roles, covers(policy, _old(facts, policy)))
        found.setdefault(place, _with(facts, verified_email=True))
        if len(found) == MOST_SUBJECTS:
            break
    return list(found.values())


def _with(facts: Facts, *, verified_email: bool) -> Facts:
    return replace(facts, person=replace(facts.person, verified_email=verified_email))


def _old(facts: Facts, policy: Policy) -> Facts:
    """Return somebody who was there before the announcement, and was told by it."""
    announced_at = policy.mandate.announced_at
    authority = tuple(replace(one, since=announced_at - _DAY) for one in facts.authority)
    person = _joined(facts.person, announced_at - _DAY)
    return replace(
        facts,
        person=person,
        authority=authority,
        notices=(Notice(policy.name, "announcement", announced_at),),
    )


def _new(facts: Facts, policy: Policy) -> Facts:
    """Return somebody who came after the announcement, and was told nothing."""
    announced_at = policy.mandate.announced_at
    authority = tuple(replace(one, since=announced_at + _TICK) for one in facts.authority)
    return replace(facts, person=_joined(facts.person, announced_at + _TICK), authority=authority, notices=())


def _joined(person: Person, at: datetime) -> Person:
    return replace(person, joined_at=at)


# ---- by what


def classes_of(policy: Policy, now: datetime) -> list[tuple[str, Asking]]:
    """Return every class of session and credential, by a name for people to read."""
    proven = [
        (frozenset({"password"}), False),
        (frozenset(_FACTORLESS), False),
        *PROVEN[1:],
    ]
    made = {
        "before the announcement": policy.mandate.announced_at - _TICK,
        "since": policy.mandate.announced_at,
    }
    found = [(f"session by {_named(*one)}", _asking("session", one, now)) for one in proven]
    for kind, verb in (("token", "token minted"), ("publisher", "publisher set up")):
        for when, at in made.items():
            found += [(f"{verb} {when} by {_named(*one)}", _asking(kind, one, at)) for one in proven]
    return [*found, ("host", Asking("host"))]


def _asking(kind: str, proven: tuple[frozenset[str], bool], at: datetime) -> Asking:
    return Asking(kind, proven[0], "passkey" in proven[0], at, None, proven[1])


def _named(proved: Iterable[str], is_bound: bool) -> str:  # noqa: FBT001 - the pair as it stands
    words = {"totp": "an authenticator app", "webauthn": "a security key", "passkey": "a passkey"}
    strongest = next((words[one] for one in ("passkey", "webauthn", "totp") if one in set(proved)), "")
    if not strongest:
        return "a recovery code" if "recovery_code" in set(proved) else "a password"
    return f"{strongest} that can't leave its device" if is_bound else strongest
