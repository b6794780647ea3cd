"""People: the list, one person, and what an operator does about an account."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlencode

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Email, User
from keyhouse.accounts.oversight import addresses, offices, suspending
from keyhouse.accounts.oversight.errors import PersonMissing
from keyhouse.accounts.queries import find_user
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor
from keyhouse.web.console.forms import AddressForm, OfficeForm, PeopleFilterForm, WhyForm
from keyhouse.web.console.people import (
    Listed,
    list_people,
    may_see_addresses,
    offices_of,
    see_person,
    standings_of,
)

LIST: Final = "/operator/people/"
PROPOSALS: Final = "/operator/proposals/"
_LONGEST_NAME: Final = 50


@actions.classified(GET="person.read")
def people(request: AskedRequest) -> HttpResponse:
    """Show people by name, narrowed by what is asked."""
    form, now, may = PeopleFilterForm(request.GET), clock.now(), may_see_addresses(request.actor)
    if not may:
        form.fields["q"].label = "Name"
    after = request.GET.get("after", "")[:_LONGEST_NAME]
    listed = list_people(form.cleaned_data, after, now, by_address=may) if form.is_valid() else Listed([], "")
    kept = {name: value for name, value in request.GET.items() if name in form.fields and value}
    context = {"form": form, "listed": listed, "kept": urlencode(kept), "is_narrowed": bool(kept or after)}
    return render(request, "console/people.html", context)


@actions.classified(GET="person.read")
def person(request: AskedRequest, username: str) -> HttpResponse:
    """Show one person."""
    user, now = _get(username), clock.now()
    reads_mandates = request.actor.is_operator or request.actor.is_auditor
    context = {
        "seen": see_person(user, now),
        "standings": standings_of(user, now) if reads_mandates else None,
        "person": user,
        "is_mine": user.pk == request.actor.user_id,
        "shows_addresses": may_see_addresses(request.actor),
    }
    return render(request, "console/person.html", context)


def _get(username: str) -> User:
    """Return the person of that name; raises PersonMissing."""
    user = find_user(username) if username.isprintable() and len(username) <= _LONGEST_NAME else None
    if user is None:
        raise PersonMissing
    return user


Act = Callable[..., object]


def _act(request: AskedRequest, username: str, template: str, act: Act) -> HttpResponse:
    """Show what an act would do, and do it with a reason."""
    now: datetime = clock.now()
    user, form = _get(username), WhyForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        by: Actor = request.actor
        form.carry_out(lambda: act(user, form.cleaned_data["reason"], by=by, now=now))
        if not form.errors:
            return SeeOther(f"{LIST}{quote(user.username)}/")
    return show_form(request, template, form, {"person": user, "seen": see_person(user, now)})


@actions.takes(*WhyForm.base_fields)
@actions.classified(GET="person.suspend", POST="person.suspend")
def suspend(request: AskedRequest, username: str) -> HttpResponse:
    """Suspend somebody's account."""
    return _act(request, username, "console/person_suspend.html", suspending.suspend_user)


@actions.takes(*WhyForm.base_fields)
@actions.classified(GET="person.reinstate", POST="person.reinstate")
def reinstate(request: AskedRequest, username: str) -> HttpResponse:
    """End the suspension of an account."""
    return _act(request, username, "console/person_reinstate.html", suspending.reinstate_user)


@actions.takes(*WhyForm.base_fields)
@actions.classified(GET="person.off-board", POST="person.off-board")
def off_board(request: AskedRequest, username: str) -> HttpResponse:
    """Close the account of somebody who has left."""
    return _act(request, username, "console/person_off_board.html", suspending.off_board)


@actions.takes(*OfficeForm.base_fields)
@actions.classified(GET="office.propose", POST="office.propose")
def grant_office(request: AskedRequest, username: str) -> HttpResponse:
    """Propose that somebody gets an office."""
    user, form = _get(username), OfficeForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        told = form.cleaned_data if form.is_valid() else {}
        done = form.carry_out(
            lambda: offices.propose_office(
                user, told["office"], told["reason"], by=request.actor, now=clock.now()
            )
        )
        if done is not None:
            return SeeOther(PROPOSALS)
    return show_form(request, "console/person_grant_office.html", form, {"person": user})


@actions.takes(*OfficeForm.base_fields)
@actions.classified(GET="office.revoke", POST="office.revoke")
def revoke_office(request: AskedRequest, username: str) -> HttpResponse:
    """Take an office from somebody."""
    user, form = _get(username), OfficeForm(request.POST if request.method == "POST" else None)
    held = offices_of(user)
    form.fields["office"].choices = [(office, office) for office in held]  # type: ignore[attr-defined]  # it is a ChoiceField
    if request.method == "POST":
        told = form.cleaned_data if form.is_valid() else {}
        form.carry_out(
            lambda: offices.revoke_office(
                user, told["office"], told["reason"], by=request.actor, now=clock.now()
            )
        )
        if not form.errors:
            return SeeOther(f"{LIST}{quote(user.username)}/")
    return show_form(request, "console/person_revoke_office.html", form, {"person": user, "held": held})


@actions.takes(*AddressForm.base_fields)
@actions.classified(GET="address.propose", POST="address.propose")
def verify_address(request: AskedRequest, username: str) -> HttpResponse:
    """Propose that an address counts as verified, which no mail from here reaches."""
    now, user = clock.now(), _get(username)
    form = AddressForm(request.POST if request.method == "POST" else None)
    found = addresses.unreached(user, now)
    form.fields["address"].choices = [(one.pk, _named(one)) for one in found]  # type: ignore[attr-defined]  # it is a ChoiceField
    if request.method == "POST":
        told, by = form.cleaned_data if form.is_valid() else {}, request.actor
        done = form.carry_out(
            lambda: addresses.propose_address(user, told["address"], told["reason"], by=by, now=now)
        )
        if done is not None:
            return SeeOther(PROPOSALS)
    return show_form(request, "console/person_verify_address.html", form, {"person": user, "found": found})


def _named(one: Email) -> str:
    """Return an address with what speaks against it: who has its domain now may be somebody else."""
    return f"{one.address} (its domain was gone)" if one.domain_gone_at else one.address


@actions.takes(*WhyForm.base_fields)
@actions.classified(GET="person.end-sessions", POST="person.end-sessions")
def end_sessions(request: AskedRequest, username: str) -> HttpResponse:
    """End all sessions of somebody."""
    return _act(request, username, "console/person_end_sessions.html", suspending.end_sessions_of)
