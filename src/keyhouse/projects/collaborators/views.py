"""Pages of a project's people, and of what one is invited to. Authority is asked before a page shows what exists."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.views.answers import SeeOther, session_of, show_form
from keyhouse.core import actions, clock
from keyhouse.core.cautioned import keep_caution
from keyhouse.projects import queries as projects
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators import queries, services
from keyhouse.projects.collaborators.errors import InvitationMissing
from keyhouse.projects.collaborators.forms import InviteForm
from keyhouse.projects.models import Project
from keyhouse.projects.visiting import actor_of, context_of, project_of, sent

INBOX: Final = "/account/invitations/"


@actions.takes(*InviteForm.base_fields)
@actions.classified(GET="project.manage", POST="collaborator.invite")
def people(request: HttpRequest, name: str) -> HttpResponse:
    """Show who has a role in a project and who is invited; take an invitation."""
    is_sent = request.method == "POST"
    found = project_of(request, "collaborator.invite" if is_sent else "project.manage", name)
    form = InviteForm(sent(request))
    if is_sent:
        form.carry_out(
            lambda: services.invite(
                found.normalized_name,
                form.cleaned_data["invitee"],
                form.cleaned_data["kind"],
                by=actor_of(request),
            )
        )
        if not form.errors:
            return _to_people(found)
    return show_form(request, "projects/people.html", form, _context(request, found))


@actions.takes()
@actions.classified(POST="collaborator.resend")
def resend(request: HttpRequest, name: str, invitation_id: int) -> HttpResponse:
    """Send an invitation once more."""
    found = project_of(request, "collaborator.resend", name)
    services.resend(found.normalized_name, invitation_id, by=actor_of(request))
    return _to_people(found)


@actions.takes()
@actions.classified(POST="collaborator.revoke")
def revoke(request: HttpRequest, name: str, invitation_id: int) -> HttpResponse:
    """Take an invitation back."""
    found = project_of(request, "collaborator.revoke", name)
    services.revoke(found.normalized_name, invitation_id, by=actor_of(request))
    return _to_people(found)


@actions.classified(GET="collaborator.read-invitations")
def invitations(request: AskedRequest) -> HttpResponse:
    """List what one is invited to."""
    found = queries.invitations_of_person(session_of(request).user_id, clock.now())
    return render(request, "projects/invitations.html", {"invitations": found})


@actions.takes()
@actions.classified(GET="collaborator.accept", POST="collaborator.accept")
def accept(request: AskedRequest, invitation_id: int) -> HttpResponse:
    """Say what accepting means; then accept."""
    found = queries.find_invitation_of_person(invitation_id, session_of(request).user_id)
    if found is None:
        raise InvitationMissing
    if request.method == "POST":
        services.accept(invitation_id, by=request.actor)
        return SeeOther(f"/manage/project/{found.project.normalized_name}/")
    thing = thing_of(found.project)
    keep_caution(request, services.ACCEPT, thing, actions.require(request.actor, services.ACCEPT, thing))
    return render(request, "projects/accept.html", {"invitation": found, "project": found.project})


@actions.takes()
@actions.classified(POST="collaborator.decline")
def decline(request: AskedRequest, invitation_id: int) -> HttpResponse:
    """Decline an invitation."""
    services.decline(invitation_id, by=request.actor)
    return SeeOther(INBOX)


def _context(request: HttpRequest, found: Project) -> dict[str, Any]:
    context = context_of(request, found)
    waiting = queries.open_invitations_of(found) if context["is_owner"] else ()
    return context | {"people": projects.roles_of_project(found), "invitations": waiting, "now": clock.now()}


def _to_people(found: Project) -> HttpResponse:
    return SeeOther(f"/manage/project/{found.normalized_name}/people/")
