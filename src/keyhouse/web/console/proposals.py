"""Proposals of every kind in words: what each would do, how it stands, and who can approve it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.db.models import QuerySet

from keyhouse.accounts.models import Proposal
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.addresses import ADDRESS
from keyhouse.accounts.oversight.approvals import Standing
from keyhouse.accounts.oversight.errors import ProposalMissing
from keyhouse.accounts.oversight.offices import OFFICE
from keyhouse.accounts.oversight.proposals import Undertaking
from keyhouse.core.actor import Actor
from keyhouse.mandate.campaigns.emergency import EMERGENCY
from keyhouse.organizations.ownership import ORGANIZATION
from keyhouse.projects.ownership import OWNER

_OPEN: Final = {"done_at": None, "ended_at": None}
UNDERTAKINGS: Final[Mapping[str, Undertaking]] = {
    one.kind: one for one in (OFFICE, OWNER, ORGANIZATION, EMERGENCY, ADDRESS)
}


@dataclass(frozen=True, slots=True)
class Shown:
    """A proposal in words; `may_approve`: who looks can approve it now."""

    row: Proposal
    told: str
    standing: Standing
    may_approve: bool

    @property
    def state(self) -> str:
        """Say how it stands."""
        if self.row.done_at is not None:
            return "done"
        if self.row.ended_at is not None:
            return "ended"
        return "waits for its instant" if self.row.effective_at else "waits for approval"


def shown(row: Proposal, by: Actor) -> Shown:
    """Return a proposal as who looks sees it."""
    standing = proposals.standing_of(row)
    waits = row.is_open and row.effective_at is None
    return Shown(
        row,
        UNDERTAKINGS[row.kind].told(row.user, row.about),
        standing,
        waits and by.is_operator and standing.can_approve(by.name),
    )


def open_proposals() -> QuerySet[Proposal]:
    """Return what is neither done nor ended, the oldest first, with whom it is about."""
    return Proposal.objects.select_related("user").filter(**_OPEN).order_by("pk")


def decided_proposals() -> QuerySet[Proposal]:
    """Return what is done or ended, the newest first."""
    return Proposal.objects.select_related("user").exclude(**_OPEN).order_by("-pk")


def get_proposal(proposal_id: int) -> Proposal:
    """Return a proposal with whom it is about; raises ProposalMissing."""
    row = Proposal.objects.filter(pk=proposal_id).select_related("user").first()
    if row is None:
        raise ProposalMissing
    return row
