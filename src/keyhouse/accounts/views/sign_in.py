"""Sign in, second factor, sign out, prove once more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import confirming, services, signing_in, strength
from keyhouse.accounts.cookies import drop_cookie
from keyhouse.accounts.forms import CodeForm, PageForm, PasswordForm, RecoveryCodeForm, SignInForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Session
from keyhouse.accounts.second_factors.webauthn import ceremonies
from keyhouse.accounts.signing_in import Entered, SignedIn
from keyhouse.accounts.views.answers import (
    HOME,
    SeeOther,
    next_of,
    session_of,
    show_form,
    with_next,
    with_session,
)
from keyhouse.accounts.visitor import Visitor, remember_browser, visitor_of
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actor import SECOND_FACTOR_METHODS
from keyhouse.core.errors import StepUpRequired

SIGN_IN: Final = "/account/sign-in/"
SECOND_FACTOR: Final = "/account/second-factor/"
CONFIRM: Final = "/account/new-browser/"
FACTORS: Final = "/account/second-factors/"


@actions.takes(*SignInForm.base_fields, "next")
@actions.classified(GET="session.start", POST="session.start")
def sign_in(request: AskedRequest) -> HttpResponse:
    """Take name and password."""
    way_on = next_of(request)
    if request.method != "POST" and request.actor.kind == "session":
        return SeeOther(way_on)
    form = SignInForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        visitor = visitor_of(request)
        signed_in = form.carry_out(lambda: signing_in.sign_in_by_password(_entered(request, form, visitor)))
        if signed_in is not None:
            return after_sign_in(signed_in, visitor, way_on)
    return show_form(request, "accounts/sign_in.html", form, _context(way_on))


def _context(way_on: str) -> dict[str, str]:
    return {
        "next": way_on,
        "sign_up": configuration.current().sign_up,
        "former_name": ceremonies.find_former_name(clock.now()),
    }


def _entered(request: AskedRequest, form: SignInForm, visitor: Visitor) -> Entered:
    data = form.cleaned_data
    return Entered(data["username"], data["password"], visitor, clock.now(), request.account_session)


def after_sign_in(signed_in: SignedIn, visitor: Visitor, way_on: str) -> HttpResponse:
    """Lead to the second factor, to the confirmation, or in."""
    if signed_in.needs_confirmation:
        return with_session(SeeOther(with_next(CONFIRM, way_on)), signed_in.cookie)
    if signed_in.needs_second_factor:
        return with_session(SeeOther(with_next(SECOND_FACTOR, way_on)), signed_in.cookie)
    response = SeeOther(_way_in(signed_in.session, way_on))
    remember_browser(response, visitor, signed_in.session.user_id)
    return with_session(response, signed_in.cookie)


def _way_in(session: Session, way_on: str) -> str:
    """Lead whoever came without a second factor to enrol one: at once after a recovery code, else where nothing waits."""
    if SECOND_FACTOR_METHODS & set(session.methods):
        return way_on
    return FACTORS if "recovery_code" in session.methods or way_on == HOME else way_on


Finish = Callable[[Session, str, Visitor], SignedIn]


@actions.takes(*CodeForm.base_fields, "next")
@actions.classified(GET="session.start", POST="session.start")
def second_factor(request: AskedRequest) -> HttpResponse:
    """Take the code of an authenticator app."""
    session = request.account_session
    if session is not None and not strength.has_usable_app(session.user_id):
        return _second_step(request, RecoveryCodeForm, _by_recovery_code)
    return _second_step(request, CodeForm, _by_code)


@actions.takes(*RecoveryCodeForm.base_fields, "next")
@actions.classified(GET="session.start", POST="session.start")
def second_factor_recovery(request: AskedRequest) -> HttpResponse:
    """Take a recovery code instead, which leads to enrolling a new second factor."""
    return _second_step(request, RecoveryCodeForm, _by_recovery_code)


def _by_code(session: Session, typed: str, visitor: Visitor) -> SignedIn:
    return signing_in.finish_by_code(session, typed, visitor, clock.now())


def _by_recovery_code(session: Session, typed: str, visitor: Visitor) -> SignedIn:
    return signing_in.finish_by_recovery_code(session, typed, visitor, clock.now())


def _second_step(request: AskedRequest, form_class: type[PageForm], finish: Finish) -> HttpResponse:
    way_on, session = next_of(request), request.account_session
    if session is None or session.is_complete:
        return SeeOther(way_on if session else with_next(SIGN_IN, way_on))
    if confirming.is_waiting(session):
        return SeeOther(with_next(CONFIRM, way_on))
    form = form_class(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        visitor = visitor_of(request)
        signed_in = form.carry_out(lambda: finish(session, _typed(form), visitor))
        if signed_in is not None:
            return after_sign_in(signed_in, visitor, way_on)
    return show_form(
        request,
        "accounts/second_factor.html",
        form,
        {
            "next": way_on,
            "person": session.user.username,
            "has_key": strength.has_usable_key(session.user_id),
            "has_app": strength.has_usable_app(session.user_id),
        },
    )


def _typed(form: PageForm) -> str:
    """Return the one thing that a proof's form asks for."""
    return str(form.cleaned_data[next(iter(form.fields))])


