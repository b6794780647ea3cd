"""What a mandate would change if it took effect now: the ledger and the people of this index, given to `planning`."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from django.db.models import Max

from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.models import MandateVersion
from keyhouse.mandate.people import all_facts
from keyhouse.mandate.planning import Plan, plan_change
from keyhouse.mandate.queries import Ledger, ledger
from keyhouse.mandate.rules import Policy


def preview(mandate: Mandate, now: datetime) -> Plan:
    """Return the plan for a mandate; reads everything, writes nothing."""
    before = ledger()
    policy = Policy(mandate, _next_version(mandate, before, now))
    return plan_change(before, lambda one: _with(before, one, now), policy, all_facts(), now)


def _with(before: Ledger, policy: Policy, now: datetime) -> Ledger:
    return replace(before, versions=(*before.versions, (now, policy)))


def _next_version(mandate: Mandate, before: Ledger, now: datetime) -> int:
    last = MandateVersion.objects.filter(name=mandate.name).aggregate(last=Max("version"))["last"] or 0
    live = (one.version for one in before.live_at(now) if one.name == mandate.name)
    return max((last, *live)) + 1
