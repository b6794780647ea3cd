"""What every page goes through: safe headers, refusals as pages, and the doors (who may enter by which method)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase

from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import STEP_UP_AGE, Action
from keyhouse.core.actor import NOBODY, Actor
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import GateUnavailable, Refusal, RoleRequired, SignInRequired
from keyhouse.web import errors

Next = Callable[[HttpRequest], HttpResponseBase]

# ASVS 3.4. Pictures and styles come from here only: a page never makes a reader's browser call somebody else.
CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final[Mapping[str, str]] = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
TRANSPORT_SECURITY: Final = "max-age=31536000"
SIGN_IN: Final = "/account/sign-in/"
STEP_UP: Final = "/account/step-up/"
_PERSONAL_PATHS: Final = ("/account/", "/setup/", "/invitation/", "/enrolment/")


class SecurityHeaders:
    """Put the headers on that keep a browser from being turned against its owner."""

    def __init__(self, get_response: Next) -> None:
        """Wrap the rest of the chain."""
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer, with headers."""
        response = self._next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        if _stays_on_https(configuration.current()):
            response.headers.setdefault("Strict-Transport-Security", TRANSPORT_SECURITY)
        if _is_personal(request, response):
            response.headers["Cache-Control"] = "no-store"
        if isinstance(response, HttpResponse):
            response.headers.setdefault("Content-Length", str(len(response.content)))
        return response


def _stays_on_https(settings: Configuration) -> bool:
    """Whether browsers shall use https only: for a host, not for `localhost`, where every port would follow (RFC 6797)."""
    return settings.is_https and settings.host != "localhost"


def _is_personal(request: HttpRequest, response: HttpResponseBase) -> bool:
    """Whether a cache must not keep this: somebody is signed in, a cookie is set, or it is about a secret link."""
    if request.path.startswith("/static/"):
        return False
    is_somebody = actor_of(request).kind != "nobody"
    return is_somebody or bool(response.cookies) or request.path.startswith(_PERSONAL_PATHS)


class Refusals:
    """Turn every refusal raised in a view into its page."""

    def __init__(self, get_response: Next) -> None:
        """Wrap the rest of the chain."""
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass through."""
        return self._next(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponseBase | None:
        """Answer a refusal, or what means one; anything else is a defect and stays one."""
        if isinstance(exception, SignInRequired) and request.method in {"GET", "HEAD"}:
            return _to(SIGN_IN, request)
        refusal = errors.refusal_of(exception)
        return errors.answer(request, refusal) if refusal else None


class Doors:
    """Let nobody into a view before its method is classified and its action's conditions hold."""

    def __init__(self, get_response: Next) -> None:
        """Wrap the rest of the chain."""
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass through."""
        return self._next(request)

    def process_view(
        self, request: HttpRequest, view: Callable[..., HttpResponseBase], args: Any, kwargs: Any
    ) -> HttpResponseBase | None:
        """Ask each door in turn; the first that doesn't open answers."""
        del args, kwargs
        classes: Mapping[str, str] | None = getattr(view, "actions", None)
        if classes is None:
            return errors.answer(request, GateUnavailable())
        name = classes.get("GET" if request.method == "HEAD" else request.method or "")
        if name is None:
            return _method_not_allowed(request, classes)
        try:
            return _enter(request, actions.get_action(name))
        except Refusal as refusal:
            return errors.answer(request, refusal)


def _enter(request: HttpRequest, action: Action) -> HttpResponseBase | None:
    """Return None where the way is open, a redirect to the proof that is missing, or raise the refusal."""
    actor = actor_of(request)
    if _needs_somebody(action) and actor.kind == "nobody":
        if request.method in {"GET", "HEAD"}:
            return _to(SIGN_IN, request)
        raise SignInRequired
    if action.operators_only and not actor.is_operator:
        raise RoleRequired(fix="Only operators of this index can open this.")
    actions.require_gate(actor, "index.read-private" if _is_private_reading(action) else action.name)
    if action.step_up and not actor.strength.is_fresh(clock.now(), STEP_UP_AGE):
        return _to(STEP_UP, request)
    return None


def _needs_somebody(action: Action) -> bool:
    return action.needs_session or _is_private_reading(action)


def _is_private_reading(action: Action) -> bool:
    """Whether a page tells of an index that is private: what installers need for that, people need too."""
    return action.name == "site.read" and configuration.current().is_private


def _to(path: str, request: HttpRequest) -> HttpResponse:
    """Send somebody to prove something, and back to the page they were on (never to a form's own sending)."""
    back = request.get_full_path() if request.method in {"GET", "HEAD"} else request.path
    return HttpResponseRedirect(f"{path}?{urlencode({'next': back})}")


def _method_not_allowed(request: HttpRequest, classes: Mapping[str, str]) -> HttpResponse:
    response = errors.answer(request, errors.MethodNotAllowed(), status=405)
    allowed = {*classes, "HEAD"} if "GET" in classes else set(classes)
    response["Allow"] = ", ".join(sorted(allowed))
    return response


def actor_of(request: HttpRequest) -> Actor:
    """Return who asks; nobody where no session was looked for."""
    actor: Actor = getattr(request, "actor", NOBODY)
    return actor
