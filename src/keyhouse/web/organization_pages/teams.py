"""Pages of an organization's teams: making, renaming and deleting them, and who is in them."""

from __future__ import annotations

from typing import Final

from django.db.models import Count
from django.http import HttpRequest, HttpResponse

from keyhouse.accounts.views.answers import show_form
from keyhouse.accounts.views.paging import LINES_WITH_ACTS, page_of, pager
from keyhouse.core import actions
from keyhouse.organizations import queries, teams
from keyhouse.organizations.models import Team
from keyhouse.projects.models import TeamRole
from keyhouse.projects.reading import readable_by
from keyhouse.web.organization_pages.forms import NewNameForm, NewTeamForm, TeamMemberForm
from keyhouse.web.organization_pages.visiting import (
    actor_of,
    confirm_form,
    context_of,
    member_of,
    organization_of,
    sent,
    team_of,
    to,
)

PROJECTS: Final = "projects"


@actions.takes(*NewTeamForm.base_fields)
@actions.classified(GET="organization.manage", POST="team.create")
def listing(request: HttpRequest, name: str) -> HttpResponse:
    """Show the teams; make one."""
    is_sent = request.method == "POST"
    found = organization_of(request, teams.CREATE if is_sent else "organization.manage", name)
    form = NewTeamForm(sent(request))
    if is_sent:
        made = form.carry_out(
            lambda: teams.create_team(found.name, form.cleaned_data["name"], by=actor_of(request))
        )
        if made is not None:
            return to(found, _part(made))
    page = page_of(request, queries.teams_of(found).annotate(people=Count("members")))
    context = context_of(request, found, "teams") | {"teams": page, "pages": pager(page)}
    return show_form(request, "organizations/teams.html", form, context)


@actions.takes(*TeamMemberForm.base_fields)
@actions.classified(GET="organization.manage", POST="team.add-member")
def team(request: HttpRequest, name: str, team_name: str) -> HttpResponse:
    """Show who is in a team and what it may do where; put somebody in."""
    is_sent = request.method == "POST"
    found = organization_of(request, teams.ADD if is_sent else "organization.manage", name)
    chosen, form = team_of(found, team_name), TeamMemberForm(sent(request))
    if is_sent:
        form.carry_out(
            lambda: teams.add_to_team(
                found.name, chosen.name, form.cleaned_data["username"], by=actor_of(request)
            )
        )
        if not form.errors:
            return to(found, _part(chosen))
    read = readable_by(actor_of(request).user_id, "project")
    roles = TeamRole.objects.filter(read, team=chosen, project__organization=found).select_related("project")
    page = page_of(request, queries.team_members_of(chosen), LINES_WITH_ACTS)
    projects = page_of(request, roles.order_by("project__normalized_name"), key=PROJECTS)
    context = context_of(request, found, "teams") | {
        "team": chosen,
        "people": page,
        "pages": pager(page, **{PROJECTS: projects}),
        "projects": projects,
        "project_pages": pager(projects, PROJECTS, page=page),
    }
    return show_form(request, "organizations/team.html", form, context)


@actions.takes()
@actions.classified(GET="team.remove-member", POST="team.remove-member")
def remove(request: HttpRequest, name: str, team_name: str, username: str) -> HttpResponse:
    """Say what taking somebody out of a team means; then do it."""
    found = organization_of(request, teams.REMOVE, name)
    chosen, form = team_of(found, team_name), confirm_form(request)
    member = member_of(found, username)
    if request.method == "POST":
        form.carry_out(
            lambda: teams.remove_from_team(
                found.name, chosen.name, member.user.username, by=actor_of(request)
            )
        )
        if not form.errors:
            return to(found, _part(chosen))
    context = context_of(request, found, "teams") | {"team": chosen, "member": member}
    return show_form(request, "organizations/remove_from_team.html", form, context)


@actions.takes()
@actions.classified(POST="team.keep-member")
def keep(request: HttpRequest, name: str, team_name: str, username: str) -> HttpResponse:
    """Take back that somebody is taken out, which waits."""
    found = organization_of(request, teams.KEEP, name)
    chosen = team_of(found, team_name)
    teams.keep_in_team(
        found.name, chosen.name, member_of(found, username).user.username, by=actor_of(request)
    )
    return to(found, _part(chosen))


@actions.takes(*NewNameForm.base_fields)
@actions.classified(GET="team.rename", POST="team.rename")
def rename(request: HttpRequest, name: str, team_name: str) -> HttpResponse:
    """Give a team another name."""
    found = organization_of(request, teams.RENAME, name)
    chosen = team_of(found, team_name)
    form = NewNameForm(sent(request), initial={"name": chosen.name})
    if request.method == "POST":
        renamed = form.carry_out(
            lambda: teams.rename_team(
                found.name, chosen.name, form.cleaned_data["name"], by=actor_of(request)
            )
        )
        if renamed is not None:
            return to(found, _part(renamed))
    context = context_of(request, found, "teams") | {"team": chosen}
    return show_form(request, "organizations/rename_team.html", form, context)


@actions.takes()
@actions.classified(GET="team.delete", POST="team.delete")
def delete(request: HttpRequest, name: str, team_name: str) -> HttpResponse:
    """Say what deleting a team means; then do it."""
    found = organization_of(request, teams.DELETE, name)
    chosen, form = team_of(found, team_name), confirm_form(request)
    if request.method == "POST":
        form.carry_out(lambda: teams.delete_team(found.name, chosen.name, by=actor_of(request)))
        if not form.errors:
            return to(found, "teams/")
    context = context_of(request, found, "teams") | {"team": chosen}
    return show_form(request, "organizations/delete_team.html", form, context)


def _part(chosen: Team) -> str:
    return f"teams/{chosen.normalized_name}/"
