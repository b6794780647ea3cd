"""Pages on which owners yank, delete and archive. Authority is asked before a page shows what exists."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.core import actions
from keyhouse.projects import queries
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.life_cycle import services
from keyhouse.projects.life_cycle.forms import ConfirmationForm, ReasonForm, SimpleForm
from keyhouse.projects.visiting import actor_of, context_of, project_of, readable, release_of, sent, to


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="project.archive", POST="project.archive")
def archive(request: HttpRequest, name: str) -> HttpResponse:
    """Mark a project as finished."""
    found = project_of(request, "project.archive", name)
    form = ReasonForm(sent(request), initial={"reason": found.status_reason})
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        services.archive_project(found.normalized_name, reason, by=actor_of(request))
        return to(found)
    return render(request, "projects/archive.html", context_of(request, found) | {"form": form})


@actions.takes()
@actions.classified(GET="project.unarchive", POST="project.unarchive")
def unarchive(request: HttpRequest, name: str) -> HttpResponse:
    """Take a project out of the archive."""
    found = project_of(request, "project.unarchive", name)
    form = SimpleForm(sent(request))
    if form.is_valid():
        services.unarchive_project(found.normalized_name, by=actor_of(request))
        return to(found)
    return render(request, "projects/unarchive.html", context_of(request, found) | {"form": form})


@actions.takes(*ConfirmationForm.base_fields)
@actions.classified(GET="project.delete", POST="project.delete")
def delete_project(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a project; where that is held, the page says so before anybody fills it in."""
    found = project_of(request, "project.delete", name)
    form = ConfirmationForm(sent(request), expected=found.name)
    if form.is_valid():
        services.delete_project(found.normalized_name, by=actor_of(request))
        return HttpResponseRedirect("/manage/projects/")
    return render(request, "projects/delete_project.html", context_of(request, found) | {"form": form})


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="release.yank", POST="release.yank")
def yank(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Mark a release as one that installers pass by, or change the reason."""
    found = project_of(request, "release.yank", name)
    chosen = release_of(found, version)
    form = ReasonForm(sent(request), initial={"reason": chosen.yanked_reason})
    if form.is_valid():
        reason = form.cleaned_data["reason"]
        services.yank_release(found.normalized_name, chosen.version, reason, by=actor_of(request))
        return to(found, chosen)
    context = context_of(request, found) | {"release": chosen, "form": form}
    return render(request, "projects/yank.html", context)


@actions.takes()
@actions.classified(GET="release.unyank", POST="release.unyank")
def unyank(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Take back a yank."""
    found = project_of(request, "release.unyank", name)
    chosen = release_of(found, version)
    form = SimpleForm(sent(request))
    if form.is_valid():
        services.unyank_release(found.normalized_name, chosen.version, by=actor_of(request))
        return to(found, chosen)
    context = context_of(request, found) | {"release": chosen, "form": form}
    return render(request, "projects/unyank.html", context)


@actions.takes(*ConfirmationForm.base_fields)
@actions.classified(GET="release.delete", POST="release.delete")
def delete_release(request: HttpRequest, name: str, version: str) -> HttpResponse:
    """Delete a release with its files."""
    found = project_of(request, "release.delete", name)
    chosen = release_of(found, version)
    form = ConfirmationForm(sent(request), expected=chosen.version)
    if form.is_valid():
        services.delete_release(found.normalized_name, chosen.version, by=actor_of(request))
        return to(found)
    context = context_of(request, found) | {
        "release": chosen,
        "form": form,
        "file_count": chosen.files.count(),
    }
    return render(request, "projects/delete_release.html", context)


@actions.takes(*ConfirmationForm.base_fields)
@actions.classified(GET="file.delete", POST="file.delete")
def delete_file(request: HttpRequest, name: str, version: str, filename: str) -> HttpResponse:
    """Delete a file of a release."""
    found = project_of(request, "file.delete", name)
    chosen = release_of(found, version)
    file = queries.files_of(chosen).filter(filename=readable(filename)).first()
    if file is None:
        raise ProjectNotFound("The release has no such file.")
    form = ConfirmationForm(sent(request), expected=file.filename)
    if form.is_valid():
        services.delete_file(found.normalized_name, file.filename, by=actor_of(request))
        return to(found, chosen)
    context = context_of(request, found) | {"release": chosen, "file": file, "form": form}
    return render(request, "projects/delete_file.html", context)
