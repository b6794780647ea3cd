"""Pages of an organization's people: who belongs to it, who is invited, what their roles are, leaving it."""

from __future__ import annotations

from typing import Final

from django.http import HttpRequest, HttpResponse

from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions, clock
from keyhouse.organizations import inviting, membership, queries
from keyhouse.organizations.models import Organization
from keyhouse.web.organization_pages.forms import HandOverForm, InviteForm, KindForm
from keyhouse.web.organization_pages.visiting import (
    actor_of,
    confirm_form,
    context_of,
    member_of,
    organization_of,
    sent,
    to,
)

INVITED: Final = "invited"


@actions.takes(*InviteForm.base_fields)
@actions.classified(GET="organization.manage", POST="organization.invite")
def people(request: HttpRequest, name: str) -> HttpResponse:
    """Show who belongs to an organization and who is invited; take an invitation."""
    is_sent = request.method == "POST"
    found = organization_of(request, inviting.INVITE if is_sent else "organization.manage", name)
    form = InviteForm(sent(request))
    if is_sent:
        told = form.cleaned_data if form.is_valid() else {}
        form.carry_out(
            lambda: inviting.invite(found.name, told["invitee"], told["kind"], by=actor_of(request))
        )
        if not form.errors:
            return to(found)
    page = page_of(request, queries.members_of(found), LINES_WITH_ACTS)
    context = context_of(request, found, "people") | {"people": page, "pages": pager(page)}
    if context["is_owner"]:
        waiting = page_of(request, queries.open_invitations_of(found), LINES_WITH_ACTS, INVITED)
        context |= {
            "pages": pager(page, **{INVITED: waiting}),
            "invitations": waiting,
            "invited_pages": pager(waiting, INVITED, page=page),
            "now": clock.now(),
        }
    return show_form(request, "organizations/people.html", form, context)


@actions.takes()
@actions.classified(POST="organization.resend")
def resend(request: HttpRequest, name: str, invitation_id: int) -> HttpResponse:
    """Send an invitation once more."""
    found = organization_of(request, inviting.RESEND, name)
    inviting.resend(found.name, invitation_id, by=actor_of(request))
    return to(found)


@actions.takes()
@actions.classified(POST="organization.revoke")
def revoke(request: HttpRequest, name: str, invitation_id: int) -> HttpResponse:
    """Take an invitation back."""
    found = organization_of(request, inviting.REVOKE, name)
    inviting.revoke(found.name, invitation_id, by=actor_of(request))
    return to(found)


@actions.takes(*KindForm.base_fields)
@actions.classified(GET="organization.change-role", POST="organization.change-role")
def change_role(request: HttpRequest, name: str, username: str) -> HttpResponse:
    """Give a member another role."""
    found = organization_of(request, membership.CHANGE, name)
    member = member_of(found, username)
    form = KindForm(sent(request), initial={"kind": member.kind})
    if request.method == "POST":
        form.carry_out(
            lambda: membership.change_kind(
                found.name, member.user.username, form.cleaned_data["kind"], by=actor_of(request)
            )
        )
        if not form.errors:
            return to(found)
    context = context_of(request, found, "people") | {"member": member}
    return show_form(request, "organizations/change_role.html", form, context)


@actions.takes()
@actions.classified(GET="organization.remove-member", POST="organization.remove-member")
def remove(request: HttpRequest, name: str, username: str) -> HttpResponse:
    """Say what removing somebody means; then do it."""
    found = organization_of(request, membership.REMOVE, name)
    member, form = member_of(found, username), confirm_form(request)
    if request.method == "POST":
        form.carry_out(
            lambda: membership.remove_member(found.name, member.user.username, by=actor_of(request))
        )
        if not form.errors:
            return _after_removal(request, found)
    context = context_of(request, found, "people") | {"member": member}
    return show_form(request, "organizations/remove_member.html", form, context)


@actions.takes()
@actions.classified(POST="organization.keep-member")
def keep(request: HttpRequest, name: str, username: str) -> HttpResponse:
    """Take back what waits for an owner's membership."""
    found = organization_of(request, membership.KEEP, name)
    membership.keep_member(found.name, member_of(found, username).user.username, by=actor_of(request))
    return to(found)


@actions.takes(*HandOverForm.base_fields)
@actions.classified(GET="organization.hand-over", POST="organization.hand-over")
def hand_over(request: HttpRequest, name: str) -> HttpResponse:
    """Offer one's ownership to somebody else, and give it up once they accept."""
    found = organization_of(request, inviting.HAND_OVER, name)
    form = HandOverForm(sent(request))
    if request.method == "POST":
        form.carry_out(
            lambda: inviting.hand_over(found.name, form.cleaned_data["invitee"], by=actor_of(request))
        )
        if not form.errors:
            return to(found)
    return show_form(request, "organizations/hand_over.html", form, context_of(request, found, "people"))


@actions.takes()
@actions.classified(GET="organization.leave", POST="organization.leave")
def leave(request: HttpRequest, name: str) -> HttpResponse:
    """Say what leaving an organization means; then leave it, whatever one lacks."""
    found = organization_of(request, membership.LEAVE, name)
    form = confirm_form(request)
    if request.method == "POST":
        form.carry_out(lambda: membership.leave(found.name, by=actor_of(request)))
        if not form.errors:
            return SeeOther("/manage/organizations/")
    leaving = queries.leaving_of(found, actor_of(request).user_id or 0)
    context = context_of(request, found, "people") | {"leaving": leaving}
    return show_form(request, "organizations/leave.html", form, context)


def _after_removal(request: HttpRequest, found: Organization) -> HttpResponse:
    """Lead back to the people, or, whoever removed themselves, to the organizations they still have."""
    is_there = found.members.filter(user_id=actor_of(request).user_id or 0).exists()
    return to(found) if is_there else SeeOther("/manage/organizations/")
