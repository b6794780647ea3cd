"""Account home, password, history."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import browsers, checklist, emails, history, holds, services
from keyhouse.accounts.addresses.queries import standings_of
from keyhouse.accounts.check_up.queries import find_standing as find_check_up
from keyhouse.accounts.deletion import find_deletion
from keyhouse.accounts.forms import PasswordChangeForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import User
from keyhouse.accounts.passwords import removing
from keyhouse.accounts.recovery.queries import live_holds_of
from keyhouse.accounts.views.answers import HOME, SeeOther, session_of, show_form
from keyhouse.audit.queries import records_of_person
from keyhouse.core import actions, clock


@actions.classified(GET="account.read")
def home(request: AskedRequest) -> HttpResponse:
    """Show the account as a checklist, one next step at a time."""
    session = session_of(request)
    check_up = find_check_up(session.user_id, clock.now())
    standings = standings_of(session.user)
    context = {
        "person": session.user,
        "standings": standings,
        "check_phrase": emails.shown_check_phrase(session.user),
        "held": holds.find_wait(session.user, clock.now()),
        "holds": live_holds_of(session.user, clock.now()),
        "items": checklist.items_for(session.user, standings),
        "deletion": find_deletion(session.user_id),
        "check_up": check_up if check_up is not None and check_up.is_asked else None,
        "waits": browsers.waits_of(session.user_id, clock.now()),
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
