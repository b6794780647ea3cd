"""Security keys and passkeys: the pages, and the doors that take and give the JSON forms of WebAuthn Level 3."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from keyhouse.accounts import queries, rules, signing_in
from keyhouse.accounts.cookies import CEREMONY, cookie_name, put_cookie
from keyhouse.accounts.errors import SecondFactorMissing, SignInExpired
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Session
from keyhouse.accounts.recovery.newness import needs_proof
from keyhouse.accounts.second_factors.webauthn import ceremonies
from keyhouse.accounts.second_factors.webauthn.services import finish_enrolment, remove_key
from keyhouse.accounts.signing_in import PasskeyAnswer
from keyhouse.accounts.views.answers import (
    HOME,
    SeeOther,
    body_of,
    holder_of,
    next_of,
    response_in,
    session_of,
    text_in,
    with_session,
)
from keyhouse.accounts.views.second_factors import after_enrolment
from keyhouse.accounts.visitor import remember_browser, visitor_of
from keyhouse.core import actions, clock, configuration
from keyhouse.core.errors import NotFound

LIST: Final = "/account/second-factors/"
PROOF: Final = "/account/second-factors/proof/"


def _way_on(body: Mapping[str, Any], default: str = HOME) -> str:
    """Return where to go on to; whatever is no path of this site is as good as none."""
    value = body.get("next")
    return rules.safe_next(value, default) if isinstance(value, str) else default


def _lead_to(path: str) -> JsonResponse:
    return JsonResponse({"location": path})


def _waiting(request: AskedRequest) -> Session:
    """Return the session that waits for its second factor; raises SignInExpired."""
    session = request.account_session
    if session is None or session.is_complete:
        raise SignInExpired
    return session


# ---- enrolment


@actions.takes("response", "name", "next")
@actions.classified(GET="second-factor.add", POST="second-factor.add")
def add(request: AskedRequest) -> HttpResponse:
    """Show how to add a key; take the browser's answer."""
    session = session_of(request)
    if request.method != "POST":
        if needs_proof(session.user, by=request.actor, now=clock.now()):
            return SeeOther(PROOF)
        settings = configuration.current()
        is_plain = not settings.is_https and settings.host != "localhost"
        context = {
            "is_plain": is_plain,
            "is_local": settings.host == "localhost",
            "next": "" if next_of(request) == HOME else next_of(request),
        }
        return render(request, "accounts/add_security_key.html", context)
    body = body_of(request)
    name, way_on = text_in(body, "name"), _way_on(body)  # read before anything is done
    _, cookie = finish_enrolment(session, response_in(body), name=name, by=request.actor, now=clock.now())
    return with_session(_lead_to(after_enrolment(session.user_id, way_on)), cookie)


@actions.takes()
@actions.classified(POST="second-factor.add")
def enrolment_options(request: AskedRequest) -> HttpResponse:
    """Begin an enrolment."""
    session = session_of(request)
    return JsonResponse(ceremonies.ask_to_enrol(session.user, session.public_id, clock.now()))


@actions.takes()
@actions.classified(GET="second-factor.remove", POST="second-factor.remove")
def remove(request: AskedRequest, key_id: int) -> HttpResponse:
    """Ask once more, then remove a key."""
    session = session_of(request)
    if request.method == "POST":
        remove_key(session.user_id, key_id, by=request.actor)
        return SeeOther(LIST)
    found = [one for one in queries.keys_of(session.user) if one.pk == key_id]
    if not found:
        raise SecondFactorMissing
    return render(request, "accounts/remove_security_key.html", {"key": found[0]})


# ---- signing in


@actions.takes()
@actions.classified(POST="session.start")
def sign_in_options(request: AskedRequest) -> HttpResponse:
    """Ask for any passkey; the answer is the same whoever is there."""
    options, kept = ceremonies.ask_anybody(holder_of(request), clock.now())
    response = JsonResponse(options)
    put_cookie(response, kept, CEREMONY, int(ceremonies.LIFE.total_seconds()))
    return response


@actions.takes()
@actions.classified(POST="session.start")
def former_sign_in_options(request: AskedRequest) -> HttpResponse:
    """Ask for any passkey that was made for the former name of this site."""
    now = clock.now()
    name = ceremonies.find_former_name(now)
    if not name:
        raise NotFound
    options, kept = ceremonies.ask_anybody(holder_of(request), now, name)
    response = JsonResponse(options)
    put_cookie(response, kept, CEREMONY, int(ceremonies.LIFE.total_seconds()))
    return response


@actions.classified(GET="site.read")
def related_origins(request: AskedRequest) -> HttpResponse:
    """Tell browsers that this site may ask for the keys of its former name (WebAuthn Level 3, 5.11.1)."""
    del request
    if not ceremonies.find_former_name(clock.now()):
        raise NotFound
    return JsonResponse({"origins": [ceremonies.site().origin]})


@actions.takes("response", "next")
@actions.classified(POST="session.start")
def sign_in(request: AskedRequest) -> HttpResponse:
    """Sign in by a passkey alone."""
    body, visitor = body_of(request), visitor_of(request)
    asked = request.COOKIES.get(cookie_name(CEREMONY), "")
    answer = PasskeyAnswer(
        response_in(body), holder_of(request), asked, visitor, clock.now(), request.account_session
    )
    signed_in = signing_in.sign_in_by_passkey(answer)
    response = _lead_to(_way_on(body))
    remember_browser(response, visitor, signed_in.session.user_id)
    return with_session(response, signed_in.cookie)


@actions.takes()
@actions.classified(POST="session.start")
def second_factor_options(request: AskedRequest) -> HttpResponse:
    """Ask for one of the person's keys as second factor."""
    session = _waiting(request)
    asked = ceremonies.ask_for_proof(session.user, ceremonies.SECOND_FACTOR, session.public_id, clock.now())
    return JsonResponse(asked)


@actions.takes("response", "next")
@actions.classified(POST="session.start")
def second_factor(request: AskedRequest) -> HttpResponse:
    """Take a key's answer as second factor."""
    body, visitor = body_of(request), visitor_of(request)
    signed_in = signing_in.finish_by_key(_waiting(request), response_in(body), visitor, clock.now())
    response = _lead_to(_way_on(body))
    remember_browser(response, visitor, signed_in.session.user_id)
    return with_session(response, signed_in.cookie)


# ---- once more


@actions.takes()
@actions.classified(POST="session.step-up")
def step_up_options(request: AskedRequest) -> HttpResponse:
    """Ask for one of the person's keys once more."""
    session = session_of(request)
    return JsonResponse(
        ceremonies.ask_for_proof(session.user, ceremonies.STEP_UP, session.public_id, clock.now())
    )


@actions.takes("response", "next")
@actions.classified(POST="session.step-up")
def step_up(request: AskedRequest) -> HttpResponse:
    """Take a key's answer as a fresh proof."""
    body = body_of(request)
    cookie = signing_in.step_up_by_key(
        session_of(request), response_in(body), visitor_of(request), clock.now()
    )
    return with_session(_lead_to(_way_on(body)), cookie)
