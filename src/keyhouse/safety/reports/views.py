"""The pages of reports: making one, seeing one's own, and looking after all of them."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, session_of, show_form
from keyhouse.core import actions
from keyhouse.core.actor import Actor
from keyhouse.distfiles.names import normalise
from keyhouse.projects.errors import ProjectNotFound
from keyhouse.projects.models import Project
from keyhouse.projects.queries import find_project
from keyhouse.projects.reading import is_hidden
from keyhouse.safety.reports import queries, services
from keyhouse.safety.reports.errors import ReportMissing
from keyhouse.safety.reports.forms import CloseForm, ReportForm
from keyhouse.safety.reports.models import Report

LIST: Final = "/operator/reports/"
OWN: Final = "/account/reports/"
_LONGEST_NAME: Final = 200


@actions.takes(*ReportForm.base_fields)
@actions.classified(GET="report.file", POST="report.file")
def report(request: AskedRequest, name: str) -> HttpResponse:
    """Ask what is wrong with a project, then pass it on to the people who run the index."""
    project = _get_project(name, request.actor)
    asked = {"version": request.GET.get("version", "")[:200]}
    form = ReportForm(request.POST if request.method == "POST" else None, initial=asked)
    if request.method == "POST":
        told = form.cleaned_data if form.is_valid() else {}
        done = form.carry_out(
            lambda: services.report_project(
                project.normalized_name,
                told["kind"],
                told["text"],
                version=told["version"],
                by=request.actor,
            )
        )
        if done is not None:
            return SeeOther(OWN)
    return show_form(request, "safety/report.html", form, {"project": project})


def _get_project(name: str, by: Actor) -> Project:
    """Return the project; one that somebody may not read is not there for them."""
    name = normalise(name)
    fits = name.isascii() and len(name) <= _LONGEST_NAME and name.replace("-", "").isalnum()
    project, hides = (find_project(name), is_hidden(by.user_id, name)) if fits else (None, True)
    if project is None or hides:
        raise ProjectNotFound
    return project


@actions.classified(GET="report.read-own")
def own_reports(request: AskedRequest) -> HttpResponse:
    """Show what somebody has reported, and what became of it."""
    listed = queries.list_own(session_of(request).user_id, request.GET.get("before", ""))
    return render(request, "safety/own_reports.html", {"listed": listed})


@actions.classified(GET="report.read-all")
def reports(request: AskedRequest) -> HttpResponse:
    """Show the reports that wait for an answer, or those that have one."""
    is_open = request.GET.get("state") != "closed"
    listed = queries.list_reports(is_open=is_open, before=request.GET.get("before", ""))
    return render(request, "safety/reports.html", {"listed": listed, "is_open": is_open})


@actions.classified(GET="report.read-all")
def one_report(request: AskedRequest, report_id: int) -> HttpResponse:
    """Show one report: what was said, by whom, and what else was said of the project."""
    found = _get(report_id)
    context = {
        "report": found,
        "others": queries.others_about(found),
        "project": find_project(found.normalized_name),
    }
    return render(request, "safety/one_report.html", context)


@actions.takes(*CloseForm.base_fields)
@actions.classified(GET="report.close", POST="report.close")
def close(request: AskedRequest, report_id: int) -> HttpResponse:
    """Ask how it is answered, then close it."""
    found = _get(report_id)
    form = CloseForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        told = form.cleaned_data if form.is_valid() else {}
        done = form.carry_out(
            lambda: services.close_report(report_id, told["outcome"], told["note"], by=request.actor)
        )
        if done is not None:
            return SeeOther(f"{LIST}{report_id}/")
    return show_form(request, "safety/report_close.html", form, {"report": found})


def _get(report_id: int) -> Report:
    found = queries.find_report(report_id)
    if found is None:
        raise ReportMissing
    return found
