"""A project, one of its releases, all its releases, all files of a release."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render

from keyhouse.core import actions, configuration
from keyhouse.core.errors import NotFound
from keyhouse.projects.models import Project
from keyhouse.projects.queries import roles_of_project
from keyhouse.web import queries
from keyhouse.web.descriptions import cut_description
from keyhouse.web.pages import Pages, read_page_number
from keyhouse.web.project_pages.fitted import FITTED
from keyhouse.web.project_pages.installing import lines_for, requirements_file
from keyhouse.web.project_pages.link_rules import grounds_of
from keyhouse.web.project_pages.looking_up import Looked, look_up, or_redirected
from keyhouse.web.project_pages.publications import as_json, ground_of, lines_of, means_of_release
from keyhouse.web.release_facts import read_facts
from keyhouse.web.versions import ReleaseLine

RELEASES_SHOWN: Final = 10
LINES_A_PAGE: Final = 50
FILES_A_DOCUMENT: Final = 1000
MOST_DESCRIPTION: Final = 36_000  # bytes on the project's own page


def _chosen_context(looked: Looked, chosen: ReleaseLine) -> dict[str, Any]:
    found = queries.get_release(chosen.id)
    files = queries.first_files_of(chosen.id)
    shown = [file for file in files if not file.is_quarantined]
    project = looked.project
    own = grounds_of(configuration.current().base_url, project.normalized_name, project.name)
    grounds = (*own, *ground_of(queries.origins_of(chosen.id)))
    text = FITTED.fit(found.description_html)
    is_long = found.is_long or len(text.encode()) > MOST_DESCRIPTION
    return {
        "facts": read_facts(found.release.metadata, grounds),
        "install": lines_for(project.normalized_name, chosen, looked.recommended),
        "description": "" if is_long else text,
        "description_is_long": is_long,
        "previous": looked.previous,
        "files": lines_of(shown[: queries.FILES_SHOWN]),
        "has_held_files": len(shown) < len(files),
        "has_more_files": len(files) > queries.FILES_SHOWN,
        "is_recommended": looked.recommended == chosen,
        "provenance_break": found.provenance_break,
    }


@actions.classified(GET="site.read")
@or_redirected
def project(request: HttpRequest, name: str, version: str = "") -> HttpResponse:
    """Show a project by its recommended release, or one release of it."""
    looked = look_up(request, name, version)
    if looked.project.status == Project.Status.QUARANTINED:
        return render(request, "site/quarantined.html", looked.context)
    context = looked.context | {
        "history": _with_means(looked.history[:RELEASES_SHOWN]),
        "people": roles_of_project(looked.project),
        "organization": looked.project.organization,
        "version_asked": version,
    }
    if looked.chosen is not None:
        context |= _chosen_context(looked, looked.chosen)
    return render(request, "site/project.html", context)


@actions.classified(GET="site.read")
@or_redirected
def releases(request: HttpRequest, name: str) -> HttpResponse:
    """Show all releases of a project, fifty a page."""
    looked = look_up(request, name, "", "releases/")
    looked.require_open()
    pages = Pages(read_page_number(request.GET.get("page", "")), len(looked.history), LINES_A_PAGE)
    shown = looked.history[pages.first : pages.first + pages.length]
    context = {"history": _with_means(shown), "pages": pages}
    return render(request, "site/releases.html", looked.context | context)


def _with_means(lines: list[ReleaseLine]) -> list[ReleaseLine]:
    means = queries.means_of_releases([line.id for line in lines])
    return [replace(line, published=means_of_release(means.get(line.id, ()))) for line in lines]


@actions.classified(GET="site.read")
@or_redirected
def files(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Show all files of a release, fifty a page."""
    looked = look_up(request, name, version, "files/")
    looked.require_open()
    found = queries.open_files_of(looked.release_id)
    pages = Pages(read_page_number(request.GET.get("page", "")), found.count(), LINES_A_PAGE)
    lines = lines_of(list(found[pages.first : pages.first + pages.length]))
    return render(request, "site/files.html", looked.context | {"files": lines, "pages": pages})


@actions.classified(GET="site.read")
@or_redirected
def description(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Show a description that is too long for the project's page, in pages of its own."""
    looked = look_up(request, name, version, "description/")
    looked.require_open()
    parts = cut_description(queries.description_of(looked.release_id))
    pages = Pages(min(read_page_number(request.GET.get("page", "")), len(parts)), len(parts), 1)
    context = {"description": parts[pages.first], "pages": pages}
    return render(request, "site/description.html", looked.context | context)


@actions.classified(GET="site.read")
@or_redirected
def requirements(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Return a requirements file with the hashes of all files of a release that can be installed."""
    looked = look_up(request, name, version, "requirements.txt")
    looked.require_open()
    digests = queries.digests_of_files(looked.release_id)
    if not digests:
        raise NotFound("This release has no file that can be installed.")
    text = requirements_file(
        configuration.current().base_url, looked.project.normalized_name, version, digests
    )
    return HttpResponse(text, content_type="text/plain; charset=utf-8")


@actions.classified(GET="site.read")
@or_redirected
def publications(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Tell programs how each file of a release was published, a thousand a page."""
    looked = look_up(request, name, version, "publications.json")
    looked.require_open()
    found = queries.open_files_of(looked.release_id)
    pages = Pages(read_page_number(request.GET.get("page", "")), found.count(), FILES_A_DOCUMENT)
    shown = found[pages.first : pages.first + pages.length]
    document = {
        "project": looked.project.normalized_name,
        "version": version,
        "pages": pages.count,
        "files": [as_json(file) for file in shown],
    }
    return JsonResponse(document)
