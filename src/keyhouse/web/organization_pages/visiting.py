"""What the pages of an organization share: finding it after authority and gate were asked, and what each of them shows."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse

from keyhouse.accounts.forms import PageForm
from keyhouse.accounts.views.answers import SeeOther
from keyhouse.core import actions
from keyhouse.core.cautioned import keep_caution
from keyhouse.organizations import queries, rules
from keyhouse.organizations.changing import thing_named, thing_of
from keyhouse.organizations.errors import MemberMissing, OrganizationMissing, TeamMissing
from keyhouse.organizations.models import Membership, Organization, Team
from keyhouse.projects.visiting import actor_of, readable, sent

__all__ = ["actor_of", "confirm_form", "context_of", "member_of", "organization_of", "sent", "team_of", "to"]


def organization_of(request: HttpRequest, action: str, name: str) -> Organization:
    """Return the organization; whoever has no role gets one answer, be it here or not."""
    thing = thing_named(readable(name))
    keep_caution(request, action, thing, actions.require(actor_of(request), action, thing))
    found = queries.find_organization(thing.name)
    if found is None:
        raise OrganizationMissing
    return found


def context_of(request: HttpRequest, found: Organization, tab: str) -> dict[str, Any]:
    """Return what every page of an organization shows: who asks, and what they may do (`may`)."""
    role = queries.find_member_kind(actor_of(request).user_id, thing_of(found))
    may = {name.replace(".", "_").replace("-", "_") for name in rules.ROLE_ACTIONS.get(role or "", ())}
    shown = {"organization": found, "role": role, "is_owner": role == rules.OWNER, "tab": tab}
    return shown | {"may": dict.fromkeys(may, True)}


def member_of(found: Organization, username: str) -> Membership:
    """Return somebody's membership; raises MemberMissing."""
    member = queries.find_member(found, readable(username))
    if member is None:
        raise MemberMissing
    return member


def team_of(found: Organization, team_name: str) -> Team:
    """Return a team of the organization; raises TeamMissing, also for one of another."""
    team = queries.find_team(found, readable(team_name))
    if team is None:
        raise TeamMissing
    return team


def confirm_form(request: HttpRequest) -> PageForm:
    """Return the form of a page that only asks whether it is meant."""
    return PageForm(sent(request))


def to(found: Organization, part: str = "") -> HttpResponse:
    """Lead to a page of the organization."""
    return SeeOther(f"/manage/organization/{found.normalized_name}/{part}")
