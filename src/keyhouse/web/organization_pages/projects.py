"""Pages of projects in organizations: making them there, moving them, and what teams may do in them."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse

from keyhouse.accounts.views.answers import SeeOther, show_form
from keyhouse.accounts.views.paging import page_of, pager
from keyhouse.core import actions
from keyhouse.organizations import queries
from keyhouse.projects import organizing, visiting
from keyhouse.projects import team_roles as team_role_waits
from keyhouse.projects.errors import TeamElsewhere
from keyhouse.projects.models import Project, TeamRole
from keyhouse.projects.reading import readable_by
from keyhouse.projects.visiting import project_of
from keyhouse.web.organization_pages.forms import MoveForm, NewProjectForm, TeamRoleForm
from keyhouse.web.organization_pages.visiting import actor_of, confirm_form, context_of, organization_of, sent


@actions.takes(*NewProjectForm.base_fields)
@actions.classified(GET="organization.manage", POST="organization.add-project")
def listing(request: HttpRequest, name: str) -> HttpResponse:
    """Show the projects of an organization; make one."""
    is_sent = request.method == "POST"
    found = organization_of(request, organizing.ADD if is_sent else "organization.manage", name)
    form = NewProjectForm(sent(request))
    if is_sent:
        made = form.carry_out(
            lambda: organizing.create_project_in(found.name, form.cleaned_data["name"], by=actor_of(request))
        )
        if made is not None:
            return visiting.to(made)
    shown = Project.objects.filter(readable_by(actor_of(request).user_id), organization=found)
    page = page_of(request, shown.order_by("normalized_name"))
    context = context_of(request, found, "projects") | {"projects": page, "pages": pager(page)}
    return show_form(request, "organizations/projects.html", form, context)


@actions.takes("organization")
@actions.classified(GET="project.move", POST="project.move")
def move(request: HttpRequest, name: str) -> HttpResponse:
    """Say what moving a project carries and drops; then move it."""
    found = project_of(request, organizing.MOVE, name)
    actor = actor_of(request)
    here = found.organization
    offered = {one.normalized_name: one.name for one in organizing.may_add_to(actor.user_id or 0)}
    if here is not None:
        offered.setdefault(here.normalized_name, here.name)
    initial = {"organization": here.normalized_name if here else ""}
    form = MoveForm(sent(request), initial=initial).offer(sorted(offered.items()))
    if request.method == "POST":
        form.carry_out(
            lambda: organizing.move_project(
                found.normalized_name, form.cleaned_data["organization"], by=actor
            )
        )
        if not form.errors:
            return visiting.to(found)
    return show_form(request, "organizations/move_project.html", form, visiting.context_of(request, found))


@actions.takes("team", "kind")
@actions.classified(GET="team-role.set", POST="team-role.set")
def team_roles(request: HttpRequest, name: str) -> HttpResponse:
    """Show what teams may do in a project; give a team a role in it."""
    found = project_of(request, organizing.SET_TEAM, name)
    teams = queries.teams_of(found.organization) if found.organization else ()
    form = TeamRoleForm(sent(request)).offer((one.normalized_name, one.name) for one in teams)
    if request.method == "POST":
        form.carry_out(
            lambda: organizing.set_team_role(
                found.normalized_name,
                form.cleaned_data["team"],
                form.cleaned_data["kind"],
                by=actor_of(request),
            )
        )
        if not form.errors:
            return to_teams(found)
    roles = TeamRole.objects.filter(project=found, team__organization=found.organization)
    context = visiting.context_of(request, found) | {
        "roles": roles.select_related("team").order_by("team__normalized_name"),
        "has_teams": bool(teams),
    }
    return show_form(request, "organizations/project_teams.html", form, context)


@actions.takes()
@actions.classified(GET="team-role.end", POST="team-role.end")
def end_team_role(request: HttpRequest, name: str, team_name: str) -> HttpResponse:
    """Say what taking a team's role away means; then do it."""
    found = project_of(request, organizing.END_TEAM, name)
    team = queries.find_team(found.organization, visiting.readable(team_name)) if found.organization else None
    if team is None or not TeamRole.objects.filter(project=found, team=team).exists():
        raise TeamElsewhere
    form = confirm_form(request)
    if request.method == "POST":
        form.carry_out(
            lambda: organizing.end_team_role(found.normalized_name, team.name, by=actor_of(request))
        )
        if not form.errors:
            return to_teams(found)
    context = visiting.context_of(request, found) | {"team_name": team.name}
    return show_form(request, "organizations/end_team_role.html", form, context)


@actions.takes()
@actions.classified(POST="team-role.keep")
def keep_team_role(request: HttpRequest, name: str, team_name: str) -> HttpResponse:
    """Take back the end of a team's role, which waits."""
    found = project_of(request, team_role_waits.KEEP, name)
    team_role_waits.keep_team_role(found.normalized_name, visiting.readable(team_name), by=actor_of(request))
    return to_teams(found)


def to_teams(found: Project) -> HttpResponse:
    """Lead to the teams of a project."""
    return SeeOther(f"/manage/project/{found.normalized_name}/teams/")
