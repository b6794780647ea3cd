"""What a mandate would change if it took effect now: the ledger and the people of this index, given to `planning`."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from datetime import datetime

from django.db.models import Max

from keyhouse.credentials.tokens.queries import live_tokens
from keyhouse.mandate import criticality
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.facts import Asking
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.people import all_facts
from keyhouse.mandate.planning import Plan, plan_change
from keyhouse.mandate.queries import Ledger, ledger
from keyhouse.mandate.rules import Policy


def preview(mandate: Mandate, now: datetime) -> Plan:
    """Return the plan for a mandate; reads everything, writes nothing."""
    before = ledger()
    policy = Policy(mandate, _next_version(mandate, before, now))
    return plan_change(
        before,
        lambda one: _with(before, one, now),
        policy,
        all_facts(criticality.foresee(mandate.criteria, now)),
        now,
        tokens=_live_tokens(now),
    )


def _live_tokens(now: datetime) -> dict[str, set[Asking]]:
    """Return what stands behind the live tokens of each person."""
    found: dict[str, set[Asking]] = defaultdict(set)
    for token in live_tokens(now):
        found[f"u{token.user_id}"].add(Asking.of("token", token.strength))
    return found


def _with(before: Ledger, policy: Policy, now: datetime) -> Ledger:
    return replace(before, versions=(*before.versions, (now, policy)))


def _next_version(mandate: Mandate, before: Ledger, now: datetime) -> int:
    last = MandateVersion.objects.filter(name=mandate.name).aggregate(last=Max("version"))["last"] or 0
    live = (one.version for one in before.live_at(now) if one.name == mandate.name)
    return max((last, *live)) + 1
