"""A project, one of its releases, all its releases, all files of a release."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from typing import Any, Final
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponsePermanentRedirect
from django.shortcuts import render
from packaging.utils import canonicalize_name

from keyhouse.core import actions
from keyhouse.core.errors import NotFound
from keyhouse.projects.models import Project, Release
from keyhouse.projects.queries import files_of, find_project, roles_of_project
from keyhouse.web import queries
from keyhouse.web.descriptions import fit_description
from keyhouse.web.pages import Pages, read_page_number
from keyhouse.web.release_facts import read_facts
from keyhouse.web.versions import ReleaseLine, find_version

RELEASES_SHOWN: Final = 12
FILES_SHOWN: Final = 40
LINES_A_PAGE: Final = 100
_NAME: Final = re.compile(r"[a-z0-9-]{1,200}")  # a database must not be asked for anything else


@dataclass(frozen=True, slots=True)
class Looked:
    """A project as asked for: its releases (the newest first), the recommended one and the chosen one."""

    project: Project
    history: list[ReleaseLine]
    recommended: ReleaseLine | None
    chosen: ReleaseLine | None


class SpeltOtherwise(Exception):  # noqa: N818 - nothing is wrong; the page lives at another spelling
    """The thing exists, and its page has another address."""

    def __init__(self, *parts: str) -> None:
        """Take the parts of the right address below `/project/`."""
        super().__init__()
        self.address = "/project/" + "/".join(quote(part, safe="") for part in parts if part) + "/"


Page = Callable[..., HttpResponse]


def _look_up(name: str, version: str = "", rest: str = "") -> Looked:
    """Find the project and, where one is named, the release.

    Raises NotFound, or SpeltOtherwise where name or version stand there in another spelling.
    """
    normalized = canonicalize_name(name)
    project = find_project(normalized) if _NAME.fullmatch(normalized) else None
    if project is None:
        raise NotFound("There is no project of that name here.", fix="Look for it by searching.")
    history = queries.history_of(project)
    recommended = find_version(history, project.latest_version) or next(iter(history), None)
    chosen = find_version(history, version) if version else recommended
    if version and chosen is None:
        raise NotFound(f"{project.name} has no such release.", fix="Its page lists all releases.")
    if name != normalized or (version and chosen and version != chosen.version):
        raise SpeltOtherwise(normalized, chosen.version if version and chosen else "", rest)
    return Looked(project, history, recommended, chosen)


def _or_redirected(page: Page) -> Page:
    """Send other spellings of a name or a version to the one address."""

    @wraps(page)
    def answer(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        try:
            return page(request, *args, **kwargs)
        except SpeltOtherwise as other:
            return HttpResponsePermanentRedirect(other.address)

    return answer


def _chosen_context(looked: Looked, chosen: ReleaseLine) -> dict[str, Any]:
    found = queries.get_release(chosen.id)
    files = list(files_of(found.release)[: FILES_SHOWN + 1])
    return {
        "facts": read_facts(found.release.metadata),
        "description": fit_description(found.description_html),
        "description_is_long": found.is_long,
        "files": files[:FILES_SHOWN],
        "has_more_files": len(files) > FILES_SHOWN,
        "is_recommended": looked.recommended == chosen,
    }


def _base_context(looked: Looked) -> dict[str, Any]:
    return {
        "project": looked.project,
        "chosen": looked.chosen,
        "recommended": looked.recommended,
        "release_count": len(looked.history),
    }


@actions.classified(GET="site.read")
@_or_redirected
def project(request: HttpRequest, name: str, version: str = "") -> HttpResponse:
    """Show a project by its recommended release, or one release of it."""
    looked = _look_up(name, version)
    context = _base_context(looked) | {
        "history": looked.history[:RELEASES_SHOWN],
        "people": roles_of_project(looked.project),
        "version_asked": version,
    }
    if looked.chosen is not None:
        context |= _chosen_context(looked, looked.chosen)
    return render(request, "site/project.html", context)


@actions.classified(GET="site.read")
@_or_redirected
def releases(request: HttpRequest, name: str) -> HttpResponse:
    """Show all releases of a project, a hundred a page."""
    looked = _look_up(name, rest="releases")
    pages = Pages(read_page_number(request.GET.get("page", "")), len(looked.history), LINES_A_PAGE)
    lines = looked.history[pages.first : pages.first + pages.length]
    return render(request, "site/releases.html", _base_context(looked) | {"history": lines, "pages": pages})


@actions.classified(GET="site.read")
@_or_redirected
def files(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Show all files of a release, a hundred a page."""
    looked = _look_up(name, version, rest="files")
    found = files_of(Release(pk=_id_of(looked)))
    pages = Pages(read_page_number(request.GET.get("page", "")), found.count(), LINES_A_PAGE)
    context = {"files": found[pages.first : pages.first + pages.length], "pages": pages}
    return render(request, "site/files.html", _base_context(looked) | context)


@actions.classified(GET="site.read")
@_or_redirected
def description(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Show a description that is too long for the project's page."""
    looked = _look_up(name, version, rest="description")
    text = fit_description(queries.description_of(_id_of(looked)))
    return render(request, "site/description.html", _base_context(looked) | {"description": text})


def _id_of(looked: Looked) -> int:
    if looked.chosen is None:
        raise NotFound
    return looked.chosen.id
