"""Searching for projects, for people and programs, and browsing by classifier."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import render
from django.template.loader import render_to_string
from django.utils.html import format_html_join
from django.utils.safestring import SafeString

from keyhouse.core import actions, clock
from keyhouse.core.errors import NotFound
from keyhouse.organizations.models import Organization
from keyhouse.organizations.queries import organizations_like
from keyhouse.projects.models import Project
from keyhouse.projects.search.errors import SearchRefused
from keyhouse.projects.search.forms import SearchForm
from keyhouse.projects.search.queries import (
    classifiers_below,
    common_classifiers,
    find_projects,
)
from keyhouse.projects.search.rules import MOST_FOUND, SEPARATOR, Wanted
from keyhouse.projects.visiting import actor_of
from keyhouse.web.pages import Pages, read_page_number

RESULTS: Final = 20  # projects a page
OFFERED: Final = 60  # classifiers that the filter suggests
ORGANIZATIONS: Final = 5  # above the projects of the first page


@dataclass(frozen=True, slots=True)
class Results:
    """One page of what was found; not `is_complete` where more was there than is shown on all pages."""

    pages: Pages
    projects: list[Project]
    is_complete: bool
    most: int = MOST_FOUND


def _results(request: HttpRequest, wanted: Wanted) -> Results:
    found = find_projects(wanted)
    pages = Pages(read_page_number(request.GET.get("page", "")), len(found.keys), RESULTS)
    return Results(pages, found.projects(pages.first, pages.length), found.is_complete)


def _organizations(form: SearchForm, wanted: Wanted, pages: Pages) -> list[Organization]:
    """Return organizations that the text finds; filters are about projects, and further pages go on with those."""
    if form.has_filters or form.errors or pages.number > 1 or not wanted.words:
        return []
    return organizations_like(wanted.letters, wanted.words, ORGANIZATIONS)


@lru_cache(maxsize=64)
def _filters(address: str) -> SafeString:
    """Return the fields of filters that nothing is wrong with; most searches have the same ones: none."""
    fields = SearchForm(QueryDict(address)).visible_fields()
    return format_html_join(
        "", "{}", ((render_to_string("forms/field.html", {"field": field}),) for field in fields)
    )


@actions.classified(GET="site.read")
def search(request: HttpRequest) -> HttpResponse:
    """Show the projects that `?q=` and the filters find, twenty a page."""
    form = SearchForm(request.GET)
    wanted = form.wanted(clock.now(), actor_of(request).user_id)
    results = _results(request, wanted)
    context = {
        "form": form,
        "filters": "" if form.errors else _filters(form.filters),
        "query": wanted.text,
        "is_asked": not wanted.is_empty,
        "has_filters": form.has_filters,
        "results": results,
        "organizations": _organizations(form, wanted, results.pages),
        "pages": results.pages,
        "kept": form.address,
        "classifiers": common_classifiers(OFFERED, actor_of(request).user_id),
    }
    return render(request, "site/search.html", context)


@actions.classified(GET="site.read")
def search_json(request: HttpRequest) -> HttpResponse:
    """Answer the same as JSON; docs/searching.md has its shape. Raises SearchRefused."""
    form = SearchForm(request.GET)
    wanted = form.wanted(clock.now(), actor_of(request).user_id)
    if form.errors:
        raise SearchRefused(_sentence_of(form))
    results = _results(request, wanted)
    return JsonResponse(
        {
            "asked": form.asked,
            "total": results.pages.total,
            "complete": results.is_complete,
            "page": results.pages.number,
            "pages": results.pages.count,
            "organizations": [
                _organization_as_json(one) for one in _organizations(form, wanted, results.pages)
            ],
            "projects": [_as_json(project) for project in results.projects],
        }
    )


def _sentence_of(form: SearchForm) -> str:
    name, errors = next(iter(form.errors.items()))
    return f"{name}: {errors[0]}"


def _as_json(project: Project) -> dict[str, Any]:
    released_at = project.search_row.released_at
    return {
        "name": project.name,
        "normalized_name": project.normalized_name,
        "version": project.latest_version or None,
        "summary": project.summary,
        "status": project.status,
        "released_at": clock.format_if_any(released_at),
        "url": f"/project/{project.normalized_name}/",
    }


def _organization_as_json(organization: Organization) -> dict[str, Any]:
    return {
        "name": organization.name,
        "normalized_name": organization.normalized_name,
        "title": organization.title,
        "url": f"/organization/{organization.normalized_name}/",
    }


@actions.classified(GET="site.read")
def browse(request: HttpRequest) -> HttpResponse:
    """Show the classifiers below `?classifier=` with their numbers of projects, and the projects that state it."""
    classifier, reader_id = request.GET.get("classifier", ""), actor_of(request).user_id
    results = _results(request, Wanted(classifier=classifier, reader_id=reader_id))
    if classifier and not (classifier.isprintable() and results.pages.total):
        raise NotFound("No project here states that classifier.", fix="Begin at the top: /browse/")
    context = {
        "classifier": classifier,
        "last": classifier.rpartition(SEPARATOR)[2],
        "above": _above(classifier),
        "below": [
            (one.name.rpartition(SEPARATOR)[2], one) for one in classifiers_below(classifier, reader_id)
        ],
        "results": results,
        "pages": results.pages,
        "kept": urlencode({"classifier": classifier}),
    }
    return render(request, "site/browse.html", context)


def _above(classifier: str) -> list[tuple[str, str]]:
    """Return what stands above a classifier, the topmost first: its last part and its whole."""
    parts = classifier.split(SEPARATOR)[:-1]
    return [(part, SEPARATOR.join(parts[: place + 1])) for place, part in enumerate(parts)]
