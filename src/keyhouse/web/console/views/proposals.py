"""Proposals about offices, owners and addresses: who waits for whom, and what another operator says to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Proposal
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.oversight.addresses import ADDRESS
from keyhouse.accounts.oversight.approvals import Standing
from keyhouse.accounts.oversight.errors import ProposalMissing
from keyhouse.accounts.oversight.offices import OFFICE
from keyhouse.accounts.oversight.proposals import Undertaking
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor
from keyhouse.mandate.campaigns.emergency import EMERGENCY
from keyhouse.organizations.ownership import ORGANIZATION
from keyhouse.projects.ownership import OWNER
from keyhouse.web.console.forms import WhyForm

LIST: Final = "/operator/proposals/"
MOST: Final = 100
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


def _shown(row: Proposal, by: Actor) -> Shown:
    standing = proposals.standing_of(row)
    waits = row.is_open and row.effective_at is None
    return Shown(
        row,
        UNDERTAKINGS[row.kind].told(row.user, row.about),
        standing,
        waits and by.is_operator and standing.can_approve(by.name),
    )


@actions.classified(GET="proposal.read")
def all_proposals(request: AskedRequest) -> HttpResponse:
    """Show what is open, the oldest first, and what was decided last."""
    rows = Proposal.objects.select_related("user")
    is_open = {"done_at": None, "ended_at": None}
    context = {
        "open": [_shown(row, request.actor) for row in rows.filter(**is_open).order_by("pk")[:MOST]],
        "over": [_shown(row, request.actor) for row in rows.exclude(**is_open).order_by("-pk")[:MOST]],
    }
    return render(request, "console/proposals.html", context)


def _get(proposal_id: int) -> Proposal:
    row = Proposal.objects.filter(pk=proposal_id).select_related("user").first()
    if row is None:
        raise ProposalMissing
    return row


@actions.takes()
@actions.classified(GET="proposal.approve", POST="proposal.approve")
def approve(request: AskedRequest, proposal_id: int) -> HttpResponse:
    """Ask once more, then approve it."""
    row = _get(proposal_id)
    if request.method == "POST":
        proposals.approve(UNDERTAKINGS[row.kind], row.pk, by=request.actor, now=clock.now())
        return SeeOther(LIST)
    return render(request, "console/proposal_approve.html", {"shown": _shown(row, request.actor)})


@actions.takes(*WhyForm.base_fields)
@actions.classified(GET="proposal.withdraw", POST="proposal.withdraw")
def withdraw(request: AskedRequest, proposal_id: int) -> HttpResponse:
    """Take it back, or refuse it, with a reason."""
    row, form = _get(proposal_id), WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        what, by = UNDERTAKINGS[row.kind], request.actor
        done = form.carry_out(
            lambda: proposals.withdraw(what, row.pk, form.cleaned_data["reason"], by=by, now=clock.now())
        )
        if done is not None:
            return SeeOther(LIST)
    return show_form(request, "console/proposal_withdraw.html", form, {"shown": _shown(row, request.actor)})
