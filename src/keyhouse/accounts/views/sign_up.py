"""Asking for an account."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import signing_up
from keyhouse.accounts.forms import SignUpForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import HOME, SeeOther, show_form
from keyhouse.accounts.visitor import visitor_of
from keyhouse.core import actions, clock, configuration
from keyhouse.mail.queries import is_off

SENT: Final = "/account/sign-up/sent/"


@actions.takes(*SignUpForm.base_fields)
@actions.classified(GET="sign-up.ask", POST="sign-up.ask")
def sign_up(request: AskedRequest) -> HttpResponse:
    """Take an address; where the index makes no accounts this way, say how one gets in."""
    if request.actor.kind == "session":
        return SeeOther(HOME)
    form = SignUpForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        form.carry_out(
            lambda: signing_up.ask_to_sign_up(
                form.cleaned_data["email"], form.cleaned_data["homepage"], visitor_of(request), clock.now()
            )
        )
        if not form.errors:
            return SeeOther(SENT)
    return show_form(request, "accounts/sign_up.html", form, {"mode": configuration.current().sign_up})


@actions.classified(GET="sign-up.ask")
def sent(request: AskedRequest) -> HttpResponse:
    """Say to look into the mailbox, whoever asked."""
    return render(request, "accounts/sign_up_sent.html", {"mail_is_off": is_off()})
