"""From a refusal to what can be done about it, and back to where one was.

A form that was refused is not sent again by itself: the way back leads to its page, which shows it once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urljoin

from django.http import HttpRequest
from django.urls import Resolver404, resolve

from keyhouse.accounts import strength
from keyhouse.accounts.middleware import comes_from_own_page, own_path
from keyhouse.accounts.rules import safe_next
from keyhouse.core import actions, clock
from keyhouse.core.actions import STEP_UP_AGE
from keyhouse.core.errors import Refusal, StepUpRequired
from keyhouse.mandate import denials
from keyhouse.mandate.shadow.services import find_own_offer
from keyhouse.projects.visiting import actor_of

ACCOUNT: Final = "/account/"
SIGN_IN: Final = "/account/sign-in/"
STEP_UP: Final = "/account/step-up/"
FACTORS: Final = "/account/second-factors/"
PROOF: Final = "/account/second-factors/proof/"
RECOVER: Final = "/account/recover/"
ADD_FACTOR: Final = "/account/second-factors/add/"
_LONGEST_QUERY: Final = 1500  # of an address that every browser and proxy takes
# Where a code leads when no decision names the page.
_PAGES: Final = {
    "sign-in-required": SIGN_IN,
    "second-factor-required": FACTORS,
    "stronger-factor-required": FACTORS,
    "step-up-required": FACTORS,
    "credential-weak": "/account/tokens/",
    "email-unverified": "/account/",
    "account-held": "/account/",
    "account-frozen": RECOVER,
    "mailed-proof-required": PROOF,
}
_LABELS: Final = {
    SIGN_IN: "Sign in",
    STEP_UP: "Prove your second factor",
    FACTORS: "Second factors",
    PROOF: "Have a link mailed",
    RECOVER: "A way back in",
    ADD_FACTOR: "Set up a second factor",
    "/account/security-keys/add/": "Add a security key or passkey",
    "/account/tokens/": "API tokens",
    "/account/publishers/": "Trusted publishers",
    "/account/password/": "Set a new password",
    "/account/": "Your account",
}


@dataclass(frozen=True, slots=True)
class WayOn:
    """The one next step: the page with the way back in its address, and what its link says."""

    address: str
    label: str


def find_way_on(request: HttpRequest, refusal: Refusal) -> WayOn | None:
    """Return the next step after a refusal, or None where there is none to take."""
    if refusal.code == "form-refused":
        return _way_back(request)
    decision: Any = refusal.decision or {}
    path = (decision.get("fix") or {}).get("path") or _PAGES.get(refusal.code)
    if path is None or path == request.path:
        return None
    if path == FACTORS and refusal.code == "second-factor-required" and not _has_factor(request):
        path = ADD_FACTOR
    label = _LABELS.get(path, "Ask for the deletion" if refusal.code == "deletion-held" else "Go on")
    return WayOn(with_way_back(path, request), label)


def _way_back(request: HttpRequest) -> WayOn | None:
    """Return the way to the page of a form that wasn't taken; none where it may have stood on another site."""
    if not comes_from_own_page(request):
        return None
    if lacks_session(request):
        return WayOn(with_way_back(SIGN_IN, request), _LABELS[SIGN_IN])
    place, way_on = place_of(request), request.POST.get("next") or request.GET.get("next", "")
    way_on = safe_next(way_on, "")
    if way_on and "?" not in place:
        place += f"?{urlencode({'next': way_on})}"
    return WayOn(place, "Open the page again")


def lacks_session(request: HttpRequest) -> bool:
    """Whether a form was for somebody who is signed in, and nobody is."""
    name = getattr(_view_of(request), "actions", {}).get(request.method)
    return name is not None and actions.get_action(name).needs_session and actor_of(request).kind == "nobody"


def find_snooze(request: HttpRequest, refusal: Refusal) -> WayOn | None:
    """Return the page that puts one's own deadline off, where the mandate that refuses allows that now (N7)."""
    actor, name = actor_of(request), denials.name_of(refusal)
    if not name or actor.kind != "session":
        return None
    offer = find_own_offer(name, actor, clock.now())
    if offer is None:
        return None
    days = "a day" if offer.days == 1 else f"{offer.days} days"
    return WayOn(f"/account/mandate/snooze/{name}/", f"Put it off by {days}")


def with_way_back(path: str, request: HttpRequest) -> str:
    """Return the address of a page that leads back to where somebody is now."""
    return f"{path}?{urlencode({'next': place_of(request)})}"


def place_of(request: HttpRequest) -> str:
    """Return the page somebody is on: of a form that was sent, the page that shows it, with what its view wants kept."""
    if request.method in {"GET", "HEAD"}:
        return request.get_full_path()
    view = _view_of(request)
    path = urljoin(request.path, getattr(view, "returned_to", ""))
    if path == request.path and "GET" not in getattr(view, "actions", {"GET": ""}):
        return _page_before(request)
    names = getattr(view, "returned", ())
    typed = [(name, value) for name in names for value in request.POST.getlist(name) if value]
    query = urlencode(typed)
    return f"{path}?{query}" if 0 < len(query) <= _LONGEST_QUERY else path


def _page_before(request: HttpRequest) -> str:
    """Return the page with the button that was pressed, as the browser names it; one's account where that is no page."""
    place = own_path(request.headers.get("Referer", ""))
    try:
        shown = resolve(place.partition("?")[0]) if place else None
    except Resolver404:
        return ACCOUNT
    return place if shown is not None and "GET" in getattr(shown.func, "actions", {}) else ACCOUNT


def _view_of(request: HttpRequest) -> Any:
    return request.resolver_match.func if request.resolver_match else None


def is_mended_by_proof(request: HttpRequest, refusal: Refusal) -> bool:
    """Tell whether proving once more can mend it; a recovery code alone, proven just now, can't be outdone that way."""
    if not isinstance(refusal, StepUpRequired):
        return False
    actor = actor_of(request)
    if actor.kind != "session" or actor.user_id is None:
        return False
    return not actor.is_fresh(clock.now(), STEP_UP_AGE) or (
        not actor.strength.has_second_factor and strength.strongest_proof(actor.user_id) == "totp"
    )


def _has_factor(request: HttpRequest) -> bool:
    user_id = actor_of(request).user_id
    return user_id is not None and strength.has_second_factor(user_id)
