"""What operators see of what organizations ask of their own people."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.core import actions, clock
from keyhouse.mandate.by_organizations import queries
from keyhouse.mandate.declarations import told


@actions.classified(GET="mandate.read-all")
def organizations(request: HttpRequest) -> HttpResponse:
    """List the organizations that ask for more than the index, and how many of their people hold it."""
    now = clock.now()
    rows = [
        {
            "one": one,
            "asks": [(told(each.demand), each.from_at, each.from_at <= now) for each in one.holds],
            "waits": None if one.waits is None else told(one.waits.demand),
        }
        for one in queries.summaries(now)
    ]
    return render(request, "by_organizations/organizations.html", {"rows": rows})
