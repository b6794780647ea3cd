"""The operators' pages: what is live, waits and comes; approving and withdrawing, each asked once more.

Each act has a page of its own, so that a proof that is asked for leads back to it and nothing is sent twice.
"""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.mandate import console, queries, services
from keyhouse.mandate.dispositions import count_by_class, count_publishers

LIST: Final = "/mandate/proposals/"


@actions.classified(GET="mandate.read-all")
def proposals(request: AskedRequest) -> HttpResponse:
    """Show what is live, what waits for approval, what comes, exemptions, and how many tokens are weak."""
    now = clock.now()
    context = {
        "live": console.live_for_operators(now),
        "shadows": queries.ledger().shadows,
        "proposals": console.proposals_for(request.actor, now),
        "exemptions": console.exemptions_for(request.actor, now),
        "tokens": count_by_class(now),
        "publishers": count_publishers(now),
        "now": now,
    }
    return render(request, "mandate/proposals.html", context)


@actions.takes()
@actions.classified(GET="mandate.approve", POST="mandate.approve")
def approve(request: AskedRequest, name: str, version: int) -> HttpResponse:
    """Show the plan of a version once more, and let it take effect."""
    if request.method == "POST":
        services.approve_version(name, version, by=request.actor)
        return HttpResponseRedirect(LIST, status=303)
    return _about_proposal(request, "mandate/approve.html", name, version)


@actions.takes()
@actions.classified(GET="mandate.withdraw", POST="mandate.withdraw")
def withdraw(request: AskedRequest, name: str, version: int) -> HttpResponse:
    """Ask before taking a version back that is not in effect yet."""
    if request.method == "POST":
        services.withdraw_version(name, version, by=request.actor)
        return HttpResponseRedirect(LIST, status=303)
    return _about_proposal(request, "mandate/withdraw.html", name, version)


def _about_proposal(request: AskedRequest, template: str, name: str, version: int) -> HttpResponse:
    proposal = console.get_proposal(name, version, request.actor)
    context = {
        "proposal": proposal,
        "is_open": services.is_open(proposal.row, clock.now()),
    }
    return render(request, template, context)


@actions.takes()
@actions.classified(GET="exemption.approve", POST="exemption.approve")
def approve_exemption(request: AskedRequest, exemption_id: int) -> HttpResponse:
    """Show an exemption once more, and let it take effect."""
    if request.method == "POST":
        services.approve_exemption(exemption_id, by=request.actor)
        return HttpResponseRedirect(LIST, status=303)
    return _about_exemption(request, "mandate/approve_exemption.html", exemption_id)


@actions.takes()
@actions.classified(GET="mandate.withdraw", POST="mandate.withdraw")
def withdraw_exemption(request: AskedRequest, exemption_id: int) -> HttpResponse:
    """Ask before ending an exemption."""
    if request.method == "POST":
        services.withdraw_exemption(exemption_id, by=request.actor)
        return HttpResponseRedirect(LIST, status=303)
    return _about_exemption(request, "mandate/withdraw_exemption.html", exemption_id)


def _about_exemption(request: AskedRequest, template: str, exemption_id: int) -> HttpResponse:
    exemption, now = console.get_exemption(exemption_id, request.actor), clock.now()
    is_over = exemption.row.withdrawn_at is not None or exemption.row.until <= now
    context = {
        "exemption": exemption,
        "is_over": is_over,
    }
    return render(request, template, context)
