"""Pages on which somebody applies for an organization, sees what became of it, replies, and takes it back."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.core import actions, configuration
from keyhouse.core.cautioned import keep_caution
from keyhouse.organizations import applying, queries
from keyhouse.organizations.changing import person_of
from keyhouse.organizations.errors import ApplicationMissing
from keyhouse.organizations.letters import APPLICATIONS
from keyhouse.organizations.models import OrganizationApplication
from keyhouse.web.organization_pages.forms import ApplyForm, ReplyForm
from keyhouse.web.organization_pages.visiting import actor_of, sent


@actions.takes(*ApplyForm.base_fields)
@actions.classified(GET="organization.apply", POST="organization.apply")
def apply(request: HttpRequest) -> HttpResponse:
    """Apply for an organization, where operators decide about each."""
    actor, form = actor_of(request), ApplyForm(sent(request))
    keep_caution(request, applying.APPLY, None, actions.require(actor, applying.APPLY))
    if request.method == "POST":
        told = form.cleaned_data if form.is_valid() else {}
        asked = form.carry_out(lambda: applying.apply(**told, by=actor))
        if asked is not None:
            return SeeOther(f"{APPLICATIONS}{asked.pk}/")
    is_free = configuration.current().organizations != "application"
    return show_form(request, "organizations/apply.html", form, {"is_free": is_free})


@actions.takes(*ReplyForm.base_fields)
@actions.classified(GET="application.read-own", POST="application.reply")
def application(request: HttpRequest, application_id: int) -> HttpResponse:
    """Show one's application and how it stands; take a reply to what the operators ask."""
    found, form = _own(request, application_id), ReplyForm(sent(request))
    if request.method == "POST":
        done = form.carry_out(
            lambda: applying.reply(application_id, form.cleaned_data["reply"], by=actor_of(request))
        )
        if done is not None:
            return SeeOther(f"{APPLICATIONS}{found.pk}/")
    return show_form(request, "organizations/application.html", form, {"application": found})


@actions.takes()
@actions.classified(POST="application.withdraw")
def withdraw(request: HttpRequest, application_id: int) -> HttpResponse:
    """Take one's application back."""
    applying.withdraw(application_id, by=actor_of(request))
    return SeeOther(f"{APPLICATIONS}{application_id}/")


def _own(request: HttpRequest, application_id: int) -> OrganizationApplication:
    """Return one's own application; one of somebody else is as if it were not there."""
    found = queries.applications_of(person_of(actor_of(request))).filter(pk=application_id).first()
    if found is None:
        raise ApplicationMissing
    return found
