"""What was shown of mandates to whom it concerns counts as a notice (N3): banners, pages, and denials that clients show."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from django.db import DatabaseError, InterfaceError
from django.http import HttpRequest

from keyhouse.core import clock
from keyhouse.core.actor import Actor
from keyhouse.core.errors import Refusal
from keyhouse.mandate.rules import FLOOR
from keyhouse.mandate.services import note_shown

_log = logging.getLogger("keyhouse.mandate")
SHOWN = "shown"


def keep_shown(actor: Actor, mandates: Iterable[str]) -> bool:
    """Note that these mandates, by name, were shown, and tell whether that is new, so that deadlines count from now on.

    A database that can't be written stops nobody's reading.
    """
    names = sorted(set(mandates) - {"", FLOOR})
    if actor.user_id is None or not names:
        return False
    try:
        return note_shown(actor.user_id, names, SHOWN, now=clock.now())
    except (DatabaseError, InterfaceError):
        _log.warning("what was shown of mandates could not be noted", exc_info=True)
        return False


def is_page(request: HttpRequest) -> bool:
    """Tell whether a page for somebody's browser is asked for."""
    return request.method == "GET" and "html" in request.headers.get("Accept", "")


def show(request: HttpRequest, mandates: Iterable[str]) -> None:
    """Note that the page that answers shows these mandates, by name, to whoever asks."""
    asked: Any = request
    asked.shown_mandates = shown_in(request) | frozenset(mandates)


def shown_in(request: HttpRequest) -> frozenset[str]:
    """Return the names of the mandates that the page shows."""
    names: frozenset[str] = getattr(request, "shown_mandates", frozenset())
    return names


def mandates_of(refusal: Refusal) -> list[str]:
    """Return the name of the mandate behind a denial, if there is one."""
    name = (refusal.decision or {}).get("mandate")
    return [name] if isinstance(name, str) else []
