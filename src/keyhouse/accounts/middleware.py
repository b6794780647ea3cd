"""Who asks (by the session's cookie), and whether their form is ours."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from django.http import HttpRequest, HttpResponseForbidden
from django.http.response import HttpResponseBase
from django.middleware.csrf import CsrfViewMiddleware

from keyhouse.accounts import sessions
from keyhouse.accounts.cookies import CSRF, cookie_name, put_cookie
from keyhouse.accounts.models import Session
from keyhouse.core import clock, configuration
from keyhouse.core.actor import NOBODY, Actor

# methods that Django asks no form of (RFC 9110 9.2.1)
_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})
_SECRET: Final = re.compile(r"[A-Za-z0-9]{32}")


class AskedRequest(HttpRequest):
    """A request after `Sessions`: who acts, and by which session."""

    actor: Actor
    account_session: Session | None


class Sessions:
    """Set `request.actor` and `request.account_session`.

    A session between password and second factor makes nobody an actor: `request.actor` stays NOBODY.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        """Wrap the rest of the chain."""
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Look for the session, then go on."""
        now = clock.now()
        session = sessions.find_session(request.COOKIES.get(cookie_name(), ""), now)
        asked: Any = request
        asked.account_session = session
        asked.actor = NOBODY
        if session is not None and session.is_complete:
            sessions.touch(session, now)
            asked.actor = sessions.actor_of(session, network=_address(request), user_agent=_agent(request))
        return self._next(request)


def _address(request: HttpRequest) -> str:
    return str(request.META.get("REMOTE_ADDR", ""))


def _agent(request: HttpRequest) -> str:
    return request.headers.get("User-Agent", "")


class Csrf(CsrfViewMiddleware):
    """Django's check, with the secret in the session row, or in a cookie of our own where nobody is signed in.

    Origins are compared with the base URL and, as Django does, with the host asked.
    """

    def process_view(
        self, request: HttpRequest, callback: Callable[..., Any], callback_args: Any, callback_kwargs: Any
    ) -> HttpResponseForbidden | None:
        """Check the form, unless the view takes no such method: then the doors behind this say so, whatever was sent."""
        taken: Any = getattr(callback, "actions", None)
        if taken is not None and request.method not in {*taken, *_SAFE}:
            return None
        return super().process_view(request, callback, callback_args, callback_kwargs)

    def _get_secret(self, request: HttpRequest) -> str | None:
        """Return the secret that this browser's forms are checked against."""
        session = getattr(request, "account_session", None)
        if session is not None:
            return str(session.csrf_secret)
        secret = request.COOKIES.get(cookie_name(CSRF), "")
        return secret if _SECRET.fullmatch(secret) else None

    def _set_csrf_cookie(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Keep a new secret in the cookie for pages without a session."""
        if getattr(request, "account_session", None) is None:
            put_cookie(response, request.META["CSRF_COOKIE"], CSRF)

    def _origin_verified(self, request: HttpRequest) -> bool:
        return request.headers["Origin"] == _own_origin() or bool(super()._origin_verified(request))  # type: ignore[misc]  # not in the stubs

    def _check_referer(self, request: HttpRequest) -> None:
        """Check a Referer where there is one.

        Django asks for one on https because a neighbouring host could plant a cookie there; ours is bound to this
        host by its `__Host-` name, so a form's token is enough.
        """
        referer = request.headers.get("Referer")
        if referer is not None and not referer.startswith(_own_origin() + "/"):
            super()._check_referer(request)  # type: ignore[misc]  # not in the stubs


def comes_from_own_page(request: HttpRequest) -> bool:
    """Whether the browser says that a form was on a page of this site; one that says nothing is not believed."""
    return request.headers.get("Origin") == _own_origin()


def own_path(address: str) -> str:
    """Return the path, with its query, of an address of this site; nothing for any other."""
    begin = _own_origin() + "/"
    return "/" + address.removeprefix(begin).partition("#")[0] if address.startswith(begin) else ""


def _own_origin() -> str:
    return configuration.current().origin  # as browsers write it, however the base URL is written
