"""Pages of what an organization trusts to publish; what they show is shared with those of projects and accounts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.accounts.views.answers import SeeOther
from keyhouse.core import actions, clock
from keyhouse.core.actor import Actor
from keyhouse.credentials.tokens import homes
from keyhouse.credentials.trusted_publishers import listing, queries, services, views
from keyhouse.credentials.trusted_publishers.forms import (
    FIELDS,
    NAME,
    REACH_FIELDS,
    OrganizationPublisherForm,
    PublisherForm,
)
from keyhouse.credentials.trusted_publishers.models import Publisher
from keyhouse.credentials.trusted_publishers.of_organizations import (
    MOST_PENDING,
    add_organization_pending,
    add_organization_publisher,
)
from keyhouse.credentials.trusted_publishers.publisher_errors import PublisherMissing
from keyhouse.credentials.trusted_publishers.views import Room
from keyhouse.organizations.models import Organization
from keyhouse.web.organization_pages.visiting import actor_of, context_of, organization_of

READ: Final = "publisher.read"


@actions.classified(GET="publisher.read")
def publishing(request: HttpRequest, name: str) -> HttpResponse:
    """List what an organization trusts, what waits for a project, and how more is added."""
    found = organization_of(request, READ, name)
    room = _room(request, found)
    context = {
        "lines": listing.lines_of(queries.of_organization(found.pk)),
        "waiting": listing.lines_of(queries.pending_of_organization(found.pk, clock.now())),
        "owned": {homes.of_organization(found).path},
        "most_waiting": MOST_PENDING,
        "issuers": views.issuer_choices(),
    }
    return render(request, "publishers/organization.html", room.context | context)


@actions.returns(*FIELDS, *REACH_FIELDS)
@actions.takes(*FIELDS, *REACH_FIELDS)
@actions.classified(GET="publisher.add", POST="publisher.add")
def add(request: HttpRequest, name: str) -> HttpResponse:
    """Ask what the organization's projects shall trust of an issuer; then let them."""
    found = organization_of(request, services.ADD, name)
    form = _form(request)
    if request.method == "POST":
        made = form.carry_out(lambda: _add(found, form, actor_of(request)))
        if made is not None:
            return SeeOther(f"{_place(found)}{made.pk}/")
    return views.ask(request, form, _room(request, found))


@actions.returns(*FIELDS, *REACH_FIELDS, to="../add/")
@actions.takes(*FIELDS, *REACH_FIELDS)
@actions.classified(POST="publisher.add")
def preview(request: HttpRequest, name: str) -> HttpResponse:
    """Show the form again, with what it would take."""
    found = organization_of(request, services.ADD, name)
    return views.ask(request, _form(request, is_tried=True), _room(request, found))


@actions.returns(*FIELDS)
@actions.takes(*FIELDS)
@actions.classified(GET="publisher.add-pending", POST="publisher.add-pending")
def add_pending(request: HttpRequest, name: str) -> HttpResponse:
    """Ask what shall make a project in the organization by its first upload; then keep it waiting for that."""
    found = organization_of(request, services.ADD_PENDING, name)
    form = views.form_of(request, for_name=True)
    if request.method == "POST":
        made = form.carry_out(lambda: _add_pending(found, form, actor_of(request)))
        if made is not None:
            return SeeOther(f"{_place(found)}{made.pk}/")
    return views.ask(request, form, _room(request, found, "new/"))


@actions.returns(*FIELDS, to="../add/")
@actions.takes(*FIELDS)
@actions.classified(POST="publisher.add-pending")
def preview_pending(request: HttpRequest, name: str) -> HttpResponse:
    """Show the form again, with what it would take."""
    found = organization_of(request, services.ADD_PENDING, name)
    form = views.form_of(request, is_tried=True, for_name=True)
    return views.ask(request, form, _room(request, found, "new/"))


@actions.classified(GET="publisher.read")
def publisher(request: HttpRequest, name: str, publisher_id: int) -> HttpResponse:
    """Show one publisher: what it takes, what it did last, and lines for its CI system."""
    found = organization_of(request, READ, name)
    one = _of(found, publisher_id)
    room = _room(request, found)
    room = Room(room.home, room.place, {**room.shared, "is_owner": True})
    return views.show_publisher(request, one, room)


@actions.takes()
@actions.classified(GET="publisher.confirm", POST="publisher.confirm")
def confirm(request: HttpRequest, name: str, publisher_id: int) -> HttpResponse:
    """Say what answering for a publisher means; then do it."""
    return _act(request, name, publisher_id, "confirm", services.CONFIRM, services.confirm_publisher)


@actions.takes()
@actions.classified(GET="publisher.constrain", POST="publisher.constrain")
def constrain(request: HttpRequest, name: str, publisher_id: int) -> HttpResponse:
    """Say what binding a publisher to an environment means; then do it."""
    return _act(request, name, publisher_id, "constrain", services.CONSTRAIN, services.constrain_publisher)


@actions.takes()
@actions.classified(GET="publisher.remove", POST="publisher.remove")
def remove(request: HttpRequest, name: str, publisher_id: int) -> HttpResponse:
    """Say what trusting a publisher no more means; then do it."""
    return _act(request, name, publisher_id, "remove", services.REMOVE, services.remove_publisher)


def _act(  # noqa: PLR0913, PLR0917 - what the acts on one publisher differ in
    request: HttpRequest,
    name: str,
    publisher_id: int,
    page: str,
    action: str,
    act: Callable[..., object],
) -> HttpResponse:
    found = organization_of(request, action, name)
    return views.act_on(request, _room(request, found), page, lambda: _of(found, publisher_id), act)


def _add(found: Organization, form: OrganizationPublisherForm, by: Actor) -> Publisher:
    issuer, reach = form.issuer, form.reach_of()
    return add_organization_publisher(
        found.name, issuer.provider, issuer.url, form.typed(), reach=reach, by=by
    )


def _add_pending(found: Organization, form: PublisherForm, by: Actor) -> Publisher:
    issuer, name = form.issuer, form.cleaned_data[NAME]
    return add_organization_pending(found.name, name, issuer.provider, issuer.url, form.typed(), by=by)


def _form(request: HttpRequest, *, is_tried: bool = False) -> OrganizationPublisherForm:
    form = views.form_of(request, is_tried=is_tried, kind=OrganizationPublisherForm)
    if not isinstance(form, OrganizationPublisherForm):
        raise TypeError
    return form


def _of(found: Organization, publisher_id: int) -> Publisher:
    """Return a publisher of this organization, also one that waits; another's is refused like one that isn't there."""
    rows = Publisher.objects.filter(organization=found, pk=publisher_id)
    one = rows.select_related("organization", "configured_by").first()
    if one is None:
        raise PublisherMissing
    return one


def _place(found: Organization) -> str:
    return f"{homes.of_organization(found).path}publishing/"


def _room(request: HttpRequest, found: Organization, part: str = "") -> Room:
    shared = context_of(request, found, "publishing")
    return Room(homes.of_organization(found), _place(found), {**shared, "part": part})
