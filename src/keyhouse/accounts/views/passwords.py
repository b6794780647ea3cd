"""A forgotten password, a new one by a mailed link, none at all."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import strength
from keyhouse.accounts.forms import ForgottenForm, RemovePasswordForm, ResetForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.passwords import removing, resetting
from keyhouse.accounts.views.answers import HOME, SeeOther, session_of, show_form
from keyhouse.accounts.visitor import visitor_of
from keyhouse.core import actions, clock
from keyhouse.mail.queries import is_off

MAILED: Final = "/account/password/forgotten/mailed/"
SIGN_IN: Final = "/account/sign-in/"


@actions.takes(*ForgottenForm.base_fields)
@actions.classified(GET="password.ask-reset", POST="password.ask-reset")
def forgotten(request: AskedRequest) -> HttpResponse:
    """Ask for a link; the answer is the same whoever is named."""
    form = ForgottenForm(request.POST if request.method == "POST" else None)
    if request.method == "POST" and form.is_valid():
        resetting.ask_for_reset(form.cleaned_data["username"], visitor_of(request), clock.now())
        return SeeOther(MAILED)
    return show_form(request, "accounts/password_forgotten.html", form)


@actions.classified(GET="password.ask-reset")
def forgotten_mailed(request: AskedRequest) -> HttpResponse:
    """Say what happens next, if there is such an account."""
    return render(request, "accounts/password_forgotten_mailed.html", {"mail_is_off": is_off()})


@actions.takes(*ResetForm.base_fields)
@actions.classified(GET="password.reset", POST="password.reset")
def reset(request: AskedRequest, secret: str) -> HttpResponse:
    """Set a new password. Looking at the page does nothing: mail scanners follow links, too."""
    user = resetting.find_reset(secret, clock.now())
    form = ResetForm(request.POST if request.method == "POST" else None, username=user.username)
    if request.method == "POST":
        form.carry_out(
            lambda: resetting.reset_password(
                secret, form.cleaned_data["password"], visitor_of(request), clock.now()
            )
        )
        if not form.errors:
            return SeeOther(SIGN_IN)
    return show_form(
        request,
        "accounts/password_reset.html",
        form,
        {"has_factor": strength.has_second_factor(user.pk)},
    )


@actions.takes(*RemovePasswordForm.base_fields)
@actions.classified(GET="password.remove", POST="password.remove")
def remove(request: AskedRequest) -> HttpResponse:
    """Remove one's password."""
    user = session_of(request).user
    form = RemovePasswordForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(lambda: removing.remove_password(user, by=request.actor, now=clock.now()))
        if not form.errors:
            return SeeOther(HOME)
    return show_form(request, "accounts/password_remove.html", form)
