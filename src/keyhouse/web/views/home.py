"""The first page."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.core import actions, configuration
from keyhouse.projects.queries import newest_projects, newest_releases
from keyhouse.projects.reading import readable_by
from keyhouse.projects.visiting import actor_of
from keyhouse.web import queries

NEWEST: Final = 8


@actions.classified(GET="site.read")
def home(request: HttpRequest) -> HttpResponse:
    """Show what this index is, its newest releases and its newest projects."""
    reader = actor_of(request).user_id
    context = {
        "host": configuration.current().host,
        "totals": queries.find_totals(),
        "releases": newest_releases().filter(readable_by(reader, "project"))[:NEWEST],
        "projects": newest_projects().filter(readable_by(reader))[:NEWEST],
    }
    return render(request, "site/home.html", context)
