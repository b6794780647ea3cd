"""`keyhouse organization teams`: the teams of an organization and who is in them, by the acts of their pages.

What a team may do in a project is changed by `keyhouse project teams`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import click
from django.db.models import Count, QuerySet

from keyhouse.cli.defaults import WithDefault
from keyhouse.cli.organization_people import organization_of
from keyhouse.cli.people import NAME, USER, tell_ended
from keyhouse.cli.telling import JSON, LINES, tell, tell_row
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.organizations import queries, rules, teams
from keyhouse.organizations.errors import TeamMissing
from keyhouse.organizations.models import Team, TeamMember
from keyhouse.projects.models import TeamRole

_TEAM: Final = click.argument("team")


class _Teams(WithDefault):
    """Lists the teams of an organization where no act is named."""

    default = "list"


@click.group("teams", cls=_Teams)
def command() -> None:
    """List and make the teams of an organization; put members into them and take them out.

    What a team may do in a project is changed by `keyhouse project teams`.

    \b
    Examples:
      keyhouse organization teams acme
      keyhouse organization teams create acme core
      keyhouse organization teams add acme core eve
    """  # noqa: D301 - \b is click's own mark


@command.command("list")
@NAME
@LINES
def list_(name: str, *, as_json: bool) -> None:
    """List the teams of an organization, how many people are in each, and in how many projects it has a role.

    \b
    Examples:
      keyhouse organization teams acme
      keyhouse organization teams list acme --json
    """  # noqa: D301 - \b is click's own mark
    organization = organization_of(name)
    people = _counted(TeamMember.objects.filter(team__organization=organization))
    projects = _counted(
        TeamRole.objects.filter(team__organization=organization, project__organization=organization)
    )
    for team in queries.teams_of(organization):
        row = {"team": team.name, "people": people[team.pk], "projects": projects[team.pk]}
        line = f"{row['team']}  people: {row['people']}  projects: {row['projects']}"
        tell_row(row, line, as_json=as_json)


def _counted(rows: QuerySet[TeamMember] | QuerySet[TeamRole]) -> Counter[int]:
    """Return how many of these rows are of which team."""
    return Counter(dict(rows.values_list("team_id").annotate(Count("pk"))))


@command.command()
@NAME
@_TEAM
@JSON
def show(name: str, team: str, *, as_json: bool) -> None:
    """Show who is in a team, what waits for them, and which roles the team has in which projects.

    \b
    Example:
      keyhouse organization teams show acme core
    """  # noqa: D301 - \b is click's own mark
    told = _whole(name, team)
    tell(told, *_lines(told), as_json=as_json)


def _whole(name: str, team_name: str) -> dict[str, Any]:
    organization = organization_of(name)
    team = queries.find_team(organization, team_name)
    if team is None:
        raise TeamMissing
    roles = TeamRole.objects.filter(team=team, project__organization=organization).select_related("project")
    return {
        **_named(team),
        "created_at": clock.format_instant(team.created_at),
        "reads": team.reads,
        "people": [_member(one) for one in queries.team_members_of(team)],
        "projects": [role_row(one) for one in roles.order_by("project__normalized_name")],
    }


def _named(team: Team) -> dict[str, Any]:
    return {"organization": team.organization.normalized_name, "team": team.name}


def _member(one: TeamMember) -> dict[str, Any]:
    return {
        "username": one.member.user.username,
        "since": clock.format_instant(one.since_at),
        "state": one.member.user.state,
        "leaves_at": clock.format_if_any(one.ends_at),
    }


def role_row(role: TeamRole) -> dict[str, Any]:
    """Return what a team may do in a project, and what waits for that."""
    return {
        "project": role.project.normalized_name,
        "team": role.team.name,
        "role": role.kind,
        "since": clock.format_instant(role.since_at),
        "changes_at": clock.format_if_any(role.ends_at),
        "becomes": (role.ends_as or "none") if role.ends_at else None,
    }


def role_line(row: dict[str, Any], what: str) -> str:
    """Return such a row for people, beginning with the project or the team."""
    waits = f"  {row['becomes']} from {row['changes_at']}" if row["changes_at"] else ""
    return f"{row[what]}  {row['role']}  {row['since']}{waits}"


def _lines(told: dict[str, Any]) -> Iterator[str]:
    reads = ", reads what the organization keeps to teams" if told["reads"] else ""
    yield f"{told['team']} of {told['organization']}, since {told['created_at']}{reads}"
    for one in told["people"]:
        leaves = f"  leaves at {one['leaves_at']}" if one["leaves_at"] else ""
        yield f"  {one['username']}  {one['since']}  {one['state']}{leaves}"
    for one in told["projects"]:
        yield f"  in {role_line(one, 'project')}"


@command.command()
@NAME
@_TEAM
@JSON
def create(name: str, team: str, *, as_json: bool) -> None:
    """Make a team without members.

    \b
    Example:
      keyhouse organization teams create acme core
    """  # noqa: D301 - \b is click's own mark
    made = teams.create_team(name, team, by=host())
    tell(_named(made), f"Made: the team {made.name} of {name}.", as_json=as_json)


@command.command()
@NAME
@_TEAM
@click.argument("new_name")
@JSON
def rename(name: str, team: str, new_name: str, *, as_json: bool) -> None:
    """Give a team another name.

    \b
    Example:
      keyhouse organization teams rename acme core kernel
    """  # noqa: D301 - \b is click's own mark
    renamed = teams.rename_team(name, team, new_name, by=host())
    tell(_named(renamed), f"The team {team} of {name} is called {renamed.name}.", as_json=as_json)


@command.command()
@NAME
@_TEAM
@click.option("--yes", is_flag=True, help="Don't ask.")
@JSON
def delete(name: str, team: str, *, yes: bool, as_json: bool) -> None:
    """Delete a team, and with it what its members may do by it, after asking. Owners and they are told.

    One that owns a critical project loses that role first, by `keyhouse project teams end`, which waits.

    \b
    Example:
      keyhouse organization teams delete acme core --yes
    """  # noqa: D301 - \b is click's own mark
    told = _whole(name, team)
    if not yes:
        click.echo("\n".join(_lines(told)), err=True)
        click.confirm("Delete this team? It can't be brought back.", abort=True, err=True)
    teams.delete_team(name, team, by=host())
    tell(told, f"Deleted: the team {told['team']} of {name}.", as_json=as_json)


@command.command()
@NAME
@_TEAM
@USER
@JSON
def add(name: str, team: str, username: str, *, as_json: bool) -> None:
    """Put a member of the organization into a team. Owners and they are told.

    An organization whose owners are gone gets a new one by `keyhouse organization new-owner` first.

    \b
    Example:
      keyhouse organization teams add acme core eve
    """  # noqa: D301 - \b is click's own mark
    added = teams.add_to_team(name, team, username, by=host())
    row = {**_named(added.team), **_member(added)}
    tell(row, f"{row['username']} is in the team {row['team']} of {name}.", as_json=as_json)


@command.command()
@NAME
@_TEAM
@USER
@JSON
def remove(name: str, team: str, username: str, *, as_json: bool) -> None:
    """Take USER out of a team. Who owns a critical project by it goes after a wait, in which that is taken back; all are told.

    \b
    Example:
      keyhouse organization teams remove acme core eve
    """  # noqa: D301 - \b is click's own mark
    waits = teams.remove_from_team(name, team, username, by=host())
    row = {"organization": rules.key_of(name), "team": team, "username": username}
    ended = f"{username} is not in the team {team} of {name}"
    tell_ended(row, ended, waits.ends_at if waits else None, as_json=as_json)


@command.command()
@NAME
@_TEAM
@USER
@JSON
def keep(name: str, team: str, username: str, *, as_json: bool) -> None:
    """Take back that USER is taken out of a team, which waits.

    \b
    Example:
      keyhouse organization teams keep acme core ada
    """  # noqa: D301 - \b is click's own mark
    is_kept = teams.keep_in_team(name, team, username, by=host())
    row = {"organization": rules.key_of(name), "team": team, "username": username, "is_kept": is_kept}
    stays = f"{username} stays in the team {team} of {name}."
    tell(row, stays if is_kept else "Nothing waited.", as_json=as_json)
