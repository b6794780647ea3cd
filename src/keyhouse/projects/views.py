"""Pages on which people look after their projects. Authority is asked before a page shows what exists."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, QueryDict
from django.shortcuts import render

from keyhouse.core import actions
from keyhouse.core.actions import Thing
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.core.cautioned import keep_caution
from keyhouse.core.errors import SignInRequired
from keyhouse.distfiles.names import normalise
from keyhouse.projects import queries, rules, services
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.forms import ConfirmationForm, ReasonForm, SimpleForm
from keyhouse.projects.models import Project, Release

LINES_A_PAGE: Final = 100


@actions.classified(GET="project.manage")
def projects(request: HttpRequest) -> HttpResponse:
    """List the projects in which somebody has a role."""
    actor = _actor_of(request)
    actions.require_authority(actor, "project.manage")
    if actor.user_id is None:
        raise SignInRequired
    page = _page_of(request, queries.roles_of_person(actor.user_id))
    return render(request, "projects/list.html", {"roles": page, "pages": _pager(page)})


@actions.classified(GET="project.manage")
def project(request: HttpRequest, name: str) -> HttpResponse:
    """Show how a project stands, its people and releases."""
    found = _project_of(request, "project.manage", name)
    page = _page_of(request, queries.releases_of(found))
    people = queries.roles_of_project(found)
    context = {"releases": page, "pages": _pager(page), "people": people}
    return render(request, "projects/project.html", _context(request, found) | context)


@actions.classified(GET="project.manage")
def release(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Show a release with its files."""
    found = _project_of(request, "project.manage", name)
    chosen = _release_of(found, version)
    page = _page_of(request, queries.files_of(chosen))
    context = {"release": chosen, "files": page, "pages": _pager(page)}
    return render(request, "projects/release.html", _context(request, found) | context)


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="project.archive", POST="project.archive")
def archive(request: HttpRequest, name: str) -> HttpResponse:
    """Mark a project as finished."""
    found = _project_of(request, "project.archive", name)
    form = ReasonForm(_sent(request), initial={"reason": found.status_reason})
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        services.archive_project(found.normalized_name, reason, by=_actor_of(request))
        return _to(found)
    return render(request, "projects/archive.html", _context(request, found) | {"form": form})


@actions.takes()
@actions.classified(GET="project.unarchive", POST="project.unarchive")
def unarchive(request: HttpRequest, name: str) -> HttpResponse:
    """Take a project out of the archive."""
    found = _project_of(request, "project.unarchive", name)
    form = SimpleForm(_sent(request))
    if form.is_valid():
        services.unarchive_project(found.normalized_name, by=_actor_of(request))
        return _to(found)
    return render(request, "projects/unarchive.html", _context(request, found) | {"form": form})


@actions.takes(*ConfirmationForm.base_fields)
@actions.classified(GET="project.delete", POST="project.delete")
def delete_project(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a project; where that is held, the page says so before anybody fills it in."""
    found = _project_of(request, "project.delete", name)
    form = ConfirmationForm(_sent(request), expected=found.name)
    if form.is_valid():
        services.delete_project(found.normalized_name, by=_actor_of(request))
        return HttpResponseRedirect("/manage/projects/")
    return render(request, "projects/delete_project.html", _context(request, found) | {"form": form})


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="release.yank", POST="release.yank")
def yank(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Mark a release as one that installers pass by, or change the reason."""
    found = _project_of(request, "release.yank", name)
    chosen = _release_of(found, version)
    form = ReasonForm(_sent(request), initial={"reason": chosen.yanked_reason})
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        services.yank_release(found.normalized_name, chosen.version, reason, by=_actor_of(request))
        return _to(found, chosen)
    context = _context(request, found) | {"release": chosen, "form": form}
    return render(request, "projects/yank.html", context)


@actions.takes()
@actions.classified(GET="release.unyank", POST="release.unyank")
def unyank(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Take back a yank."""
    found = _project_of(request, "release.unyank", name)
    chosen = _release_of(found, version)
    form = SimpleForm(_sent(request))
    if form.is_valid():
        services.unyank_release(found.normalized_name, chosen.version, by=_actor_of(request))
        return _to(found, chosen)
    context = _context(request, found) | {"release": chosen, "form": form}
    return render(request, "projects/unyank.html", context)


@actions.takes(*ConfirmationForm.base_fields)
@actions.classified(GET="release.delete", POST="release.delete")
def delete_release(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Delete a release with its files."""
    found = _project_of(request, "release.delete", name)
    chosen = _release_of(found, version)
    form = ConfirmationForm(_sent(request), expected=chosen.version)
    if form.is_valid():
        services.delete_release(found.normalized_name, chosen.version, by=_actor_of(request))
        return _to(found)
    context = _context(request, found) | {"release": chosen, "form": form, "file_count": chosen.files.count()}
    return render(request, "projects/delete_release.html", context)


@actions.takes(*ConfirmationForm.base_fields)
@actions.classified(GET="file.delete", POST="file.delete")
def delete_file(request: HttpRequest, name: str, version: str, filename: str) -> HttpResponse:
    """Delete a file of a release."""
    found = _project_of(request, "file.delete", name)
    chosen = _release_of(found, version)
    file = queries.files_of(chosen).filter(filename=_readable(filename)).first()
    if file is None:
        raise ProjectNotFound("The release has no such file.")
    form = ConfirmationForm(_sent(request), expected=file.filename)
    if form.is_valid():
        services.delete_file(found.normalized_name, file.filename, by=_actor_of(request))
        return _to(found, chosen)
    context = _context(request, found) | {"release": chosen, "file": file, "form": form}
    return render(request, "projects/delete_file.html", context)


def _project_of(request: HttpRequest, action: str, name: str) -> Project:
    """Return the project; whoever has no role gets one answer, be it here or not.

    The gate is asked about this very project: a role gained lately has no grace, whatever else somebody has.
    """
    thing = Thing("project", None, normalise(_readable(name)))
    keep_caution(request, action, thing, actions.require(_actor_of(request), action, thing))
    found = queries.find_project(thing.name)
    if found is None:
        raise ProjectNotFound
    return found


def _release_of(found: Project, version: str) -> Release:
    chosen = queries.find_release(found, _readable(version))
    if chosen is None:
        raise ProjectNotFound("The project has no such release.")
    return chosen


def _context(request: HttpRequest, found: Project) -> dict[str, Any]:
    role = queries.find_role_kind(_actor_of(request).user_id, Thing("project", found.pk))
    return {"project": found, "role": role, "is_owner": role == rules.OWNER}


def _actor_of(request: HttpRequest) -> Actor:
    actor: Actor = getattr(request, "actor", NOBODY)
    return actor


def _readable(text: str) -> str:
    """Return text of an address; what no name could hold becomes nothing, which is never found."""
    return text if text.isascii() and text.isprintable() else ""


def _sent(request: HttpRequest) -> QueryDict | None:
    """Return what a form was sent with, also where that is nothing."""
    return request.POST if request.method == "POST" else None


def _to(found: Project, chosen: Release | None = None) -> HttpResponse:
    address = f"/manage/project/{found.normalized_name}/"
    return HttpResponseRedirect(address + (f"release/{quote(chosen.version)}/" if chosen else ""))


def _page_of(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    return Paginator(rows, LINES_A_PAGE).get_page(request.GET.get("page"))


def _pager(page: Page[Any]) -> dict[str, int | None]:
    """Return what the template of page links shows."""
    return {
        "number": page.number,
        "count": page.paginator.num_pages,
        "before": page.number - 1 if page.has_previous() else None,
        "after": page.number + 1 if page.has_next() else None,
    }
