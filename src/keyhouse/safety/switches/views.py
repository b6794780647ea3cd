"""The page of the switches; each act has a page of its own, so that a proof that is asked for leads back to it."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.core.switches import NAMES
from keyhouse.safety.switches import queries, services
from keyhouse.safety.switches.errors import SwitchUnknown
from keyhouse.safety.switches.forms import FreezeForm
from keyhouse.safety.switches.queries import Shown

LIST: Final = "/operator/switches/"


@actions.classified(GET="switch.read-all")
def switches(request: AskedRequest) -> HttpResponse:
    """Show every switch: what it stops, and whether, since when, until when, by whom and why."""
    return render(request, "safety/switches.html", {"switches": queries.all_switches(clock.now())})


@actions.takes(*FreezeForm.base_fields)
@actions.classified(GET="switch.set", POST="switch.set")
def freeze(request: AskedRequest, name: str) -> HttpResponse:
    """Ask why and for how long, then throw the switch."""
    form = FreezeForm(request.POST if request.method == "POST" else None)
    shown = _shown(name)
    if form.is_valid():
        span = form.span
        until = clock.now() + span if span else None
        services.freeze(name, form.cleaned_data["reason"], until, by=request.actor)
        return HttpResponseRedirect(LIST, status=303)
    return render(request, "safety/freeze.html", {"switch": shown, "form": form})


@actions.takes()
@actions.classified(GET="switch.lift", POST="switch.lift")
def lift(request: AskedRequest, name: str) -> HttpResponse:
    """Ask once more, then lift the switch."""
    shown = _shown(name)
    if request.method == "POST":
        services.thaw(name, by=request.actor)
        return HttpResponseRedirect(LIST, status=303)
    return render(request, "safety/lift.html", {"switch": shown})


def _shown(name: str) -> Shown:
    if name not in NAMES:
        raise SwitchUnknown
    return queries.get_switch(name, clock.now())
