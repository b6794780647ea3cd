"""Applications for organizations: the queue, and what operators say to each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import page_of, pager
from keyhouse.core import actions, configuration
from keyhouse.organizations import applying, queries
from keyhouse.organizations.errors import ApplicationMissing
from keyhouse.organizations.letters import QUEUE
from keyhouse.organizations.models import OrganizationApplication
from keyhouse.projects.visiting import sent
from keyhouse.web.console.forms import ApplicantForm

_MOST: Final = 20  # rivals that are shown


@actions.classified(GET="application.read-all")
def applications(request: AskedRequest) -> HttpResponse:
    """Show what is open, the oldest first, or what was decided lately."""
    is_open = request.GET.get("state") != "decided"
    decided = OrganizationApplication.objects.exclude(decided_at=None).order_by("-decided_at", "-pk")
    rows = queries.waiting_applications() if is_open else decided
    page = page_of(request, rows.select_related("asked_by"))
    context = {
        "rows": list(page),
        "pages": pager(page),
        "is_open": is_open,
        "is_free": configuration.current().organizations != "application",
    }
    return render(request, "console/applications.html", context)


@actions.classified(GET="application.read-all")
def application(request: AskedRequest, application_id: int) -> HttpResponse:
    """Show one application, with others for the same name."""
    return render(request, "console/application.html", _context(_get(application_id)))


@actions.takes()
@actions.classified(GET="organization.decide", POST="organization.decide")
def approve(request: AskedRequest, application_id: int) -> HttpResponse:
    """Ask once more, then make the organization."""
    return _answer(
        request,
        application_id,
        "Approve",
        PageForm(sent(request)),
        lambda _: applying.approve(application_id, by=request.actor),
    )


@actions.takes(*ApplicantForm.base_fields)
@actions.classified(GET="organization.decide", POST="organization.decide")
def ask(request: AskedRequest, application_id: int) -> HttpResponse:
    """Ask whoever applied for more."""
    return _answer(
        request,
        application_id,
        "Ask for more",
        ApplicantForm(sent(request)),
        lambda text: applying.ask(application_id, text, by=request.actor),
    )


@actions.takes(*ApplicantForm.base_fields)
@actions.classified(GET="organization.decide", POST="organization.decide")
def decline(request: AskedRequest, application_id: int) -> HttpResponse:
    """Say no, and why."""
    return _answer(
        request,
        application_id,
        "Decline",
        ApplicantForm(sent(request)),
        lambda text: applying.decline(application_id, text, by=request.actor),
    )


def _answer(
    request: AskedRequest, application_id: int, act: str, form: PageForm, answer: Callable[[str], object]
) -> HttpResponse:
    found = _get(application_id)
    if request.method == "POST":
        form.carry_out(lambda: answer(form.cleaned_data.get("text", "")))
        if not form.errors:
            return SeeOther(QUEUE)
    context = _context(found) | {"act": act, "is_danger": act == "Decline"}
    if act != "Approve":
        context["rivals"] = []
    return show_form(request, "console/application_act.html", form, context)


def _context(found: OrganizationApplication) -> dict[str, Any]:
    rivals = [] if found.decided_at else list(queries.rivals_of(found).select_related("asked_by")[:_MOST])
    return {"application": found, "rivals": rivals, "is_taken": queries.is_taken(found.name)}


def _get(application_id: int) -> OrganizationApplication:
    found = queries.find_application(application_id)
    if found is None:
        raise ApplicationMissing
    return found
