"""Operators' pages that launch, pause, resume, roll back and abandon: each asks once more, with what would happen.

Each act has a page of its own, so that a proof that is asked for leads back to it and nothing is sent twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.http import HttpResponse

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor
from keyhouse.mandate.campaigns import guards, queries, services
from keyhouse.mandate.campaigns.finding import get_newest
from keyhouse.mandate.campaigns.forms import FreeReasonForm, LaunchForm, ReasonForm

LIST: Final = "/mandate/proposals/"
Fields = Mapping[str, Any]  # of a form that is whole
_HOME: Final = "/operator/mandates/{}/"


@dataclass(frozen=True, slots=True)
class Act:
    """One act as its page shows it: what is done, what that does, and what the button says."""

    title: str
    told: str
    button: str
    form: type[PageForm]
    carry_out: Callable[[str, Fields, Actor], object]
    is_danger: bool = True
    waits: bool = True  # for another operator, where proposals are listed


LAUNCH: Final = Act(
    "Launch",
    "The newest draft is proposed, if all is there that it asks for. Another operator approves it; where you are the only"
    " one, it takes effect 24 hours later and is announced meanwhile.",
    "Launch it",
    LaunchForm,
    lambda name, given, by: services.launch(name, why=given["reason"], version=given.get("version"), by=by),
    is_danger=False,
)
PAUSE: Final = Act(
    "Pause",
    "What has begun holds on. No stage begins and nobody's deadline passes until it goes on; then all of that is later by"
    " the length of the pause. It ends by itself after 30 days, unless another operator confirms it.",
    "Pause it",
    ReasonForm,
    lambda name, given, by: services.pause(name, reason=given["reason"], by=by),
    waits=False,
)
RESUME: Final = Act(
    "Resume",
    "The calendar goes on. All that was to come is later by the length of the pause.",
    "Resume it",
    FreeReasonForm,
    lambda name, given, by: services.resume(name, why=given["reason"], by=by),
    is_danger=False,
    waits=False,
)
CONFIRM: Final = Act(
    "Confirm the pause of",
    "The pause goes on until somebody resumes the mandate, and doesn't end by itself. Whoever began it can't confirm it.",
    "Confirm it",
    FreeReasonForm,
    lambda name, given, by: services.confirm_pause(name, why=given["reason"], by=by),
    is_danger=False,
    waits=False,
)
ROLLBACK: Final = Act(
    "Roll back",
    "The mandate refuses nothing more but to remove a last second factor, and after some days not even that. Factors stay."
    " It loosens, so another operator approves it.",
    "Propose to roll it back",
    ReasonForm,
    lambda name, given, by: services.rollback(name, why=given["reason"], by=by),
)
ABANDON: Final = Act(
    "Abandon",
    "The mandate asks for nothing any more. It loosens, so another operator approves it. What it replaced doesn't come back"
    " by itself.",
    "Propose to abandon it",
    ReasonForm,
    lambda name, given, by: services.abandon(name, why=given["reason"], by=by),
)


def _page(request: AskedRequest, name: str, act: Act) -> HttpResponse:
    form = act.form(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(lambda: act.carry_out(name, form.cleaned_data, request.actor))
        if not form.errors:
            return SeeOther(LIST if act.waits else _HOME.format(name))
    now, found = clock.now(), queries.campaign(name)
    draft = found.draft() if act is LAUNCH else None
    form.initial["version"] = draft.version if draft else None
    context = {
        "act": act,
        "campaign": found,
        "draft": draft,
        "row": found.current(now),
        "state": found.state(now),
        "pause": found.open_pause(now),
        "guards": _guards(name, now) if draft else None,
    }
    return show_form(request, "campaigns/act.html", form, context)


def _guards(name: str, now: datetime) -> dict[str, int]:
    """Return how many guards a launch asks for, and how many of them are not met."""
    asked = [one for one in guards.quick_answers(get_newest(name, now).mandate, now) if one.is_asked]
    return {
        "asked": len(asked),
        "left": sum(bool(one.missing) for one in asked),
        "later": sum(one.is_later for one in asked),
    }


@actions.takes(*LaunchForm.base_fields)
@actions.classified(GET="mandate.launch", POST="mandate.launch")
def launch(request: AskedRequest, name: str) -> HttpResponse:
    """Launch the newest draft."""
    return _page(request, name, LAUNCH)


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="mandate.pause", POST="mandate.pause")
def pause(request: AskedRequest, name: str) -> HttpResponse:
    """Stop the calendar."""
    return _page(request, name, PAUSE)


@actions.takes(*FreeReasonForm.base_fields)
@actions.classified(GET="mandate.pause", POST="mandate.pause")
def confirm_pause(request: AskedRequest, name: str) -> HttpResponse:
    """Let a pause go on that somebody else began."""
    return _page(request, name, CONFIRM)


@actions.takes(*FreeReasonForm.base_fields)
@actions.classified(GET="mandate.resume", POST="mandate.resume")
def resume(request: AskedRequest, name: str) -> HttpResponse:
    """Let the calendar go on."""
    return _page(request, name, RESUME)


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="mandate.rollback", POST="mandate.rollback")
def rollback(request: AskedRequest, name: str) -> HttpResponse:
    """Propose to roll it back."""
    return _page(request, name, ROLLBACK)


@actions.takes(*ReasonForm.base_fields)
@actions.classified(GET="mandate.abandon", POST="mandate.abandon")
def abandon(request: AskedRequest, name: str) -> HttpResponse:
    """Propose to give it up."""
    return _page(request, name, ABANDON)
