"""What operators do about a mandate: stop its calendar, let it go on, launch it, end it. Each asks once more.

Pausing takes one operator and one click; what loosens, and a launch, waits for a second one at /mandate/proposals/.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpResponse

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, clock
from keyhouse.mandate.campaigns import guards, services
from keyhouse.mandate.campaigns.finding import get_newest
from keyhouse.web.console.forms import MandateWhyForm, MandateWordForm
from keyhouse.web.console.mandates import get_mandate

PROPOSALS: Final = "/mandate/proposals/"
_Form = type[MandateWhyForm] | type[MandateWordForm]


def _act(  # noqa: PLR0913, PLR0917 - what makes the pages differ
    request: AskedRequest, name: str, template: str, form_of: _Form, act: Callable[[str], object], then: str
) -> HttpResponse:
    """Show what an act does, and do it, with a word where one is asked for."""
    listed = get_mandate(name, clock.now())
    form = form_of(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(lambda: act(form.cleaned_data["reason"]))
        if not form.errors:
            return SeeOther(then or f"/operator/mandates/{name}/")
    context: dict[str, object] = {"listed": listed}
    if template == "launch":
        newest = get_newest(name, clock.now())
        context |= {"newest": newest, "answers": guards.answers(newest.mandate, clock.now())}
    return show_form(request, f"console/mandate_{template}.html", form, context)


@actions.takes(*MandateWhyForm.base_fields)
@actions.classified(GET="mandate.pause", POST="mandate.pause")
def pause(request: AskedRequest, name: str) -> HttpResponse:
    """Stop the calendar of a mandate."""
    return _act(
        request,
        name,
        "pause",
        MandateWhyForm,
        lambda why: services.pause(name, reason=why, by=request.actor),
        "",
    )


@actions.takes(*MandateWordForm.base_fields)
@actions.classified(GET="mandate.pause", POST="mandate.pause")
def confirm_pause(request: AskedRequest, name: str) -> HttpResponse:
    """Let a pause that another operator began go on beyond its 30 days."""
    return _act(
        request,
        name,
        "confirm_pause",
        MandateWordForm,
        lambda _: services.confirm_pause(name, by=request.actor),
        "",
    )


@actions.takes(*MandateWordForm.base_fields)
@actions.classified(GET="mandate.resume", POST="mandate.resume")
def resume(request: AskedRequest, name: str) -> HttpResponse:
    """Let the calendar of a paused mandate go on."""
    return _act(
        request,
        name,
        "resume",
        MandateWordForm,
        lambda why: services.resume(name, why=why, by=request.actor),
        "",
    )


@actions.takes(*MandateWordForm.base_fields)
@actions.classified(GET="mandate.launch", POST="mandate.launch")
def launch(request: AskedRequest, name: str) -> HttpResponse:
    """Launch the draft of a mandate, where no guard is missing; then another operator approves it."""
    return _act(
        request,
        name,
        "launch",
        MandateWordForm,
        lambda why: services.launch(name, why=why, by=request.actor),
        PROPOSALS,
    )


@actions.takes(*MandateWhyForm.base_fields)
@actions.classified(GET="mandate.rollback", POST="mandate.rollback")
def rollback(request: AskedRequest, name: str) -> HttpResponse:
    """Propose to roll a mandate back."""
    return _act(
        request,
        name,
        "rollback",
        MandateWhyForm,
        lambda why: services.rollback(name, why=why, by=request.actor),
        PROPOSALS,
    )


@actions.takes(*MandateWhyForm.base_fields)
@actions.classified(GET="mandate.abandon", POST="mandate.abandon")
def abandon(request: AskedRequest, name: str) -> HttpResponse:
    """Propose to give a mandate up."""
    return _act(
        request,
        name,
        "abandon",
        MandateWhyForm,
        lambda why: services.abandon(name, why=why, by=request.actor),
        PROPOSALS,
    )
