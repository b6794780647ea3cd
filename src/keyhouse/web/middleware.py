"""What every page goes through: safe headers, refusals as pages, and the doors (who may enter by which method)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from django.db import DataError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.http.response import HttpResponseBase

from keyhouse.accounts import links
from keyhouse.accounts.errors import LinkUnknown, TooManyAttempts
from keyhouse.accounts.limits import LINK, count_attempt, lies_in
from keyhouse.core import actions, clock, configuration
from keyhouse.core.actions import Action
from keyhouse.core.actor import OFFICES
from keyhouse.core.cautioned import keep_caution
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import (
    GateUnavailable,
    NotFound,
    Refusal,
    RoleRequired,
    SignInRequired,
    StepUpRequired,
)
from keyhouse.mandate import cautions, history
from keyhouse.projects.visiting import actor_of
from keyhouse.web import errors, notices, problems, ways_on
from keyhouse.web.ways_on import SIGN_IN, STEP_UP

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
_PERSONAL_PATHS: Final = ("/account/", "/sign-up/", *(f"/{purpose}/" for purpose in links.LIFE))


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
        elif response.headers.get("Content-Type", "").startswith("text/html"):
            # an announcement begins and ends on every page
            response.headers.setdefault("Cache-Control", "no-cache")
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
        refusal = errors.refusal_of(exception) or _missing(request, exception)
        if isinstance(refusal, LinkUnknown):
            refusal = _counted(request, refusal)
        return _refused(request, refusal) if refusal else None


def _missing(request: HttpRequest, exception: Exception) -> Refusal | None:
    """Return NotFound where PostgreSQL refused to look for a name of the address because of a NUL: none has one."""
    return NotFound() if isinstance(exception, DataError) and "\x00" in request.path else None


def _counted(request: HttpRequest, refusal: Refusal) -> Refusal:
    """Count a link that is not there, whatever it was for; links that are there open also where too many were not."""
    try:
        count_attempt(now=clock.now(), limit=LINK, network=str(request.META.get("REMOTE_ADDR", "")))
    except TooManyAttempts as too_many:
        return too_many
    return refusal


def _refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Lead people to the proof that mends it and back to the page they were on, or tell the refusal."""
    if problems.is_wanted(request.path, request.headers.get("Accept", "*/*")):
        return errors.answer(request, refusal)
    if isinstance(refusal, SignInRequired) and request.method in {"GET", "HEAD"}:
        return _to(SIGN_IN, request, refusal)
    if ways_on.is_mended_by_proof(request, refusal):
        return _to(STEP_UP, request, refusal)
    return errors.answer(request, refusal)


def _to(path: str, request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """Send somebody to prove something, and back to the page they were on (never to a form's own sending)."""
    response = HttpResponseRedirect(ways_on.with_way_back(path, request))
    response["X-Refusal"] = refusal.code
    return response


class Doors:
    """Let nobody into a view before its method is classified and its action's conditions hold."""

    def __init__(self, get_response: Next) -> None:
        """Wrap the rest of the chain."""
        self._next = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Pass through; tell of what will be refused one day, and keep which notices were shown."""
        with history.one_request():
            response = self._next(request)
        caution = notices.caution_of(request)
        if caution is not None:
            for name, value in cautions.headers_of(caution).items():
                response.headers.setdefault(name, value)
        notices.keep_shown(request, response)
        return response

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
            _enter(request, actions.get_action(name))
        except Refusal as refusal:
            return _refused(request, refusal)
        return None


def _enter(request: HttpRequest, action: Action) -> None:
    """Return where the way is open, or raise the refusal; what will be refused one day is kept for the page."""
    actor = actor_of(request)
    if _needs_somebody(action) and actor.kind == "nobody":
        raise SignInRequired
    if action.offices and not actor.offices & action.offices:
        held_by = " and ".join(f"{office}s" for office in OFFICES if office in action.offices)
        raise RoleRequired(fix=f"Only {held_by} of this index can open this.")
    _require_near(request, action)
    asked = "index.read-private" if _is_private_reading(action) else action.name
    keep_caution(request, asked, None, actions.require_gate(actor, asked))
    if not actions.is_fresh(actor, action, clock.now()):
        raise StepUpRequired


def _require_near(request: HttpRequest, action: Action) -> None:
    """Raise where a page of an office is asked for from elsewhere than its networks (ASVS 8.4.2).

    The server has put the address there; where a proxy is in between, only a trusted one says who is behind it.
    """
    networks = configuration.current().operator_networks
    if action.offices and networks and not lies_in(str(request.META.get("REMOTE_ADDR", "")), networks):
        raise RoleRequired(
            "The pages of operators, moderators and auditors don't open from this network.",
            fix="Come from a network that KEYHOUSE_OPERATOR_NETWORKS names; who runs the machine changes it.",
        )


def _needs_somebody(action: Action) -> bool:
    return action.needs_session or _is_private_reading(action)


def _is_private_reading(action: Action) -> bool:
    """Whether a page tells of an index that is private: what installers need for that, people need too."""
    return action.name == "site.read" and configuration.current().is_private


def _method_not_allowed(request: HttpRequest, classes: Mapping[str, str]) -> HttpResponse:
    response = errors.answer(request, errors.MethodNotAllowed(), status=405)
    allowed = {*classes, "HEAD"} if "GET" in classes else set(classes)
    response["Allow"] = ", ".join(sorted(allowed))
    return response
