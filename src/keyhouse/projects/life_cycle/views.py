"""Pages on which owners yank, archive, deprecate, delete and bring back. Authority is asked before a page shows what exists."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.accounts.views.paging import page_of, pager
from keyhouse.core import actions, clock
from keyhouse.core.actions import Thing
from keyhouse.core.cautioned import keep_caution
from keyhouse.core.errors import SignInRequired
from keyhouse.projects import queries
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.life_cycle import aside, deleting, restoring, services
from keyhouse.projects.life_cycle import queries as life_cycle
from keyhouse.projects.life_cycle.forms import ConfirmationForm, DeprecationForm, ReasonForm, SimpleForm
from keyhouse.projects.visiting import actor_of, context_of, project_of, readable, release_of, sent, to

_NUMBERS: Final = 2**63


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


@actions.takes(*DeprecationForm.base_fields)
@actions.classified(GET="project.deprecate", POST="project.deprecate")
def deprecate(request: HttpRequest, name: str) -> HttpResponse:
    """Mark a project as one to leave, name what takes its place, or change what was said."""
    found = project_of(request, "project.deprecate", name)
    form = DeprecationForm(
        sent(request), initial={"reason": found.status_reason, "successor": found.told_successor}
    )
    if form.is_valid():
        services.deprecate_project(found.normalized_name, **form.cleaned_data, by=actor_of(request))
        return to(found)
    return render(request, "projects/deprecate.html", context_of(request, found) | {"form": form})


@actions.takes()
@actions.classified(GET="project.undeprecate", POST="project.undeprecate")
def undeprecate(request: HttpRequest, name: str) -> HttpResponse:
    """Take a deprecation back."""
    found = project_of(request, "project.undeprecate", name)
    form = SimpleForm(sent(request))
    if form.is_valid():
        services.undeprecate_project(found.normalized_name, by=actor_of(request))
        return to(found)
    return render(request, "projects/undeprecate.html", context_of(request, found) | {"form": form})


@actions.takes(*ConfirmationForm.base_fields)
@actions.classified(GET="project.delete", POST="project.delete")
def delete_project(request: HttpRequest, name: str) -> HttpResponse:
    """Delete a project; where that is held, the page says so before anybody fills it in."""
    found = project_of(request, "project.delete", name)
    form = ConfirmationForm(sent(request), expected=found.name)
    if form.is_valid():
        deleting.delete_project(found.normalized_name, by=actor_of(request))
        return HttpResponseRedirect("/manage/deleted/")
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
        deleting.delete_release(found.normalized_name, chosen.version, by=actor_of(request))
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
        deleting.delete_file(found.normalized_name, file.filename, by=actor_of(request))
        return to(found, chosen)
    context = context_of(request, found) | {"release": chosen, "file": file, "form": form}
    return render(request, "projects/delete_file.html", context)


@actions.classified(GET="project.manage")
def deleted_projects(request: HttpRequest) -> HttpResponse:
    """List the deleted projects that somebody owned and can bring back."""
    actor = actor_of(request)
    actions.require_authority(actor, "project.manage")
    if actor.user_id is None:
        raise SignInRequired
    page = page_of(request, life_cycle.removals_for(actor.user_id, clock.now()))
    return render(request, "projects/deleted.html", {"removals": page, "pages": pager(page)})


@actions.takes()
@actions.classified(GET="project.restore", POST="project.restore")
def restore_project(request: HttpRequest, removal_id: int) -> HttpResponse:
    """Bring back a project that one owned."""
    actor, removal_id = actor_of(request), _known(removal_id)
    thing = Thing("removal", removal_id, life_cycle.name_of(removal_id))
    keep_caution(request, "project.restore", thing, actions.require(actor, "project.restore", thing))
    removal = life_cycle.get_removal(removal_id, clock.now())
    form = SimpleForm(sent(request))
    if form.is_valid():
        return to(restoring.restore_project(removal.pk, by=actor))
    return render(request, "projects/restore.html", {"removal": removal, "form": form})


@actions.takes()
@actions.classified(GET="release.restore", POST="release.restore")
def restore_release(request: HttpRequest, name: str, removal_id: int) -> HttpResponse:
    """Bring back a release with its files."""
    return _restore_part(request, name, removal_id, "release.restore", restoring.restore_release)


@actions.takes()
@actions.classified(GET="file.restore", POST="file.restore")
def restore_file(request: HttpRequest, name: str, removal_id: int) -> HttpResponse:
    """Bring back a file."""
    return _restore_part(request, name, removal_id, "file.restore", restoring.restore_file)


def _restore_part(
    request: HttpRequest, name: str, removal_id: int, action: str, restore: Callable[..., object]
) -> HttpResponse:
    found = project_of(request, action, name)
    removal = life_cycle.get_removal(_known(removal_id), clock.now(), found, action)
    form = SimpleForm(sent(request))
    if form.is_valid():
        restore(found.normalized_name, removal.pk, by=actor_of(request))
        return to(found)
    places = restoring.find_places(found, removal, list(aside.kept_files(removal)), actor_of(request))
    context = context_of(request, found) | {"removal": removal, "places": places, "form": form}
    return render(request, "projects/restore.html", context)


def _known(removal_id: int) -> int:
    """Return a number of an address; one that no row can have becomes that of no row."""
    return removal_id if removal_id < _NUMBERS else 0
