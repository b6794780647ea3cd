"""What is asked of whoever looks: the page, and the same as JSON."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.paging import page_of, pager
from keyhouse.core import actions, clock
from keyhouse.mandate.asked import read_standing, shown_standing
from keyhouse.mandate.blockers import PUBLISHERS
from keyhouse.mandate.own_ledger import exemptions_of, weak_publishers_of, weak_tokens_of


@actions.classified(GET="mandate.read-own")
def page(request: AskedRequest) -> HttpResponse:
    """Show what is asked of oneself; what is still open counts as told from here on."""
    now = clock.now()
    tokens = page_of(request, weak_tokens_of(request.actor, now))
    publishers = page_of(request, weak_publishers_of(request.actor, now), key=PUBLISHERS)
    context = {
        "standing": shown_standing(request, request.actor, now),
        "exemptions": exemptions_of(request.actor, now),
        "tokens": tokens,
        "pages": pager(tokens, **{PUBLISHERS: publishers}),
        "publishers": publishers,
        "publisher_pages": pager(publishers, PUBLISHERS, page=tokens),
        "now": now,
    }
    return render(request, "mandate/own.html", context)


@actions.classified(GET="mandate.read-own")
def data(request: AskedRequest) -> HttpResponse:
    """Answer the same as JSON; nobody was told by it."""
    now = clock.now()
    told: dict[str, Any] = read_standing(request.actor, now).as_dict()
    told["exemptions"] = [one.as_dict() for one in exemptions_of(request.actor, now)]
    told["tokens"] = [one.as_dict() for one in weak_tokens_of(request.actor, now)]
    told["publishers"] = [one.as_dict() for one in weak_publishers_of(request.actor, now)]
    return JsonResponse(told)
