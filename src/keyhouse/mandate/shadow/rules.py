"""What attempts at the gate add up to: verdicts of shadows, first refusals, and what a brownout costs. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Final, NamedTuple

from keyhouse.mandate.documents import Budget
from keyhouse.mandate.facts import Asking, Facts
from keyhouse.mandate.rules import FLOOR, UPLOADS, Decision, Policy, decide, is_compliant
from keyhouse.mandate.shadowing import Shadowed

Noted = tuple[Facts, Decision, datetime]
BUDGET_SPAN: Final = timedelta(hours=1)
LEAST_UPLOADS: Final = 10  # of fewer a share says nothing
_MINUTE: Final = 60
_BEST_FIRST: Final = ("passkey", "webauthn", "totp", "recovery_code", "password")


def class_of(asking: Asking) -> str:
    """Name the class of a session or credential: what asks, and the best that it was proven by."""
    best = next((proof for proof in _BEST_FIRST if proof in asking.proved), "nothing")
    return f"{asking.kind}:{best}"


class Key(NamedTuple):
    """What one count of verdicts is of; person 0 and project "" stand for many, or for none."""

    mandate: str
    version: int
    day_on: date
    action: str
    project: str
    person: int
    code: str
    credential: str

    def without_person(self) -> Key:
        """Return it without whom it is of."""
        return self._replace(person=0)

    def without_project(self) -> Key:
        """Return it without whom, and without which project, it is of."""
        return self._replace(person=0, project="")


class Day(NamedTuple):
    """A day of a version in its shadow."""

    mandate: str
    version: int
    day_on: date


@dataclass(slots=True)
class Verdicts:
    """What shadows say of some attempts: counts by key, and of each day how many were weighed and would be refused."""

    counts: Counter[Key] = field(default_factory=Counter)
    weighed: Counter[Day] = field(default_factory=Counter)
    refused: Counter[Day] = field(default_factory=Counter)


def number_of(facts: Facts) -> int:
    """Return the number of the account that these facts are about; 0: there is none."""
    digits = facts.person.id.removeprefix("u")
    return int(digits) if digits.isascii() and digits.isdigit() else 0


def judge(batch: Sequence[Noted], shadows: Sequence[Shadowed]) -> Verdicts:
    """Decide each attempt by the mandates in their shadow as if they were enforced.

    What was refused anyway is weighed by none of them: they would have changed nothing.
    """
    found = Verdicts()
    for facts, decision, at in batch:
        if decision.verdict == "deny":
            continue
        for shadow in shadows:
            if shadow.is_on(at):
                _weigh(found, shadow, facts, at)
    return found


def _weigh(found: Verdicts, shadow: Shadowed, facts: Facts, at: datetime) -> None:
    policy = shadow.judge
    day = Day(policy.name, policy.version, at.astimezone(UTC).date())
    found.weighed[day] += 1
    told = decide(facts, (policy,), at)
    if told.verdict != "deny" or told.mandate != policy.name:
        return
    found.refused[day] += 1
    thing = facts.object
    project = thing.name if thing is not None and thing.kind == "project" else ""
    asked_by = class_of(facts.asking)
    found.counts[Key(*day, facts.action, project, number_of(facts), told.code, asked_by)] += 1


# ---- who was refused first when


class Hit(NamedTuple):
    """The first refusal of somebody by a mandate among some attempts."""

    user_id: int
    mandate: str
    version: int
    at: datetime
    action: str
    code: str
    credential: str
    was_compliant: bool


def first_hits(batch: Iterable[Noted], policies: dict[str, Policy]) -> list[Hit]:
    """Return the first refusal of each person by each of these mandates, by person and name."""
    found: dict[tuple[int, str], Hit] = {}
    for facts, decision, at in batch:
        name, person = decision.mandate or FLOOR, number_of(facts)
        if decision.verdict != "deny" or name not in policies or not person:
            continue
        if (person, name) not in found or at < found[person, name].at:
            found[person, name] = _hit(facts, decision, at, policies[name])
    return [found[key] for key in sorted(found)]


def _hit(facts: Facts, decision: Decision, at: datetime, policy: Policy) -> Hit:
    return Hit(
        number_of(facts),
        policy.name,
        decision.version or policy.version,
        at,
        facts.action,
        decision.code,
        class_of(facts.asking),
        is_compliant(policy.mandate, facts.person),
    )


# ---- what a brownout costs


class Cost(NamedTuple):
    """What happened at the gate: refusals by one mandate, uploads by anybody, and those of them that it refused."""

    refused: int = 0
    uploads: int = 0
    uploads_refused: int = 0


def costs(batch: Iterable[Noted], mandates: Iterable[str]) -> dict[tuple[str, int], Cost]:
    """Return what attempts cost each of these mandates, by name and minute since 1970."""
    found: dict[tuple[str, int], Cost] = {}
    names = sorted(mandates)
    for facts, decision, at in batch:
        for name in names:
            cost = _cost(facts, decision, name)
            if any(cost):
                key = name, minute_of(at)
                before = found.get(key, Cost())
                found[key] = Cost(*(one + more for one, more in zip(before, cost, strict=True)))
    return found


def _cost(facts: Facts, decision: Decision, name: str) -> Cost:
    is_refused = decision.verdict == "deny" and decision.mandate == name
    is_upload = facts.action in UPLOADS
    return Cost(int(is_refused), int(is_upload), int(is_refused and is_upload))


def minute_of(at: datetime) -> int:
    """Return the minute of an instant, counted from 1970."""
    return int(at.timestamp()) // _MINUTE


def used_up(budget: Budget, cost: Cost) -> str:
    """Say by what an hour used a budget up; empty: it didn't."""
    return "; ".join(_exceeded(budget, cost))


def _exceeded(budget: Budget, cost: Cost) -> Iterator[str]:
    most, share = budget.refusals_per_hour, budget.failed_uploads_percent
    if most is not None and cost.refused > most:
        yield f"{cost.refused:,} refusals within an hour, and its budget allows {most:,}"
    if share is not None and cost.uploads >= LEAST_UPLOADS:
        failed = 100 * cost.uploads_refused / cost.uploads
        if failed > share:
            yield (
                f"{cost.uploads_refused:,} of {cost.uploads:,} uploads refused within an hour ({failed:.1f} %),"
                f" and its budget allows {share:g} %"
            )
