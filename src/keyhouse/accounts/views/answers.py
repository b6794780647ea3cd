"""What account views share: the session that asks, pages with a form, ways on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.accounts import rules
from keyhouse.accounts.cookies import put_cookie
from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Session
from keyhouse.accounts.second_factors.webauthn.errors import KeyAnswerMalformed
from keyhouse.core.errors import SignInRequired

HOME: Final = "/account/"
REFUSED: Final = 400


class SeeOther(HttpResponseRedirect):
    """After a form: the next page is fetched with GET."""

    status_code = 303


def session_of(request: AskedRequest) -> Session:
    """Return the complete session that asks; raises SignInRequired."""
    session = request.account_session
    if session is None or not session.is_complete:
        raise SignInRequired
    return session


def show_form(
    request: HttpRequest, template: str, form: PageForm, context: Mapping[str, Any] | None = None
) -> HttpResponse:
    """Show a page with its form; one that was refused comes with status 400 and the refusal's code."""
    status = REFUSED if form.errors else 200
    response = render(request, template, {"form": form, **(context or {})}, status=status)
    if form.refusal is not None:
        response["X-Refusal"] = form.refusal.code
    return response


def next_of(request: HttpRequest, default: str = HOME) -> str:
    """Return where to go on to: `next` of form or address, only ever a path of this site."""
    return rules.safe_next(request.POST.get("next") or request.GET.get("next", ""), default)


def with_next(path: str, way_on: str) -> str:
    """Return a path that carries the way on with it."""
    return path if way_on == HOME else f"{path}?{urlencode({'next': way_on})}"


def with_session(response: HttpResponse, cookie: str) -> HttpResponse:
    """Give the browser its new session."""
    put_cookie(response, cookie)
    return response


def body_of(request: HttpRequest) -> Mapping[str, Any]:
    """Read the JSON object that was sent; raises KeyAnswerMalformed."""
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as error:
        raise KeyAnswerMalformed from error
    if not isinstance(body, dict):
        raise KeyAnswerMalformed
    return body


def response_in(body: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the browser's answer in it; raises KeyAnswerMalformed."""
    response = body.get("response")
    if not isinstance(response, dict):
        raise KeyAnswerMalformed
    return response


def text_in(body: Mapping[str, Any], name: str) -> str:
    """Return a short text of it, empty where there is none; raises KeyAnswerMalformed."""
    value = body.get(name, "")
    if not isinstance(value, str) or not value.isprintable():
        raise KeyAnswerMalformed
    return value


def holder_of(request: HttpRequest) -> str:
    """Name the browser that asks before anybody is known: by the secret that its forms are checked against."""
    secret = str(request.META.get("CSRF_COOKIE", ""))
    return hashlib.sha256(b"webauthn:" + secret.encode()).hexdigest()
