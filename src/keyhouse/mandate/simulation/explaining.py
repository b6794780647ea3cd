"""What the gate would answer to one person on a day under a draft, as if that were in effect (X6)."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from keyhouse.core.actions import Thing
from keyhouse.core.actor import Actor
from keyhouse.mandate import criticality, gates, queries
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.facts import Authority, Facts
from keyhouse.mandate.rules import Decision, Policy, decide
from keyhouse.mandate.simulation.running import beside, question_of


def explain(  # noqa: PLR0913 - whoever asks what of what, under what, when
    mandate: Mandate, actor: Actor, action: str, thing: Thing | None, *, at: datetime, now: datetime
) -> Decision:
    """Return the decision at an instant with the draft beside what is live then; keeps nothing. Raises DatabaseError.

    The facts are those of now, as for any question about the future.
    """
    question = question_of(mandate, min(at, now))
    policy = queries.as_it_runs(Policy(mandate, question.version, question.is_floor_exempt))
    ledger = beside(queries.ledger(), policy, min(at, now))
    facts, _ = gates.weigh(actor, action, thing, at, ledger=ledger)
    policies = (*ledger.live_at(at), *queries.policies_about(thing, at))
    return decide(_foreseen(facts, mandate, now), policies, at)


def _foreseen(facts: Facts, mandate: Mandate, now: datetime) -> Facts:
    """Add what would make projects critical by criteria that were never worked out."""
    found = criticality.foresee(mandate.criteria, now)
    if not found:
        return facts
    return replace(facts, authority=tuple(_with(one, found.get(one.name, {})) for one in facts.authority))


def _with(one: Authority, criteria: dict[str, datetime]) -> Authority:
    if one.kind != "project" or not criteria:
        return one
    covered = min([*criteria.values(), *([one.covered_since] if one.covered_since else [])])
    return replace(one, critical=one.critical | criteria.keys(), covered_since=covered)
