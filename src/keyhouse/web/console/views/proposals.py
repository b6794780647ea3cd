"""Proposals about offices, owners and addresses: who waits for whom, and what another operator says to them."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.oversight import proposals
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, clock
from keyhouse.web.console.forms import WhyForm
from keyhouse.web.console.proposals import (
    UNDERTAKINGS,
    decided_proposals,
    get_proposal,
    open_proposals,
    shown,
)

LIST: Final = "/operator/proposals/"
MOST: Final = 100


@actions.classified(GET="proposal.read")
def all_proposals(request: AskedRequest) -> HttpResponse:
    """Show what is open, the oldest first, and what was decided last."""
    context = {
        "open": [shown(row, request.actor) for row in open_proposals()[:MOST]],
        "over": [shown(row, request.actor) for row in decided_proposals()[:MOST]],
    }
    return render(request, "console/proposals.html", context)


@actions.takes()
@actions.classified(GET="proposal.approve", POST="proposal.approve")
def approve(request: AskedRequest, proposal_id: int) -> HttpResponse:
    """Ask once more, then approve it."""
    row = get_proposal(proposal_id)
    if request.method == "POST":
        proposals.approve(UNDERTAKINGS[row.kind], row.pk, by=request.actor, now=clock.now())
        return SeeOther(LIST)
    return render(request, "console/proposal_approve.html", {"shown": shown(row, request.actor)})


@actions.takes(*WhyForm.base_fields)
@actions.classified(GET="proposal.withdraw", POST="proposal.withdraw")
def withdraw(request: AskedRequest, proposal_id: int) -> HttpResponse:
    """Take it back, or refuse it, with a reason."""
    row, form = get_proposal(proposal_id), WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        what, by = UNDERTAKINGS[row.kind], request.actor
        done = form.carry_out(
            lambda: proposals.withdraw(what, row.pk, form.cleaned_data["reason"], by=by, now=clock.now())
        )
        if done is not None:
            return SeeOther(LIST)
    return show_form(request, "console/proposal_withdraw.html", form, {"shown": shown(row, request.actor)})
