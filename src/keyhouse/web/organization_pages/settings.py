"""Pages on which organizations are made, described, renamed and deleted, and the list of one's own."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, configuration
from keyhouse.organizations import queries, services
from keyhouse.organizations.changing import person_of
from keyhouse.web.organization_pages.forms import FoundForm, NewNameForm, ProfileForm
from keyhouse.web.organization_pages.visiting import (
    actor_of,
    confirm_form,
    context_of,
    organization_of,
    sent,
    to,
)


@actions.classified(GET="organization.manage")
def own(request: HttpRequest) -> HttpResponse:
    """List the organizations to which one belongs."""
    actor = actor_of(request)
    actions.require_authority(actor, "organization.manage")
    person = person_of(actor)
    context = {
        "memberships": queries.memberships_of(person),
        "applications": queries.applications_of(person),
        "is_free": _is_free(),
    }
    return render(request, "organizations/own.html", context)


@actions.takes(*FoundForm.base_fields)
@actions.classified(GET="organization.create", POST="organization.create")
def found_one(request: HttpRequest) -> HttpResponse:
    """Make an organization that one owns."""
    actor, form = actor_of(request), FoundForm(sent(request))
    if request.method == "POST":
        made = form.carry_out(
            lambda: services.create_organization(
                form.cleaned_data["name"], by=actor, title=form.cleaned_data["title"]
            )
        )
        if made is not None:
            return to(made)
    return show_form(request, "organizations/new.html", form, {"is_free": _is_free()})


@actions.takes(*ProfileForm.base_fields)
@actions.classified(GET="organization.describe", POST="organization.describe")
def profile(request: HttpRequest, name: str) -> HttpResponse:
    """Show and change what everybody reads about an organization, with the ways to its name and its end."""
    found = organization_of(request, services.DESCRIBE, name)
    form = ProfileForm(sent(request), initial={"title": found.title, "description": found.description})
    if request.method == "POST":
        form.carry_out(
            lambda: services.describe_organization(found.name, **form.cleaned_data, by=actor_of(request))
        )
        if not form.errors:
            return to(found, "settings/")
    return show_form(request, "organizations/settings.html", form, context_of(request, found, "settings"))


@actions.takes(*NewNameForm.base_fields)
@actions.classified(GET="organization.rename", POST="organization.rename")
def rename(request: HttpRequest, name: str) -> HttpResponse:
    """Give an organization another name."""
    found = organization_of(request, services.RENAME, name)
    form = NewNameForm(sent(request), initial={"name": found.name})
    if request.method == "POST":
        renamed = form.carry_out(
            lambda: services.rename_organization(found.name, form.cleaned_data["name"], by=actor_of(request))
        )
        if renamed is not None:
            return to(renamed, "settings/")
    return show_form(request, "organizations/rename.html", form, context_of(request, found, "settings"))


@actions.takes()
@actions.classified(GET="organization.delete", POST="organization.delete")
def delete(request: HttpRequest, name: str) -> HttpResponse:
    """Say what deleting an organization means; then do it."""
    found = organization_of(request, services.DELETE, name)
    form = confirm_form(request)
    if request.method == "POST":
        form.carry_out(lambda: services.delete_organization(found.name, by=actor_of(request)))
        if not form.errors:
            return SeeOther("/manage/organizations/")
    return show_form(request, "organizations/delete.html", form, context_of(request, found, "settings"))


def _is_free() -> bool:
    """Tell whether people make organizations without being asked."""
    return configuration.current().organizations != "application"
