"""Downloads of a project, as a page and as JSON."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from keyhouse.core import actions, clock
from keyhouse.web.project_pages.looking_up import Looked, look_up, or_redirected
from keyhouse.web.project_pages.plots import plot_of
from keyhouse.web.project_pages.statistics import RANGES, Statistics, read_days, statistics_of


@actions.classified(GET="site.read")
@or_redirected
def page(request: HttpRequest, name: str) -> HttpResponse:
    """Show downloads per day, installer and release over `?days=`."""
    looked = look_up(request, name, rest="statistics/")
    found = _statistics(request, looked)
    context = {
        "statistics": found,
        "plot": plot_of([day.count for day in found.by_day]),
        "newest_first": found.by_day[::-1],
        "ranges": RANGES,
    }
    return render(request, "site/statistics.html", looked.context | context)


@actions.classified(GET="site.read")
@or_redirected
def document(request: HttpRequest, name: str) -> HttpResponse:
    """Return the same as JSON."""
    looked = look_up(request, name, rest="statistics.json")
    return JsonResponse({"project": looked.project.normalized_name, **_statistics(request, looked).as_json()})


def _statistics(request: HttpRequest, looked: Looked) -> Statistics:
    looked.require_open()
    return statistics_of(looked.project, read_days(request.GET.get("days", "")), clock.now().date())
