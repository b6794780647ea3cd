"""Taking one's data away, deleting one's account, keeping it after all."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render

from keyhouse.accounts import deletion, exporting, links
from keyhouse.accounts.cookies import drop_cookie
from keyhouse.accounts.forms import DeletionForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import Deletion
from keyhouse.accounts.views.answers import HOME, SeeOther, session_of, show_form
from keyhouse.accounts.visitor import visitor_of
from keyhouse.core import actions, clock, configuration

GONE: Final = "/account/deleted/"
KEPT: Final = "/keep-account/"
MOST_NAMED: Final = 50  # projects, or organizations, that stand in the way


@actions.takes(*DeletionForm.base_fields)
@actions.classified(GET="account.delete", POST="account.delete")
def delete(request: AskedRequest) -> HttpResponse:
    """Show what a deletion would do, and what stands in its way; take the name, and delete."""
    user, now = session_of(request).user, clock.now()
    form = DeletionForm(request.POST if request.method == "POST" else None, username=user.username)
    if request.method == "POST":
        asked = form.carry_out(
            lambda: deletion.ask_deletion(user, form.cleaned_data["name"], by=request.actor, now=now)
        )
        if asked is not None:
            return _after(asked)
    outlook = deletion.look_ahead(user, now)
    context = {
        "person": user,
        "outlook": outlook,
        "projects": outlook.sole_owned[:MOST_NAMED],
        "more_projects": len(outlook.sole_owned[MOST_NAMED:]),
        "organizations": outlook.sole_organizations[:MOST_NAMED],
        "more_organizations": len(outlook.sole_organizations[MOST_NAMED:]),
        "waiting": deletion.find_deletion(user.pk),
        "tombstone_days": configuration.current().tombstone_days,
    }
    return show_form(request, "accounts/delete_account.html", form, context)


def _after(asked: Deletion) -> HttpResponse:
    if asked.done_at is None:
        return SeeOther(HOME)
    response = SeeOther(GONE)
    drop_cookie(response)
    return response


@actions.classified(GET="site.read")
def deleted(request: AskedRequest) -> HttpResponse:
    """Say good-bye."""
    return render(request, "accounts/account_deleted.html")


@actions.takes()
@actions.classified(POST="account.keep")
def keep(request: AskedRequest) -> HttpResponse:
    """Take the deletion of one's account back, signed in."""
    deletion.keep_account(session_of(request).user, by=request.actor, now=clock.now())
    return SeeOther(HOME)


@actions.takes()
@actions.classified(GET="account.keep", POST="account.keep")
def keep_by_link(request: AskedRequest, secret: str) -> HttpResponse:
    """Take it back by the mailed link; opening the page alone changes nothing."""
    now = clock.now()
    if request.method == "POST":
        deletion.keep_account_by_link(secret, by=visitor_of(request).actor, now=now)
        return SeeOther(KEPT)
    link = links.find_link(links.KEEP_ACCOUNT, secret, now)
    return render(request, "accounts/keep_account.html", {"username": link.username})


@actions.classified(GET="site.read")
def kept(request: AskedRequest) -> HttpResponse:
    """Say that the account stays."""
    return render(request, "accounts/account_kept.html")


@actions.takes()
@actions.classified(GET="account.read", POST="account.export")
def export(request: AskedRequest) -> HttpResponseBase:
    """Say what the file will hold; then send it."""
    user = session_of(request).user
    if request.method != "POST":
        return render(request, "accounts/export.html")
    pieces = exporting.export_account(user, by=request.actor, now=clock.now())
    response = StreamingHttpResponse(pieces, content_type="application/json")
    response["Content-Disposition"] = f'attachment; filename="keyhouse-{user.username}.json"'
    response["Cache-Control"] = "no-store"
    return response
