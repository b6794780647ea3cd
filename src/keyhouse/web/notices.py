"""What a page shows of mandates to whom it concerns: banners and denials. What was shown counts as a notice.

It counts once it was shown indeed: after a page was rendered and goes to somebody's browser. The day that such a page
tells is the one that holds then, so it is worked out as if the notice had arrived.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from keyhouse.core.actions import Caution
from keyhouse.core.cautioned import Cautioned, find_caution
from keyhouse.core.foresight import find_teller
from keyhouse.mandate import shown
from keyhouse.projects.visiting import actor_of

_OK: Final = 200


class _Banner(NamedTuple):
    kept: Cautioned
    caution: Caution
    mandates: frozenset[str]  # that are told of by it


def caution_of(request: HttpRequest) -> Caution | None:
    """Return what the gate had to tell about this request, or None."""
    banner = _banner_of(request)
    return banner.caution if banner else None


def _banner_of(request: HttpRequest) -> _Banner | None:
    kept = find_caution(request)
    if kept is None:
        return None
    known: _Banner | None = getattr(request, "banner", None)
    if known is not None and known.kept is kept:
        return known
    caution, mandates = kept.caution, frozenset({kept.caution.mandate})
    teller = find_teller()
    if teller is not None and shown.is_page(request):
        caution, mandates = teller.once_told(actor_of(request), kept.action, kept.thing, caution)
    asked: Any = request
    asked.banner = _Banner(kept, caution, mandates)
    return _Banner(kept, caution, mandates)


def show_denial(request: HttpRequest, mandates: Iterable[str]) -> None:
    """Note that the refusal that answers was rendered with these mandates, by name."""
    asked: Any = request
    asked.denied_by = frozenset(mandates)


def keep_shown(request: HttpRequest, response: HttpResponseBase) -> None:
    """Record what a page has shown; answers to programs, and what never reached a screen, are seen by nobody."""
    if request.method == "HEAD" or not response.headers.get("Content-Type", "").startswith("text/html"):
        return
    if "X-Refusal" in response.headers:
        shown.keep_shown(actor_of(request), getattr(request, "denied_by", frozenset()))
    elif response.status_code == _OK and shown.is_page(request):
        banner = _banner_of(request)
        told = banner.mandates if banner else frozenset()
        shown.keep_shown(actor_of(request), shown.shown_in(request) | told)
