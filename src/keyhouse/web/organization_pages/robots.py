"""Pages of an organization's robot tokens; what they show is shared with those of a project's."""

from __future__ import annotations

import uuid

from django.http import HttpRequest, HttpResponse

from keyhouse.accounts.views.answers import SeeOther
from keyhouse.core import actions
from keyhouse.credentials.tokens import homes, letters, robot_views
from keyhouse.credentials.tokens import robots as service
from keyhouse.credentials.tokens.forms import OrganizationRobotForm, kept_of, typed_before
from keyhouse.credentials.tokens.robot_views import Room
from keyhouse.organizations.models import Organization
from keyhouse.web.organization_pages.visiting import actor_of, context_of, organization_of, sent

READ = "publisher.read"


@actions.classified(GET="publisher.read")
def robots(request: HttpRequest, name: str) -> HttpResponse:
    """List an organization's robot tokens, with what its owners can do about them."""
    found = organization_of(request, READ, name)
    return robot_views.show_robots(request, _room(request, found), may_mint=True)


@actions.returns(*kept_of(OrganizationRobotForm))
@actions.takes(*OrganizationRobotForm.base_fields)
@actions.classified(GET="robot-token.mint", POST="robot-token.mint")
def mint(request: HttpRequest, name: str) -> HttpResponse:
    """Ask what a new robot token shall be; make it and show it, this once."""
    found = organization_of(request, service.MINT, name)
    values = robot_views.first_values() | typed_before(request.GET, OrganizationRobotForm)
    form = OrganizationRobotForm(sent(request), initial=values)
    return robot_views.mint_robot(
        request,
        _room(request, found),
        form,
        lambda: service.mint_organization_token(
            found.name,
            **form.narrow_terms(),
            reach=form.reach_of(),
            may_found=form.cleaned_data["may_found"],
            by=actor_of(request),
        ),
    )


@actions.takes()
@actions.classified(GET="robot-token.revoke", POST="robot-token.revoke")
def revoke(request: HttpRequest, name: str, token_id: uuid.UUID) -> HttpResponse:
    """Ask before ending a robot token, and end it."""
    found = organization_of(request, service.REVOKE, name)
    return robot_views.revoke_robot(
        request,
        _room(request, found),
        token_id,
        lambda: service.revoke_organization_token(found.name, token_id, by=actor_of(request)),
    )


@actions.takes()
@actions.classified(POST="robot-token.confirm")
def confirm(request: HttpRequest, name: str, token_id: uuid.UUID) -> HttpResponse:
    """Stand behind a robot token that rests."""
    found = organization_of(request, service.CONFIRM, name)
    service.confirm_organization_token(found.name, token_id, by=actor_of(request))
    return SeeOther(letters.robots_path(homes.of_organization(found)))


def _room(request: HttpRequest, found: Organization) -> Room:
    return Room(homes.of_organization(found), context_of(request, found, "publishing"))
