"""The first page, and search."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.core import actions
from keyhouse.projects.queries import newest_projects, newest_releases, search_projects
from keyhouse.web import queries
from keyhouse.web.pages import Pages, read_page_number

LONGEST_QUERY: Final = 200
NEWEST: Final = 8
RESULTS: Final = 20


@actions.classified(GET="site.read")
def home(request: HttpRequest) -> HttpResponse:
    """Show what this index is, its newest releases and its newest projects."""
    context = {
        "totals": queries.totals(),
        "releases": newest_releases()[:NEWEST],
        "projects": newest_projects()[:NEWEST],
    }
    return render(request, "site/home.html", context)


@actions.classified(GET="site.read")
def search(request: HttpRequest) -> HttpResponse:
    """Show the projects whose name or summary holds `?q=`, twenty a page."""
    query = request.GET.get("q", "")[:LONGEST_QUERY].strip()
    number = read_page_number(request.GET.get("page", ""))
    found = search_projects(query)
    pages = Pages(number, found.count(), RESULTS)
    shown = found[pages.first : pages.first + pages.length]
    return render(request, "site/search.html", {"query": query, "found": shown, "pages": pages})
