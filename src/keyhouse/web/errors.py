"""From a refusal to a page: the one table of the browser's edge."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse

from keyhouse.core.errors import Situation

STATUS: Final = {
    Situation.INVALID: 400,
    Situation.UNAUTHENTICATED: 401,
    Situation.FORBIDDEN: 403,
    Situation.MISSING: 404,
    Situation.CONFLICT: 409,
    Situation.GONE: 410,
    Situation.TOO_LARGE: 413,
    Situation.TOO_MANY: 429,
    Situation.UNAVAILABLE: 503,
}


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Answer a form that didn't come from our own page."""
    del request, reason
    return HttpResponse("form-refused: This form didn't come from this site, or is too old.\n", status=403)
