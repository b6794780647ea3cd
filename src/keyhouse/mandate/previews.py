"""What a mandate would change if it took effect now: the ledger and the people of this index, given to `planning`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from datetime import datetime
from typing import Final

from django.db.models import Max

from keyhouse.credentials.tokens.queries import live_tokens
from keyhouse.credentials.trusted_publishers.queries import all_live
from keyhouse.mandate import criticality, foregone, people
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.facts import Asking
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.planning import NoticeLook, plan_change
from keyhouse.mandate.plans import MOST_EXAMPLES, NOTICE_PATH, Plan, Remark
from keyhouse.mandate.queries import Ledger, as_it_runs, ledger
from keyhouse.mandate.rules import Policy

_Kept = dict[tuple[str, int], Plan]
_kept: Final[ContextVar[_Kept | None]] = ContextVar("plans_of_an_act", default=None)


@contextmanager
def once() -> Iterator[None]:
    """Work a plan out once within one act, whoever asks for it: its guards, and the act itself."""
    token = _kept.set({})
    try:
        yield
    finally:
        _kept.reset(token)


def preview(mandate: Mandate, now: datetime) -> Plan:
    """Return the plan for a mandate; reads everything, writes nothing.

    What is still on its way may be withdrawn, so a change must be no loosening with it nor without it; and whoever
    says again what holds now gates nobody anew, whatever was to come.
    """
    before, kept = ledger(), _kept.get()
    key = mandate.digest, before.change
    if kept is None or key not in kept:
        plan = _worked_out(mandate, before, now)
        if kept is None:
            return plan
        kept[key] = plan
    return kept[key]


def notice_remarks(mandate: Mandate, now: datetime) -> list[Remark]:
    """Return what the plan for a mandate says against its notice, and nothing else of it.

    Alone it takes a small part of the plan's time; within an act that needs the plan anyway, it is taken from that.
    """
    if _kept.get() is not None:
        return [one for one in preview(mandate, now).refusals if one.path == NOTICE_PATH]
    look = _notice_look(mandate, now)
    exempt = () if look.is_at_everybody else people.exempt_from(mandate.name)
    if not (look.is_at_everybody or exempt):
        return []
    foreseen = criticality.foresee(mandate.criteria, now)
    who = people.all_facts(foreseen) if look.is_at_everybody else people.facts_of(exempt, foreseen)
    return look.remarks(who, _live_tokens(now), people.count_all())


def notice_looks_at_everybody(mandate: Mandate, now: datetime) -> bool:
    """Tell whether `notice_remarks` has to look at everybody who is here, which takes long on a large index."""
    return _notice_look(mandate, now).is_at_everybody


def _notice_look(mandate: Mandate, now: datetime) -> NoticeLook:
    before = ledger()
    policy = as_it_runs(Policy(mandate, next_version(mandate, before, now)))
    firm = before.firm(now)  # what is still on its way may be withdrawn
    return NoticeLook(firm, lambda one: with_version(firm, one, now), policy, now)


def _worked_out(mandate: Mandate, before: Ledger, now: datetime) -> Plan:
    policy = as_it_runs(Policy(mandate, next_version(mandate, before, now)))
    plan = _with_completion(_compare(before, policy, now), before, policy, now)
    firm = before.firm(now)
    return plan if firm == before else _strictest(plan, _compare(firm, policy, now))


def _with_completion(plan: Plan, before: Ledger, policy: Policy, now: datetime) -> Plan:
    """Refuse a version that would call itself completed at once and isn't (M5); what holds already may be said again."""
    stages = policy.mandate.stages
    begun = [place for place, stage in enumerate(stages) if stage.at <= now]
    is_live = any(one.as_written.digest == policy.mandate.digest for one in before.live_at(now))
    if is_live or not begun or stages[begun[-1]].state != "completed":
        return plan
    left = foregone.what_is_left(policy, with_version(before, policy, now).live_at(now), now)
    if not left:
        return plan
    reason = f"it can't be completed yet. {' '.join(left)}"
    return replace(plan, refusals=(*plan.refusals, Remark(("stages", begun[-1], "state"), reason)))


def _compare(before: Ledger, policy: Policy, now: datetime) -> Plan:
    return plan_change(
        before,
        lambda one: with_version(before, one, now),
        policy,
        people.all_facts(criticality.foresee(policy.mandate.criteria, now)),
        now,
        tokens=_live_tokens(now),
    )


def _strictest(plan: Plan, firm: Plan) -> Plan:
    """Return the plan with what it loosens of what holds now, too, and judged for its notice against that alone."""
    others = (one for one in plan.refusals if one.path != NOTICE_PATH)
    return replace(
        plan,
        is_loosening=plan.is_loosening or firm.is_loosening,
        loosened=max(plan.loosened, firm.loosened),
        loosenings=tuple(dict.fromkeys((*plan.loosenings, *firm.loosenings)))[:MOST_EXAMPLES],
        refusals=tuple(dict.fromkeys((*firm.refusals, *others))),
    )


def _live_tokens(now: datetime) -> dict[str, set[Asking]]:
    """Return what stands behind the live tokens and publishers of each person."""
    found: dict[str, set[Asking]] = defaultdict(set)
    for token in live_tokens(now):
        found[f"u{token.user_id}"].add(Asking.of("token", token.strength))
    for publisher in all_live(now).iterator():
        found[f"u{publisher.configured_by_id}"].add(Asking.of("publisher", publisher.strength))
    return found


def with_version(before: Ledger, policy: Policy, now: datetime) -> Ledger:
    """Return the ledger as it is once this version took effect now, under the pauses of its mandate."""
    return before.with_version(policy, now)


def next_version(mandate: Mandate, before: Ledger, now: datetime) -> int:
    """Return the number that a new version of this mandate would have."""
    last = MandateVersion.objects.filter(name=mandate.name).aggregate(last=Max("version"))["last"] or 0
    live = (one.version for one in before.live_at(now) if one.name == mandate.name)
    return max((last, *live)) + 1
