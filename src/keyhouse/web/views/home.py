"""The first page, and search."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.core import actions
from keyhouse.web import queries
from keyhouse.web.pages import Pages, read_page_number
from keyhouse.web.views.readers import for_readers

LONGEST_QUERY: Final = 200


@actions.classified(GET="site.read")
@for_readers
def home(request: HttpRequest) -> HttpResponse:
    """Show what this index is, its newest releases and its newest projects."""
    context = {
        "totals": queries.totals(),
        "releases": queries.newest_releases(),
        "projects": queries.newest_projects(),
    }
    return render(request, "site/home.html", context)


@actions.classified(GET="site.read")
@for_readers
def search(request: HttpRequest) -> HttpResponse:
    """Show the projects whose name fits `?q=`, twenty a page."""
    query = request.GET.get("q", "")[:LONGEST_QUERY].strip()
    number = read_page_number(request.GET.get("page", ""))
    found = queries.search(query, page=number)
    pages = Pages(number, found.total, queries.RESULTS)
    return render(request, "site/search.html", {"query": query, "found": found, "pages": pages})
