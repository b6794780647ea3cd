"""The page “this was not me”: by the link in a mail, or signed in. And what operators see of it."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import freezing
from keyhouse.accounts.addresses import queries
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import User
from keyhouse.accounts.views.answers import session_of
from keyhouse.accounts.visitor import visitor_of
from keyhouse.core import actions, clock

MOST: Final = 50  # of each kind on the page


@actions.takes()
@actions.classified(GET="account.freeze-by-link", POST="account.freeze-by-link")
def not_me(request: AskedRequest, secret: str) -> HttpResponse:
    """Ask once more (scanners of mail follow links), then freeze the account that a mail was about."""
    if request.method == "POST":
        freezing.freeze_by_link(secret, visitor_of(request), clock.now())
        return render(request, "accounts/frozen.html")
    user = freezing.look_at_freeze(secret, clock.now())
    if user.state == User.State.FROZEN:
        context = {"stops": freezing.stops_case(secret, clock.now())}
        return render(request, "accounts/frozen.html", context)
    return render(request, "accounts/freeze.html", {"person": user})


@actions.takes()
@actions.classified(GET="account.freeze", POST="account.freeze")
def freeze(request: AskedRequest) -> HttpResponse:
    """Ask once more, then freeze one's own account."""
    user = session_of(request).user
    if request.method == "POST":
        freezing.freeze_own(user, by=request.actor, now=clock.now())
        return render(request, "accounts/frozen.html")
    return render(request, "accounts/freeze.html", {"person": user, "is_signed_in": True})


@actions.classified(GET="account.read-troubled")
def troubled(request: AskedRequest) -> HttpResponse:
    """Show operators which accounts are frozen, and which mail domains are gone or missing."""
    context = {
        "frozen": queries.frozen_accounts(MOST),
        "most": MOST,
        "domains": queries.troubled_domains(),
        "alarm": queries.find_alarm(),
    }
    return render(request, "accounts/troubled.html", context)
