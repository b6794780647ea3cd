"""Account home, password, history."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import checklist, emails, history, holds, services
from keyhouse.accounts.addresses.queries import standings_of
from keyhouse.accounts.forms import PasswordChangeForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import User
from keyhouse.accounts.overview import overview_of
from keyhouse.accounts.passwords import removing
from keyhouse.accounts.views.answers import HOME, SeeOther, session_of, show_form
from keyhouse.audit.queries import records_of_person
from keyhouse.core import actions, clock


@actions.classified(GET="account.read")
def home(request: AskedRequest) -> HttpResponse:
    """Show the account as a checklist, one next step at a time."""
    session = session_of(request)
    standings, there = standings_of(session.user), overview_of(session.user, clock.now())
    context = {
        "person": session.user,
        "standings": standings,
        "check_phrase": emails.shown_check_phrase(session.user),
        "held": holds.find_wait(session.user, clock.now()),
        "holds": there.holds,
        "items": checklist.items_for(session.user, standings, there.codes_left),
        "deletion": there.deletion,
        "check_up": there.check_up if there.check_up is not None and there.check_up.is_asked else None,
        "waits": there.waits,
    }
    return render(request, "accounts/home.html", context)


@actions.takes(*PasswordChangeForm.base_fields)
@actions.classified(GET="password.change", POST="password.change")
def password(request: AskedRequest) -> HttpResponse:
    """Change one's password."""
    session = session_of(request)
    user = session.user
    form = PasswordChangeForm(
        request.POST if request.method == "POST" else None,
        username=user.username,
        has_password=user.has_usable_password() and user.state != User.State.PASSWORD_DISABLED,
    )
    if request.method == "POST":
        form.carry_out(
            lambda: services.change_password(
                user,
                form.cleaned_data.get("current_password", ""),
                form.cleaned_data["password"],
                by=request.actor,
                now=clock.now(),
            )
        )
        if not form.errors:
            return SeeOther(HOME)
    context = {"can_remove": user.has_usable_password() and removing.can_do_without(user.pk)}
    return show_form(request, "accounts/password.html", form, context)


@actions.classified(GET="audit.read-own")
def own_history(request: AskedRequest) -> HttpResponse:
    """Show what happened to one's account, newest first."""
    session = session_of(request)
    page = history.read_page(records_of_person(session.user_id), request.GET.get("before", ""))
    return render(request, "accounts/history.html", {"page": page})
