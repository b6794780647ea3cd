"""What a page shows of mandates to whom it concerns: banners and denials. What was shown counts as a notice."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase

from keyhouse.core.actions import Caution
from keyhouse.mandate import shown
from keyhouse.web.ways_on import actor_of


def keep_caution(request: HttpRequest, caution: Caution | None) -> None:
    """Keep what the gate has to tell for the page that answers."""
    asked: Any = request
    asked.caution = caution


def caution_of(request: HttpRequest) -> Caution | None:
    """Return what the gate had to tell about this request, or None."""
    caution: Caution | None = getattr(request, "caution", None)
    return caution


def is_new_to_reader(request: HttpRequest, caution: Caution) -> bool:
    """Note that somebody who opens a page is told by its banner, and tell whether it is the first time."""
    is_page = request.method == "GET" and "html" in request.headers.get("Accept", "")
    return is_page and shown.keep_shown(actor_of(request), [caution.mandate])


def show(request: HttpRequest, mandates: Iterable[str]) -> None:
    """Note that the page that answers shows these mandates, by name, to whoever asks."""
    asked: Any = request
    asked.shown_mandates = shown_in(request) | frozenset(mandates)


def shown_in(request: HttpRequest) -> frozenset[str]:
    """Return the names of the mandates that the page shows."""
    names: frozenset[str] = getattr(request, "shown_mandates", frozenset())
    return names


def keep_shown(request: HttpRequest, response: HttpResponseBase) -> None:
    """Record what a page has shown; answers to programs are seen by nobody."""
    if response.headers.get("Content-Type", "").startswith("text/html"):
        caution = caution_of(request)
        banner = {caution.mandate} if caution else set()
        shown.keep_shown(actor_of(request), shown_in(request) | banner)
