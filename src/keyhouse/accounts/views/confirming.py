"""The page of a sign-in that waits, since its account doesn't know the browser; and the mailed link that ends the wait."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import confirming, signing_in
from keyhouse.accounts.forms import CodeForm, PageForm, RecoveryCodeForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Session
from keyhouse.accounts.signing_in import SignedIn
from keyhouse.accounts.views.answers import HOME, SeeOther, next_of, show_form, with_next
from keyhouse.accounts.views.sign_in import CONFIRM, SIGN_IN, after_sign_in
from keyhouse.accounts.visitor import Visitor, remember_browser, visitor_of
from keyhouse.core import actions, clock

FORMS: Final[dict[str, type[PageForm]]] = {"totp": CodeForm, "recovery_code": RecoveryCodeForm}


def _waiting(request: AskedRequest) -> Session | None:
    session = request.account_session
    return session if session is not None and confirming.is_waiting(session) else None


def _elsewhere(request: AskedRequest) -> HttpResponse:
    """Lead on whoever is signed in by now, and everybody else to the beginning."""
    way_on, session = next_of(request), request.account_session
    return SeeOther(way_on if session is not None and session.is_complete else with_next(SIGN_IN, way_on))


@actions.takes("next")
@actions.classified(GET="session.ask-confirmation", POST="session.ask-confirmation")
def new_browser(request: AskedRequest) -> HttpResponse:
    """Show what the sign-in waits for; mail once more."""
    session = _waiting(request)
    if session is None:
        return _elsewhere(request)
    visitor, now = visitor_of(request), clock.now()
    if request.method == "POST":
        confirming.ask_by_mail(session, visitor, now)
        return SeeOther(with_next(CONFIRM, next_of(request)))
    waiting = confirming.describe(session, visitor, now)
    context = {"waiting": waiting, "person": session.user.username, "next": next_of(request), "now": now}
    return render(request, "accounts/new_browser.html", context)


@actions.takes("code", "recovery_code", "next")
@actions.classified(GET="session.confirm", POST="session.confirm")
def by_other_factor(request: AskedRequest) -> HttpResponse:
    """Take a factor of another kind, where no mail can be sent."""
    session, way_on, now = _waiting(request), next_of(request), clock.now()
    if session is None:
        return _elsewhere(request)
    other = confirming.other_factor(session)
    if not other or not confirming.is_without_mail(session.user, now):
        return SeeOther(with_next(CONFIRM, way_on))
    form = FORMS[other](request.POST if request.method == "POST" else None)
    if request.method == "POST":
        visitor = visitor_of(request)
        signed_in = form.carry_out(lambda: _confirm(session, form, visitor))
        if signed_in is not None:
            return after_sign_in(signed_in, visitor, way_on)
    return show_form(request, "accounts/new_browser_code.html", form, {"next": way_on})


def _confirm(session: Session, form: PageForm, visitor: Visitor) -> SignedIn:
    if isinstance(form, CodeForm):
        return signing_in.confirm_by_code(session, form.cleaned_data["code"], visitor, clock.now())
    return signing_in.confirm_by_recovery_code(
        session, form.cleaned_data["recovery_code"], visitor, clock.now()
    )


@actions.takes("next")
@actions.classified(POST="session.ask-confirmation")
def wait(request: AskedRequest) -> HttpResponse:
    """Begin the announced wait, where no mail can be sent."""
    session = _waiting(request)
    if session is None:
        return _elsewhere(request)
    visitor = visitor_of(request)
    confirming.begin_wait(session, visitor, clock.now())
    response = SeeOther(with_next(CONFIRM, next_of(request)))
    remember_browser(response, visitor, session.user_id)
    return response


@actions.takes()
@actions.classified(GET="session.confirm", POST="session.confirm")
def by_link(request: AskedRequest, secret: str) -> HttpResponse:
    """Show what a mailed link would confirm; confirm it. Fetching it does nothing."""
    session, visitor, now = request.account_session, visitor_of(request), clock.now()
    if confirming.was_confirmed_here(secret, session):
        return SeeOther(HOME)
    if request.method == "POST":
        signed_in = SignedIn(*confirming.confirm(secret, session, visitor, now))
        return after_sign_in(signed_in, visitor, HOME)
    waiting = confirming.look(secret, session, now)
    return render(request, "accounts/confirm_sign_in.html", {"session": waiting})
