"""Pages on which somebody answers an invitation into an organization."""

from __future__ import annotations

from django.http import HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther
from keyhouse.core import actions
from keyhouse.core.cautioned import keep_caution
from keyhouse.organizations import inviting, queries
from keyhouse.organizations.changing import person_of, thing_of
from keyhouse.organizations.errors import OfferMissing
from keyhouse.web.organization_pages.visiting import to


@actions.takes()
@actions.classified(GET="organization.accept", POST="organization.accept")
def accept(request: AskedRequest, invitation_id: int) -> HttpResponse:
    """Say what accepting means; then accept."""
    found = queries.find_invitation_of_person(invitation_id, person_of(request.actor))
    if found is None:
        raise OfferMissing
    if request.method == "POST":
        inviting.accept(invitation_id, by=request.actor)
        return to(found.organization)
    thing = thing_of(found.organization)
    keep_caution(request, inviting.ACCEPT, thing, actions.require(request.actor, inviting.ACCEPT, thing))
    context = {"invitation": found, "organization": found.organization}
    return render(request, "organizations/accept.html", context)


@actions.takes()
@actions.classified(POST="organization.decline")
def decline(request: AskedRequest, invitation_id: int) -> HttpResponse:
    """Decline an invitation."""
    inviting.decline(invitation_id, by=request.actor)
    return SeeOther("/account/invitations/")
