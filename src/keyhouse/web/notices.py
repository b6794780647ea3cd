"""What a page shows of mandates to whom it concerns: banners and denials. What was shown counts as a notice."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from keyhouse.core import clock
from keyhouse.core.actions import Caution
from keyhouse.core.errors import Refusal
from keyhouse.mandate.rules import FLOOR
from keyhouse.mandate.services import note_shown
from keyhouse.web.ways_on import actor_of

_log = logging.getLogger("keyhouse.web")


def keep_caution(request: HttpRequest, caution: Caution | None) -> None:
    """Keep what the gate has to tell for the page that answers."""
    asked: Any = request
    asked.caution = caution


def caution_of(request: HttpRequest) -> Caution | None:
    """Return what the gate had to tell about this request, or None."""
    caution: Caution | None = getattr(request, "caution", None)
    return caution


def show(request: HttpRequest, mandates: Iterable[str]) -> None:
    """Note that the page that answers shows these mandates, by name, to whoever asks."""
    asked: Any = request
    asked.shown_mandates = shown_in(request) | frozenset(mandates)


def show_denial(request: HttpRequest, refusal: Refusal) -> None:
    """Note that the page shows a denial by a mandate."""
    name = (refusal.decision or {}).get("mandate")
    if isinstance(name, str):
        show(request, [name])


def shown_in(request: HttpRequest) -> frozenset[str]:
    """Return the names of the mandates that the page shows."""
    shown: frozenset[str] = getattr(request, "shown_mandates", frozenset())
    return shown


def keep_shown(request: HttpRequest, response: HttpResponseBase) -> None:
    """Record what a page has shown; a database that can't be written stops no reading."""
    if not response.headers.get("Content-Type", "").startswith("text/html"):
        return
    caution, user_id = caution_of(request), actor_of(request).user_id
    names = shown_in(request) | ({caution.mandate} if caution else set())
    if user_id is None or not names - {"", FLOOR}:
        return
    try:
        note_shown(user_id, sorted(names - {"", FLOOR}), "shown", now=clock.now())
    except DatabaseError:
        _log.warning("what a page has shown of mandates could not be noted", exc_info=True)