@actions.takes()
@actions.classified(POST="session.end")
def sign_out(request: AskedRequest) -> HttpResponse:
    """End the session, also one that still waits for the second factor."""
    if request.account_session is not None:
        services.sign_out(request.account_session, by=request.actor)
    response = SeeOther("/")
    drop_cookie(response)
    return response


PROOF_FORMS: Final[dict[str, type[PageForm]]] = {
    "totp": CodeForm,
    "recovery_code": RecoveryCodeForm,
    "password": PasswordForm,
}


@actions.takes(*(name for form in PROOF_FORMS.values() for name in form.base_fields), "next")
@actions.classified(GET="session.step-up", POST="session.step-up")
def step_up(request: AskedRequest) -> HttpResponse:
    """Prove once more that it is you, by the strongest factor the account has."""
    session, way_on = session_of(request), next_of(request)
    proof = strength.strongest_proof(session.user_id)
    if proof == "webauthn":
        return _step_up_by_key(request, way_on)
    form = PROOF_FORMS[proof](request.POST if request.method == "POST" else None)
    if request.method == "POST":
        visitor = visitor_of(request)
        cookie = form.carry_out(lambda: signing_in.step_up(session, _typed(form), visitor, clock.now()))
        if cookie is not None:
            return with_session(SeeOther(way_on), cookie)
    return show_form(request, "accounts/step_up.html", form, {"next": way_on, "proof": proof})


def _step_up_by_key(request: AskedRequest, way_on: str) -> HttpResponse:
    """Show the page on which the browser asks for the key; what comes as a form is no proof."""
    if request.method == "POST":
        raise StepUpRequired("This account proves itself by a security key.", fix="Use it on this page.")
    context = {"next": way_on, "has_app": strength.has_usable_app(session_of(request).user_id)}
    return render(request, "accounts/step_up_by_key.html", context)


@actions.takes(*CodeForm.base_fields, "next")
@actions.classified(GET="session.step-up", POST="session.step-up")
def step_up_app(request: AskedRequest) -> HttpResponse:
    """Prove once more by an authenticator app, for whoever lost their key: enough to add a new one."""
    return _lesser_step_up(request, CodeForm, signing_in.step_up_by_app, "totp")


@actions.takes(*RecoveryCodeForm.base_fields, "next")
@actions.classified(GET="session.step-up", POST="session.step-up")
def step_up_recovery(request: AskedRequest) -> HttpResponse:
    """Prove once more by a recovery code, for whoever lost their key: enough to add a new one."""
    return _lesser_step_up(request, RecoveryCodeForm, signing_in.step_up_by_recovery_code, "recovery_code")


Lesser = Callable[[Session, str, Visitor, datetime], str]


def _lesser_step_up(
    request: AskedRequest, form_class: type[PageForm], prove: Lesser, proof: str
) -> HttpResponse:
    session, way_on = session_of(request), next_of(request, FACTORS)
    form = form_class(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        visitor = visitor_of(request)
        cookie = form.carry_out(lambda: prove(session, _typed(form), visitor, clock.now()))
        if cookie is not None:
            return with_session(SeeOther(way_on), cookie)
    return show_form(request, "accounts/step_up.html", form, {"next": way_on, "proof": proof})
