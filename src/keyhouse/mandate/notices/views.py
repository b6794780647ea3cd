"""The inbox of notices, their public texts, and what is to come as feed and calendar."""

from __future__ import annotations

import hashlib
import logging
import re
from typing import Final

from django.db import DatabaseError, InterfaceError, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from django.utils.cache import get_conditional_response

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.core import actions, clock
from keyhouse.mandate import shown
from keyhouse.mandate.notices import feeds, inbox, queries, services

MOST_LISTED: Final = 150  # of a page; the JSON has all
KEPT_SECONDS: Final = 300  # by readers of feeds
_ROW: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_log = logging.getLogger("keyhouse.mandate")


@actions.classified(GET="mandate.read-own")
def page(request: AskedRequest) -> HttpResponse:
    """Show one's own notices, the newest first; they count as read, and as told."""
    user_id, now = request.actor.user_id or 0, clock.now()
    found = inbox.shown_to(user_id, _before(request), now)
    one_page = found[: inbox.MOST_SHOWN]
    older = one_page[-1].row.pk if len(found) > inbox.MOST_SHOWN else None
    _keep_read(request, user_id)
    shown.show(request, {one.row.mandate for one in one_page})
    return render(request, "notices/inbox.html", {"notices": one_page, "older": older})


def _before(request: HttpRequest) -> int | None:
    told = request.GET.get("before", "")
    return int(told) if _ROW.fullmatch(told) else None


def _keep_read(request: HttpRequest, user_id: int) -> None:
    """Note that they were seen; a database that can't be written stops nobody's reading."""
    if not shown.is_page(request):
        return
    try:
        with transaction.atomic():
            services.mark_read(user_id, now=clock.now())
    except (DatabaseError, InterfaceError):
        _log.warning("that notices were read could not be noted", exc_info=True)


@actions.classified(GET="mandate.read-own")
def data(request: AskedRequest) -> HttpResponse:
    """Answer the same as JSON; nobody was told by it."""
    user_id = request.actor.user_id or 0
    found = inbox.shown_to(user_id, _before(request), clock.now())[: inbox.MOST_SHOWN]
    return JsonResponse(
        {"unread": queries.count_unread(user_id), "notices": [one.as_dict() for one in found]}
    )


# ---- for everybody


@actions.classified(GET="site.read")
def archive(request: HttpRequest) -> HttpResponse:
    """List every notice that is or was sent, with the SHA-256 of its exact text."""
    return render(request, "notices/archive.html", {"archive": queries.archive()[:MOST_LISTED]})


@actions.classified(GET="site.read")
def archive_data(request: HttpRequest) -> HttpResponseBase:
    """Answer the same as JSON, with the texts."""
    return _kept(request, JsonResponse({"notices": [one.as_dict() for one in queries.archive()]}))


@actions.classified(GET="site.read")
def archived(request: HttpRequest, digest: str) -> HttpResponseBase:
    """Send the exact text, so that `sha256sum` says the same as the mail."""
    found = queries.find_archived(digest)
    if found is None:
        raise Http404
    return _kept(request, HttpResponse(found.text, content_type="text/plain; charset=utf-8"))


@actions.classified(GET="site.read")
def feed(request: HttpRequest) -> HttpResponseBase:
    """Send what is to come as JSON Feed."""
    body = feeds.json_feed(feeds.entries(clock.now()))
    return _kept(request, HttpResponse(body, content_type="application/feed+json; charset=utf-8"))


@actions.classified(GET="site.read")
def calendar(request: HttpRequest) -> HttpResponseBase:
    """Send the same as a calendar."""
    body = feeds.calendar(feeds.entries(clock.now()))
    return _kept(request, HttpResponse(body, content_type="text/calendar; charset=utf-8"))


def _kept(request: HttpRequest, response: HttpResponse) -> HttpResponseBase:
    """Let readers ask whether anything changed (RFC 9110 13); headers that can't be read are none."""
    response["ETag"] = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    response["Cache-Control"] = f"public, max-age={KEPT_SECONDS}"
    answer = get_conditional_response(request, response["ETag"], None, response)
    return response if answer is None else answer
