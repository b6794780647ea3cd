"""Projects: the list, one project with its limits, and a new owner for one that nobody looks after."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlencode

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Proposal
from keyhouse.accounts.oversight.errors import PersonMissing
from keyhouse.accounts.queries import find_user
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, clock
from keyhouse.projects import limiting, ownership
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project
from keyhouse.projects.queries import find_project
from keyhouse.web.console.forms import MEGABYTE, LimitsForm, OwnerForm, ProjectFilterForm
from keyhouse.web.console.projects import Listed, list_projects, see_project

LIST: Final = "/operator/projects/"
_NAME: Final = re.compile(r"[a-z0-9-]{1,200}")  # a database must not be asked for anything else


@actions.classified(GET="project.read-any")
def projects(request: AskedRequest) -> HttpResponse:
    """Show projects by name or size, narrowed by what is asked."""
    form, after = ProjectFilterForm(request.GET), request.GET.get("after", "")[:250]
    listed = list_projects(form.cleaned_data, after) if form.is_valid() else Listed([], "")
    kept = {name: value for name, value in request.GET.items() if name in form.fields and value}
    context = {"form": form, "listed": listed, "kept": urlencode(kept), "is_narrowed": bool(kept or after)}
    return render(request, "console/projects.html", context)


def _get(name: str) -> Project:
    project = find_project(name) if _NAME.fullmatch(name) else None
    if project is None:
        raise ProjectNotFound
    return project


@actions.classified(GET="project.read-any")
def project(request: AskedRequest, name: str) -> HttpResponse:
    """Show one project."""
    return render(request, "console/project.html", {"seen": see_project(_get(name), clock.now())})


def _megabytes(size: int | None) -> int | None:
    return None if size is None else max(1, size // MEGABYTE)


def _bytes(megabytes: int | None) -> int | None:
    return None if megabytes is None else megabytes * MEGABYTE


@actions.takes(*LimitsForm.base_fields)
@actions.classified(GET="project.set-limits", POST="project.set-limits")
def limits(request: AskedRequest, name: str) -> HttpResponse:
    """Set the limits of a project; an empty field means the setting's."""
    found = _get(name)
    initial = {
        "file_limit": _megabytes(found.file_limit),
        "project_limit": _megabytes(found.project_limit),
    }
    form = LimitsForm(request.POST if request.method == "POST" else None, initial=initial)
    if request.method == "POST":
        told = form.cleaned_data if form.is_valid() else {}
        done = form.carry_out(
            lambda: limiting.set_limits(
                name, _bytes(told["file_limit"]), _bytes(told["project_limit"]), by=request.actor
            )
        )
        if done is not None:
            return SeeOther(f"{LIST}{name}/")
    return show_form(request, "console/project_limits.html", form, {"seen": see_project(found, clock.now())})


@actions.takes(*OwnerForm.base_fields)
@actions.classified(GET="ownership.propose", POST="ownership.propose")
def new_owner(request: AskedRequest, name: str) -> HttpResponse:
    """Propose a new owner for a project that nobody looks after."""
    found, form = _get(name), OwnerForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        done = form.carry_out(lambda: _propose(found, form, request))
        if done is not None:
            return SeeOther("/operator/proposals/")
    return show_form(
        request, "console/project_new_owner.html", form, {"seen": see_project(found, clock.now())}
    )


def _propose(found: Project, form: OwnerForm, request: AskedRequest) -> Proposal:
    typed = form.cleaned_data["username"].strip()
    user = find_user(typed) if typed.isprintable() else None
    if user is None:
        raise PersonMissing
    return ownership.propose_owner(
        found, user, form.cleaned_data["reason"], by=request.actor, now=clock.now()
    )
