"""The operators' report of a shadow, and putting one's own deadline off."""

from __future__ import annotations

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.mandate.shadow import queries, services

OWN: str = "/account/mandate/"


@actions.classified(GET="mandate.read-all")
def report(request: AskedRequest, name: str) -> HttpResponse:
    """Show who would have been refused where by a mandate in its shadow."""
    return render(request, "shadow/report.html", {"report": queries.report(name, clock.now())})


@actions.classified(GET="mandate.read-all")
def report_data(request: AskedRequest, name: str) -> HttpResponse:
    """Answer the same as JSON."""
    del request
    return JsonResponse(queries.report(name, clock.now()).as_dict())


@actions.takes()
@actions.classified(GET="mandate.snooze", POST="mandate.snooze")
def snooze(request: AskedRequest, name: str) -> HttpResponse:
    """Say until when one's own deadline can be put off, and put it off."""
    if request.method == "POST":
        services.snooze(name, by=request.actor)
        return HttpResponseRedirect(OWN, status=303)
    policy, offer = services.find_offer(name, request.actor, clock.now())
    return render(request, "shadow/snooze.html", {"policy": policy, "offer": offer})
