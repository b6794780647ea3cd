"""Help: lines to copy for clients, and every refusal explained."""

from __future__ import annotations

from urllib.parse import urlsplit

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from keyhouse.core import actions, configuration
from keyhouse.core.errors import NotFound
from keyhouse.web import explanations


@actions.classified(GET="site.read")
def index(request: HttpRequest) -> HttpResponse:
    """Send to the page that most people look for."""
    del request
    return HttpResponseRedirect("/help/clients/")


@actions.classified(GET="site.read")
def clients(request: HttpRequest) -> HttpResponse:
    """Show lines for pip, uv, twine and CI with this server's address in them."""
    settings = configuration.current()
    parts = urlsplit(settings.base_url)
    is_near = (parts.hostname or "").removesuffix(".localhost") in {"localhost", "127.0.0.1", "::1"}
    context = {
        "base": settings.base_url,
        "host": settings.host,
        "is_private": settings.is_private,
        "upstream": settings.upstream,
        "is_plain": not settings.is_https and not is_near,
        "token": f"{settings.token_prefix}…",
    }
    return render(request, "site/clients.html", context)


# Open also where the index is private: who is refused must be able to read why, and nothing of the index is in here.
@actions.classified(GET="site.help")
def codes(request: HttpRequest) -> HttpResponse:
    """List every code by its topic, as links alone: with their sentences they would make one page too long to load."""
    return render(request, "site/codes.html", {"topics": explanations.topics()})


@actions.classified(GET="site.help")
def topic(request: HttpRequest, slug: str) -> HttpResponse:
    """List the refusals of one topic with what each says."""
    found = explanations.find_topic(slug)
    if found is None:
        raise NotFound("There is no such topic.", fix="The list of codes has them all.")
    return render(request, "site/codes_of_topic.html", {"topic": found})


@actions.classified(GET="site.help")
def code(request: HttpRequest, code: str) -> HttpResponse:
    """Explain one refusal."""
    found = explanations.find(code)
    if found is None:
        raise NotFound("No refusal has that code.", fix="The list of codes has them all.")
    return render(request, "site/code.html", {"explained": found})
