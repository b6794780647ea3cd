"""What operators see of mandates: what is live, what waits and what comes, and exemptions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from keyhouse.accounts.oversight import approvals
from keyhouse.accounts.oversight.approvals import Standing
from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.mandate.documents import in_words
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.mandate.public import PublicMandate, live_mandates
from keyhouse.mandate.services import is_open


@dataclass(frozen=True, slots=True)
class Proposal:
    """A version that waits for approval or for its instant, with what its plan said.

    `is_mine`: proposed by who looks; `may_approve`: they can, now.
    """

    row: MandateVersion
    is_mine: bool
    may_approve: bool
    standing: Standing

    @property
    def waits(self) -> bool:
        """Whether another operator has to approve it."""
        return self.row.effective_at is None

    def waiting(self) -> dict[str, Any]:
        """Return whose approval is missing as JSON has it."""
        found = self.standing
        return {"approvals_missing": found.missing, "may_approve": list(found.still), "told": found.sentence}

    @property
    def plan(self) -> dict[str, Any]:
        """Return the plan, as it was when the version was proposed."""
        plan: dict[str, Any] = self.row.plan
        return plan

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """Return field, former and later value of what changes, values as JSON; empty where there is none."""
        found = self.plan.get("differences", [])
        return [(in_words(one["path"]), _told(one["before"]), _told(one["after"])) for one in found]

    @property
    def forecasts(self) -> list[dict[str, Any]]:
        """Return how people would stand at each coming stage, instants as such."""
        found = self.plan.get("forecasts", [])
        return [{**one, "at": clock.parse_instant(one["at"])} for one in found]

    @property
    def document(self) -> str:
        """Return the whole document, with all names."""
        return document_text(self.row.document)


def _told(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False)


def document_text(document: dict[str, Any]) -> str:
    """Write a document for operators to read."""
    return json.dumps(document, indent=2, ensure_ascii=False)


@dataclass(frozen=True, slots=True)
class LiveMandate:
    """What is live, as everybody sees it, and the whole document, which only operators do."""

    shown: PublicMandate

    @property
    def document(self) -> str:
        """Return the whole document, with all names."""
        return document_text(self.shown.mandate.as_dict())


def live_for_operators(now: datetime) -> list[LiveMandate]:
    """Return what is live, by name."""
    return [LiveMandate(one) for one in live_mandates(now)]


@dataclass(frozen=True, slots=True)
class OpenExemption:
    """An exemption that holds or waits; `may_approve`: who looks can approve it, now."""

    row: Exemption
    is_mine: bool
    may_approve: bool
    standing: Standing

    @property
    def waits(self) -> bool:
        """Whether another operator has to approve it."""
        return self.row.effective_at is None


def proposals_for(actor: Actor, now: datetime) -> list[Proposal]:
    """Return every version that is still on its way, the oldest first."""
    rows = MandateVersion.objects.filter(withdrawn_at__isnull=True).order_by("proposed_at", "pk")
    operators = approvals.active_operators()
    return [_proposal(row, actor, operators) for row in rows if is_open(row, now)]


def get_proposal(name: str, version: int, actor: Actor) -> Proposal:
    """Return one version, open or not; raises MandateMissing."""
    row = MandateVersion.objects.filter(name=name, version=version).first()
    if row is None:
        raise MandateMissing
    return _proposal(row, actor, approvals.active_operators())


def _proposal(row: MandateVersion, actor: Actor, operators: Sequence[str]) -> Proposal:
    standing = approvals.standing(row.proposed_by, row.approved_by, operators=operators)
    may_approve = row.effective_at is None and standing.can_approve(actor.name)
    return Proposal(row, _is_by(row.proposed_by, actor), may_approve, standing)


def exemptions_for(actor: Actor, now: datetime) -> list[OpenExemption]:
    """Return every exemption that holds or waits, the first to end first."""
    rows = Exemption.objects.filter(withdrawn_at__isnull=True, until__gt=now).select_related(
        "user", "version"
    )
    operators = approvals.active_operators()
    return [_open_exemption(row, actor, operators) for row in rows.order_by("until", "pk")]


def get_exemption(exemption_id: int, actor: Actor) -> OpenExemption:
    """Return one exemption, open or not; raises MandateMissing."""
    row = Exemption.objects.filter(pk=exemption_id).select_related("user", "version").first()
    if row is None:
        raise MandateMissing("There is no such exemption.")
    return _open_exemption(row, actor, approvals.active_operators())


def _open_exemption(row: Exemption, actor: Actor, operators: Sequence[str]) -> OpenExemption:
    standing = standing_of(row, operators)
    is_mine = _is_by(row.proposed_by, actor) or row.user_id == actor.user_id
    may_approve = row.effective_at is None and standing.can_approve(actor.name)
    return OpenExemption(row, is_mine, may_approve, standing)


def standing_of(row: Exemption, operators: Sequence[str] | None = None) -> Standing:
    """Return how an exemption stands."""
    return approvals.standing(
        row.proposed_by, row.approved_by, subject=row.user.username, operators=operators
    )


def _is_by(proposer: str, actor: Actor) -> bool:
    return proposer.lower() == actor.name.lower()
