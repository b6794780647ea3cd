"""Pages of a project's people, and of what one is invited to. Authority is asked before a page shows what exists."""

from __future__ import annotations

from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.middleware import AskedRequest
from keyhouse.accounts.models import User
from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions, clock, configuration, standing
from keyhouse.core.actor import Actor
from keyhouse.core.cautioned import keep_caution
from keyhouse.organizations import queries as organizations
from keyhouse.organizations.changing import person_of
from keyhouse.projects import queries as projects
from keyhouse.projects import rights
from keyhouse.projects.changing import thing_of
from keyhouse.projects.collaborators import ending, queries, services
from keyhouse.projects.collaborators.errors import CollaboratorMissing, InvitationMissing
from keyhouse.projects.collaborators.forms import HandOverForm, InviteForm, LeaveForm, RoleForm
from keyhouse.projects.models import Project, Role
from keyhouse.projects.rules import MAINTAINER, OWNER
from keyhouse.projects.visiting import actor_of, context_of, project_of, readable, sent

OTHERS: Final = "others"
INVITED: Final = "invited"
OFFERS: Final = "organizations"
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


@actions.takes(*RoleForm.base_fields)
@actions.classified(GET="collaborator.change-role", POST="collaborator.change-role")
def change_role(request: HttpRequest, name: str, username: str) -> HttpResponse:
    """Show what changing somebody's role means; an owner is lowered, a maintainer invited to own the project."""
    found = project_of(request, ending.CHANGE, name)
    role = _role_of(found, username)
    form = RoleForm(sent(request), initial={"kind": role.kind})
    if request.method == "POST":
        form.carry_out(lambda: _change(found, role, form.cleaned_data["kind"], actor_of(request)))
        if not form.errors:
            return _to_people(found)
    return show_form(request, "projects/change_role.html", form, _context_of_role(request, found, role))


@actions.takes()
@actions.classified(GET="collaborator.remove", POST="collaborator.remove")
def remove(request: HttpRequest, name: str, username: str) -> HttpResponse:
    """Show what removing somebody means; then do it."""
    found = project_of(request, ending.REMOVE, name)
    role = _role_of(found, username)
    form = PageForm(sent(request))
    if request.method == "POST":
        form.carry_out(
            lambda: ending.remove_role(found.normalized_name, role.user.username, by=actor_of(request))
        )
        if not form.errors:
            return _to_people(found)
    return show_form(request, "projects/remove_role.html", form, _context_of_role(request, found, role))


@actions.takes()
@actions.classified(POST="collaborator.keep")
def keep(request: HttpRequest, name: str, username: str) -> HttpResponse:
    """Take back what waits for an owner's role."""
    found = project_of(request, ending.KEEP, name)
    ending.keep_role(found.normalized_name, _role_of(found, username).user.username, by=actor_of(request))
    return _to_people(found)


@actions.takes(*LeaveForm.base_fields)
@actions.classified(GET="collaborator.leave", POST="collaborator.leave")
def leave(request: HttpRequest, name: str) -> HttpResponse:
    """Say what stepping down means; then give one's own role up, whatever one lacks."""
    found = project_of(request, ending.LEAVE, name)
    form = LeaveForm(sent(request))
    if request.method == "POST":
        stays = form.data.get("kind", "") == MAINTAINER
        form.carry_out(
            lambda: ending.leave(found.normalized_name, form.cleaned_data["kind"], by=actor_of(request))
        )
        if not form.errors:
            return _to_people(found) if stays else SeeOther("/manage/projects/")
    context = context_of(request, found) | {
        "leaving": queries.leaving_of(found, actor_of(request).user_id or 0)
    }
    return show_form(request, "projects/leave.html", form, context)


@actions.takes(*HandOverForm.base_fields)
@actions.classified(GET="collaborator.hand-over", POST="collaborator.hand-over")
def hand_over(request: HttpRequest, name: str) -> HttpResponse:
    """Offer one's ownership to somebody else, and give it up once they accept."""
    found = project_of(request, services.HAND_OVER, name)
    form = HandOverForm(sent(request))
    if request.method == "POST":
        form.carry_out(
            lambda: services.hand_over(
                found.normalized_name, form.cleaned_data["invitee"], by=actor_of(request)
            )
        )
        if not form.errors:
            return _to_people(found)
    return show_form(request, "projects/hand_over.html", form, context_of(request, found))


@actions.classified(GET="collaborator.read-invitations")
def invitations(request: AskedRequest) -> HttpResponse:
    """List what one is invited to."""
    user_id, now = person_of(request.actor), clock.now()
    page = page_of(request, queries.invitations_of_person(user_id, now), LINES_WITH_ACTS)
    offers = page_of(request, organizations.invitations_of_person(user_id, now), LINES_WITH_ACTS, OFFERS)
    context = {
        "invitations": page,
        "pages": pager(page, **{OFFERS: offers}),
        "offers": offers,
        "offer_pages": pager(offers, OFFERS, page=page),
    }
    return render(request, "projects/invitations.html", context)


@actions.takes()
@actions.classified(GET="collaborator.accept", POST="collaborator.accept")
def accept(request: AskedRequest, invitation_id: int) -> HttpResponse:
    """Say what accepting means; then accept."""
    found = queries.find_invitation_of_person(invitation_id, person_of(request.actor))
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


def _change(found: Project, role: Role, kind: str, by: Actor) -> None:
    if kind == OWNER:
        services.raise_role(found.normalized_name, role.user.username, by=by)
    else:
        ending.lower_role(found.normalized_name, role.user.username, by=by)


def _role_of(found: Project, username: str) -> Role:
    role = queries.find_role(found, readable(username))
    if role is None:
        raise CollaboratorMissing
    return role


def _context_of_role(request: HttpRequest, found: Project, role: Role) -> dict[str, Any]:
    """Return what a page about somebody's role shows: `waits` says how many days its end would."""
    days = configuration.current().owner_removal_days
    is_waiting = role.kind == OWNER and standing.is_critical(found.normalized_name)
    return context_of(request, found) | {"person": role, "waits": days if is_waiting else 0}


def _context(request: HttpRequest, found: Project) -> dict[str, Any]:
    context = context_of(request, found)
    waiting = queries.open_invitations_of(found) if context["is_owner"] else ()
    invitations = page_of(request, waiting, LINES_WITH_ACTS, INVITED)
    changes = {change.user_id: change for change in found.role_changes.all()}
    page = page_of(request, projects.roles_of_project(found), LINES_WITH_ACTS)
    others = page_of(request, _by_others(found) if found.organization_id else [], LINES_WITH_ACTS, OTHERS)
    return context | {
        "people": [(role, changes.get(role.user_id)) for role in page],
        "pages": pager(page, **{OTHERS: others, INVITED: invitations}),
        "others": others,
        "other_pages": pager(others, OTHERS, page=page, **{INVITED: invitations}),
        "invitations": invitations,
        "invited_pages": pager(invitations, INVITED, page=page, **{OTHERS: others}),
        "now": clock.now(),
    }


def _by_others(found: Project) -> list[tuple[str, rights.Right]]:
    """Return who has rights by the organization and by teams, with their user names."""
    held = [one for one in rights.rights_in(found.pk) if one.via != rights.OWN]
    names = dict(User.objects.filter(pk__in={one.user_id for one in held}).values_list("pk", "username"))
    return sorted((names[one.user_id], one) for one in held if one.user_id in names)


def _to_people(found: Project) -> HttpResponse:
    return SeeOther(f"/manage/project/{found.normalized_name}/people/")
