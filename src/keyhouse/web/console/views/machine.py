"""What the index runs on: settings, and works beside requests."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther
from keyhouse.core import actions, clock, configuration
from keyhouse.core.configuration import SETTINGS, shown_value
from keyhouse.web.console import works

JOBS: Final = "/operator/jobs/"


@actions.classified(GET="settings.read")
def settings(request: AskedRequest) -> HttpResponse:
    """Show every setting, where it comes from, what it means."""
    current = configuration.current()
    rows = [
        {
            "name": setting.name,
            "value": shown_value(current, setting),
            "size": getattr(current, setting.field) if setting.is_size else None,
            "source": current.sources.get(setting.field, "default"),
            "meaning": setting.meaning,
        }
        for setting in SETTINGS
    ]
    return render(request, "console/settings.html", {"rows": rows})


@actions.classified(GET="job.read")
def jobs(request: AskedRequest) -> HttpResponse:
    """Show the works beside requests, and how their last round went."""
    return render(request, "console/jobs.html", {"works": works.all_works(clock.now())})


@actions.takes()
@actions.classified(GET="job.run", POST="job.run")
def run(request: AskedRequest, name: str) -> HttpResponse:
    """Ask once more, then let a work do a round now."""
    kind = works.get_kind(name)
    if request.method == "POST":
        works.run_now(name, by=request.actor, now=clock.now())
        return SeeOther(JOBS)
    return render(request, "console/job_run.html", {"kind": kind})
