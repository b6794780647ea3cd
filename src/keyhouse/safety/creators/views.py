"""The pages of who may make projects."""

from __future__ import annotations

from typing import Final

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import page_of, pager
from keyhouse.core import actions, configuration
from keyhouse.safety.creators import queries, services
from keyhouse.safety.creators.errors import CreatorMissing
from keyhouse.safety.creators.forms import ApproveForm

LIST: Final = "/operator/creators/"


@actions.classified(GET="creator.read-all")
def creators(request: AskedRequest) -> HttpResponse:
    """Show who may make projects: what the setting says, and who is approved."""
    page = page_of(request, queries.approved_people())
    context = {
        "whom": configuration.current().project_creators,
        "approved": page,
        "pages": pager(page),
    }
    return render(request, "safety/creators.html", context)


@actions.takes(*ApproveForm.base_fields)
@actions.classified(GET="creator.approve", POST="creator.approve")
def approve(request: AskedRequest) -> HttpResponse:
    """Ask whom, then approve them."""
    form = ApproveForm(request.POST if request.method == "POST" else None)
    if request.method == "POST":
        typed = form.cleaned_data["username"] if form.is_valid() else ""
        done = form.carry_out(lambda: services.approve_creator(typed, by=request.actor))
        if done is not None:
            return SeeOther(LIST)
    return show_form(request, "safety/creator_approve.html", form)


@actions.takes()
@actions.classified(GET="creator.revoke", POST="creator.revoke")
def revoke(request: AskedRequest, creator_id: int) -> HttpResponse:
    """Ask once more, then take the approval back."""
    row = queries.approved_people().filter(pk=creator_id).first()
    if row is None:
        raise CreatorMissing
    if request.method == "POST":
        services.revoke_creator(row.user.username, by=request.actor)
        return SeeOther(LIST)
    return render(request, "safety/creator_revoke.html", {"row": row})
