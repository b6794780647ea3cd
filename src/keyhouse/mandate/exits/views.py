"""Pages of ways out: one's own, and what operators answer."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Proposal
from keyhouse.accounts.oversight.errors import PersonMissing
from keyhouse.accounts.views.answers import SeeOther, session_of, show_form
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor
from keyhouse.mandate.asked import Standing, read_standing
from keyhouse.mandate.exits import asking, laying_down
from keyhouse.mandate.exits import queries as exits
from keyhouse.mandate.exits.asking import Wanted
from keyhouse.mandate.exits.forms import AnswerForm, ExemptionForm, KeyForm, NewOwnerForm, ProposeForm
from keyhouse.mandate.exits.ways import ways_of
from keyhouse.mandate.queries import live_policies
from keyhouse.organizations import membership, ownership
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.changing import thing_named
from keyhouse.organizations.errors import OrganizationMissing
from keyhouse.organizations.models import Organization
from keyhouse.projects.collaborators import ending
from keyhouse.projects.collaborators.queries import leaving_of
from keyhouse.projects.visiting import project_of, readable, sent

PAGE: Final = "/account/mandate/exits/"
REQUESTS: Final = "/operator/mandates/requests/"
KEEP: Final = "keep"


@actions.classified(GET="mandate.read-own")
def page(request: AskedRequest) -> HttpResponse:
    """Show every way out, and what becomes of projects and tokens."""
    now, user_id = clock.now(), session_of(request).user_id
    standing = read_standing(request.actor, now)
    context = {
        "standing": standing,
        "ways": ways_of(user_id),
        "request_row": exits.find_open_request(user_id),
        "answered": exits.last_answered(user_id, now),
        "can_be_exempt": bool(_exemptible(standing)),
        "days": laying_down.WAIT.days,
        "now": now,
    }
    return render(request, "exits/page.html", context)


@actions.takes()
@actions.classified(GET="collaborator.leave", POST="collaborator.leave")
def leave_project(request: AskedRequest, name: str) -> HttpResponse:
    """Say what stepping down means; then give up one's own role in a project."""
    found, form = project_of(request, ending.LEAVE, name), PageForm(sent(request))
    if request.method == "POST":
        form.carry_out(lambda: ending.leave(found.normalized_name, by=request.actor))
        if not form.errors:
            return SeeOther(PAGE)
    context = {"project": found, "leaving": leaving_of(found, session_of(request).user_id)}
    return show_form(request, "exits/step_down.html", form, context)


@actions.takes("act")
@actions.classified(GET="collaborator.lay-down", POST="collaborator.lay-down")
def lay_down_project(request: AskedRequest, name: str) -> HttpResponse:
    """Say what it means to give a project up that one owns alone; then do it. `act` may be `keep`: that is taken back."""
    found, form = project_of(request, laying_down.LAY_DOWN, name), PageForm(sent(request))
    if request.POST.get("act") == KEEP:
        laying_down.take_up(found.normalized_name, by=request.actor)
        return SeeOther(PAGE)
    if request.method == "POST":
        form.carry_out(lambda: laying_down.lay_down(found.normalized_name, by=request.actor))
        if not form.errors:
            return SeeOther(PAGE)
    leaving, days = leaving_of(found, session_of(request).user_id), laying_down.WAIT.days
    context = {"project": found, "leaving": leaving, "days": days}
    return show_form(request, "exits/lay_down_project.html", form, context)


@actions.takes()
@actions.classified(GET="organization.leave", POST="organization.leave")
def leave_organization(request: AskedRequest, name: str) -> HttpResponse:
    """Say what leaving an organization means; then leave it."""
    found, form = _organization_of(request, membership.LEAVE, name), PageForm(sent(request))
    if request.method == "POST":
        form.carry_out(lambda: membership.leave(found.name, by=request.actor))
        if not form.errors:
            return SeeOther(PAGE)
    context = {"organization": found, "leaving": organizations.leaving_of(found, session_of(request).user_id)}
    return show_form(request, "exits/leave.html", form, context)


@actions.takes("act")
@actions.classified(GET="organization.lay-down", POST="organization.lay-down")
def lay_down_organization(request: AskedRequest, name: str) -> HttpResponse:
    """Say what it means to give an organization up that one owns alone; then do it. `act` may be `keep`, as above."""
    found, form = (
        _organization_of(request, laying_down.LAY_DOWN_ORGANIZATION, name),
        PageForm(sent(request)),
    )
    if request.POST.get("act") == KEEP:
        laying_down.take_up_organization(found.name, by=request.actor)
        return SeeOther(PAGE)
    if request.method == "POST":
        form.carry_out(lambda: laying_down.lay_down_organization(found.name, by=request.actor))
        if not form.errors:
            return SeeOther(PAGE)
    leaving, days = organizations.leaving_of(found, session_of(request).user_id), laying_down.WAIT.days
    held = found.projects.count()
    context = {"organization": found, "leaving": leaving, "days": days, "held": held}
    return show_form(request, "exits/lay_down_organization.html", form, context)


