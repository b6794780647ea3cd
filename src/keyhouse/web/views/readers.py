"""Who may read the pages of an index."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import cast
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect

from keyhouse.core import configuration
from keyhouse.core.actor import NOBODY, Actor

Page = Callable[..., HttpResponse]


def for_readers(page: Page) -> Page:
    """Ask for sign-in before a page of a private index; a public one is open to everybody."""

    @wraps(page)
    def answer(request: HttpRequest, *args: str, **kwargs: str) -> HttpResponse:
        if configuration.current().is_private and actor_of(request).kind != "session":
            return HttpResponseRedirect("/account/sign-in/?" + urlencode({"next": request.get_full_path()}))
        return page(request, *args, **kwargs)

    return answer


def actor_of(request: HttpRequest) -> Actor:
    """Return who asks; nobody where no session was looked for."""
    return cast("Actor", getattr(request, "actor", NOBODY))
