"""The first page of the console."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.audit.models import Record
from keyhouse.core import actions, clock, configuration
from keyhouse.mail import queries as mail
from keyhouse.web import readiness
from keyhouse.web.console import index_facts as found
from keyhouse.web.console.attention import COUNTED_TO, for_offices, needs_attention
from keyhouse.web.console.works import tally
from keyhouse.web.operating import tabs_of


@actions.classified(GET="console.read")
def overview(request: AskedRequest) -> HttpResponse:
    """Show how the index is doing, what needs attention first."""
    now, judged = clock.now(), readiness.look()
    context = {
        "now": now,
        "readiness": judged,
        "attention": for_offices(needs_attention(judged, now), tabs_of(request.actor)),
        "versions": found.versions(),
        "certificate": found.find_certificate_end(),
        "totals": found.totals(),
        "disk": found.disk(),
        "database": found.database(),
        "folder": configuration.current().data,
        "unsealed": Record.objects.filter(position=None)[:COUNTED_TO].count(),
        "lanes": mail.waiting_by_lane(),
        "works": tally(now),
        "failed_mails": mail.failed()[:COUNTED_TO].count(),
    }
    return render(request, "console/overview.html", context)
