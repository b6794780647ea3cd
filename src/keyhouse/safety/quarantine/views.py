"""The pages of what is in quarantine."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions
from keyhouse.safety.quarantine import queries, services
from keyhouse.safety.quarantine.errors import QuarantineMissing
from keyhouse.safety.quarantine.forms import QuarantineForm

LIST: Final = "/operator/quarantine/"
MOST: Final = 100


@actions.classified(GET="quarantine.read-all")
def quarantines(request: AskedRequest) -> HttpResponse:
    """Show what is in quarantine, and what came back lately."""
    context = {"lasting": queries.lasting()[:MOST], "lifted": queries.lifted()[:20], "most": MOST}
    return render(request, "safety/quarantines.html", context)


@actions.takes(*QuarantineForm.base_fields)
@actions.classified(GET="quarantine.set", POST="quarantine.set")
def place(request: AskedRequest) -> HttpResponse:
    """Ask what and why, then take it out."""
    asked = {key: request.GET.get(key, "")[:250] for key in ("project", "version", "filename")}
    form = QuarantineForm(request.POST if request.method == "POST" else None, initial=asked)
    if form.is_valid():
        told = form.cleaned_data
        services.quarantine(
            told["project"],
            told["reason"],
            version=told["version"],
            filename=told["filename"],
            by=request.actor,
        )
        return HttpResponseRedirect(LIST, status=303)
    return render(request, "safety/quarantine.html", {"form": form})


@actions.takes()
@actions.classified(GET="quarantine.lift", POST="quarantine.lift")
def lift(request: AskedRequest, quarantine_id: int) -> HttpResponse:
    """Ask once more, then put it back."""
    row = queries.lasting().filter(pk=quarantine_id).first()
    if row is None:
        raise QuarantineMissing
    if request.method == "POST":
        services.lift(
            row.project.normalized_name, version=row.version, filename=row.filename, by=request.actor
        )
        return HttpResponseRedirect(LIST, status=303)
    return render(request, "safety/quarantine_lift.html", {"row": row})
