"""The check-up: what one holds, testing it, putting it off, and ways to repair."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts import queries as people
from keyhouse.accounts import strength
from keyhouse.accounts.check_up import queries, services
from keyhouse.accounts.forms import LostMethodForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import HOME, SeeOther, session_of
from keyhouse.core import actions, clock

PAGE: Final = "/account/check-up/"


@actions.classified(GET="account.read")
def page(request: AskedRequest) -> HttpResponse:
    """Show what one holds and when each answered last, with a test for each; also when nobody asks."""
    session, now = session_of(request), clock.now()
    standing = queries.find_standing(session.user_id, now)
    methods = standing.methods if standing else queries.methods_of([session.user_id]).get(session.user_id, [])
    lost = {one.key for one in standing.outstanding} if standing else set()
    since = standing.row.asked_at if standing else now
    context = {
        "standing": standing,
        "methods": [
            {"method": one, "is_lost": one.key in lost, "is_proven": one.is_proven_since(since), "way": _way(one.key)}
            for one in methods
        ],
        "lost": bool(lost),
        "usable": [one for one in methods if one.is_usable and one.key not in lost],
        "codes_left": strength.codes_left(session.user_id),
        "code_set": people.find_code_set(session.user),
    }  # fmt: skip
    return render(request, "accounts/check_up.html", context)


def _way(key: str) -> dict[str, str]:
    """Return where a method is tested, renamed and removed; the pages are those of every day, with their proofs."""
    kind, _, number = key.partition(":")
    if kind == "app":
        base = f"/account/second-factors/{number}/"
        return {
            "test": f"/account/step-up/app/?next={PAGE}",
            "remove": f"{base}remove/",
            "rename": f"{base}rename/",
        }
    return {"test": f"/account/step-up/?next={PAGE}", "remove": f"/account/security-keys/{number}/remove/"}


@actions.takes()
@actions.classified(POST="second-factor.check-up")
def later(request: AskedRequest) -> HttpResponse:
    """Put it off."""
    services.put_off(by=request.actor, now=clock.now())
    return SeeOther(HOME)


@actions.takes(*LostMethodForm.base_fields)
@actions.classified(POST="second-factor.check-up")
def lost(request: AskedRequest) -> HttpResponse:
    """Say that one of them can't be used any more."""
    form = LostMethodForm(request.POST)
    key = form.cleaned_data["method"] if form.is_valid() else ""
    services.report_lost(key, by=request.actor, now=clock.now())
    return SeeOther(PAGE)