def _organization_of(request: AskedRequest, action: str, name: str) -> Organization:
    """Return the organization; whoever has no role gets one answer, be it here or not."""
    thing = thing_named(readable(name))
    actions.require(request.actor, action, thing)
    found = organizations.find_organization(thing.name)
    if found is None:
        raise OrganizationMissing
    return found


@actions.takes(*ExemptionForm.base_fields)
@actions.classified(GET="exemption.ask", POST="exemption.ask")
def ask_exemption(request: AskedRequest) -> HttpResponse:
    """Ask the operators for an exemption."""
    offered = _exemptible(read_standing(request.actor, clock.now()))
    form = ExemptionForm(sent(request), mandates=offered)
    if request.method == "POST":
        done = form.carry_out(lambda: asking.ask(Wanted(**form.cleaned_data), by=request.actor))
        if done is not None:
            return SeeOther(PAGE)
    return show_form(request, "exits/ask_exemption.html", form, {"offered": offered})


def _exemptible(standing: Standing) -> tuple[tuple[str, str], ...]:
    """Return the mandates that one can be exempt from and isn't: name and title."""
    return tuple((one.policy.name, one.mandate.title) for one in standing.open if not one.is_floor)


@actions.takes(*KeyForm.base_fields)
@actions.classified(GET="exemption.ask", POST="exemption.ask")
def ask_key(request: AskedRequest) -> HttpResponse:
    """Ask the operators for a security key."""
    form = KeyForm(sent(request))
    if request.method == "POST":
        done = form.carry_out(lambda: asking.ask(Wanted(form.cleaned_data["reason"]), by=request.actor))
        if done is not None:
            return SeeOther(PAGE)
    return show_form(request, "exits/ask_key.html", form)


@actions.takes()
@actions.classified(POST="exemption.ask")
def take_back(request: AskedRequest) -> HttpResponse:
    """Take back what one asks for."""
    asking.take_back(by=request.actor)
    return SeeOther(PAGE)


# Open also where the index is private, and to whoever isn't signed in: it says how to get in.
@actions.classified(GET="site.help")
def without_phone(request: AskedRequest) -> HttpResponse:
    """Say in words what works without a phone, or with assistive technology."""
    return render(request, "exits/without_phone.html")


# ---- operators


@actions.classified(GET="mandate.read-all")
def requests(request: AskedRequest) -> HttpResponse:
    """List what people ask for, the oldest first, and what was answered last."""
    context = {"open": exits.open_requests(), "over": exits.answered_requests(), "actor": request.actor}
    return render(request, "exits/requests.html", context)


@actions.takes(*ProposeForm.base_fields)
@actions.classified(GET="exemption.propose", POST="exemption.propose")
def propose(request: AskedRequest, request_id: int) -> HttpResponse:
    """Show what somebody asks for, and propose it."""
    row = exits.get_request(request_id)
    form = ProposeForm(sent(request), initial={"days": row.days})
    if request.method == "POST":
        done = form.carry_out(lambda: asking.propose(request_id, form.cleaned_data["days"], by=request.actor))
        if done is not None:
            return SeeOther(REQUESTS)
    return show_form(request, "exits/propose.html", form, {"row": row})


@actions.takes(*AnswerForm.base_fields, "grants")
@actions.classified(GET="exemption.answer", POST="exemption.answer")
def answer(request: AskedRequest, request_id: int) -> HttpResponse:
    """Refuse what somebody asks for, or say how they get their key (`grants`)."""
    row, form = exits.get_request(request_id), AnswerForm(sent(request))
    if request.method == "POST":
        grants = request.POST.get("grants") == "yes"
        done = form.carry_out(
            lambda: asking.answer(request_id, form.cleaned_data["reply"], grants=grants, by=request.actor)
        )
        if done is not None:
            return SeeOther(REQUESTS)
    return show_form(request, "exits/answer.html", form, {"row": row})


@actions.classified(GET="mandate.read-all")
def stranded(request: AskedRequest) -> HttpResponse:
    """List what no owner could manage, by mandate, with what has been tried and the way out."""
    now = clock.now()
    lists = [(one, exits.stranded(one, now)) for one in live_policies(now)]
    return render(request, "exits/stranded.html", {"lists": lists, "most": exits.MOST})


@actions.takes(*NewOwnerForm.base_fields)
@actions.classified(GET="ownership.propose", POST="ownership.propose")
def new_organization_owner(request: AskedRequest, name: str) -> HttpResponse:
    """Propose a new owner for an organization that nobody looks after."""
    found, form = organizations.find_organization(readable(name)), NewOwnerForm(sent(request))
    if found is None:
        raise OrganizationMissing
    now = clock.now()
    if request.method == "POST":
        done = form.carry_out(lambda: _propose_owner(found, form, request.actor, now))
        if done is not None:
            return SeeOther("/operator/proposals/")
    context = {"organization": found, "is_free": ownership.may_have_new_owner(found, now)}
    return show_form(request, "exits/new_owner.html", form, context)


def _propose_owner(found: Organization, form: NewOwnerForm, by: Actor, now: datetime) -> Proposal:
    user = organizations.find_account(form.cleaned_data["username"].strip())
    if user is None:
        raise PersonMissing
    return ownership.propose_owner(found, user, form.cleaned_data["reason"], by=by, now=now)
