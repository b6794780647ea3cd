"""`keyhouse project teams`: what the teams of its organization may do in a project, by the acts of its page."""

from __future__ import annotations

from typing import Final

import click

from keyhouse.cli.defaults import WithDefault
from keyhouse.cli.named import get_project
from keyhouse.cli.organization_teams import role_line, role_row
from keyhouse.cli.people import NAME, tell_ended
from keyhouse.cli.telling import JSON, LINES, tell, tell_row
from keyhouse.core.actor import host
from keyhouse.distfiles.names import normalise
from keyhouse.projects import organizing, team_roles
from keyhouse.projects.collaborators.rules import KINDS
from keyhouse.projects.models import TeamRole

_TEAM: Final = click.argument("team")


class _Teams(WithDefault):
    """Lists the teams with a role in a project where no act is named."""

    default = "list"


@click.group("teams", cls=_Teams)
def command() -> None:
    """List what teams may do in a project; give a team a role in it, and take it away.

    \b
    Examples:
      keyhouse project teams alpha
      keyhouse project teams give alpha core maintainer
      keyhouse project teams end alpha core
    """  # noqa: D301 - \b is click's own mark


@command.command("list")
@NAME
@LINES
def list_(name: str, *, as_json: bool) -> None:
    """List the teams that have a role in a project, and what waits for it.

    \b
    Examples:
      keyhouse project teams alpha
      keyhouse project teams list alpha --json
    """  # noqa: D301 - \b is click's own mark
    project = get_project(name)
    roles = TeamRole.objects.filter(project=project, team__organization=project.organization_id or 0)
    for one in roles.select_related("project", "team").order_by("team__normalized_name"):
        row = role_row(one)
        tell_row(row, role_line(row, "team"), as_json=as_json)


@command.command()
@NAME
@_TEAM
@click.argument("role", type=click.Choice(KINDS))
@JSON
def give(name: str, team: str, role: str, *, as_json: bool) -> None:
    """Give a team a role in a project of its organization, or another one than it has. All owners are told.

    Of a critical project a team of owners is lowered after a wait, in which owners take it back. An organization whose
    owners are gone gets a new one by `keyhouse organization new-owner` first.

    \b
    Examples:
      keyhouse project teams give alpha core maintainer
      keyhouse project teams give alpha core owner
    """  # noqa: D301 - \b is click's own mark
    given = organizing.set_team_role(normalise(name), team, role, by=host())
    row = {"project": normalise(name), "team": given.team.name, "role": role}
    if given.kind == role and given.ends_at is not None:
        tell(row | _waiting(given), _waits_on(given, name), as_json=as_json)
        return
    tell_ended(row, f"The team {given.team.name} is {role} of {name}", given.ends_at, as_json=as_json)


def _waiting(role: TeamRole) -> dict[str, object]:
    """Return what waits for a team's role, and until when, as the list has it and as other answers have it."""
    line = role_row(role)
    return {"becomes": line["becomes"], "waits_until": line["changes_at"]}


def _waits_on(role: TeamRole, name: str) -> str:
    """Say that a team has that role already, and that what waits for it isn't taken back by saying so again."""
    team, waiting = role.team.name, _waiting(role)
    what = f"{role.ends_as} of {name}" if role.ends_as else f"without a role in {name}"
    return (
        f"The team {team} is {role.kind} of {name} already, and what waits goes on: it is {what} from"
        f" {waiting['waits_until']} on. `keyhouse project teams keep {name} {role.team.normalized_name}` takes that back."
    )


@command.command()
@NAME
@_TEAM
@JSON
def end(name: str, team: str, *, as_json: bool) -> None:
    """Take a team's role in a project away. One that owns a critical project goes after a wait; all owners are told.

    \b
    Example:
      keyhouse project teams end alpha core
    """  # noqa: D301 - \b is click's own mark
    waits = organizing.end_team_role(normalise(name), team, by=host())
    row = {"project": normalise(name), "team": team}
    ended = f"The team {team} has no role in {name}"
    tell_ended(row, ended, waits.ends_at if waits else None, as_json=as_json)


@command.command()
@NAME
@_TEAM
@JSON
def keep(name: str, team: str, *, as_json: bool) -> None:
    """Take back what waits for a team's role.

    \b
    Example:
      keyhouse project teams keep alpha core
    """  # noqa: D301 - \b is click's own mark
    is_kept = team_roles.keep_team_role(normalise(name), team, by=host())
    row = {"project": normalise(name), "team": team, "is_kept": is_kept}
    stays = f"The team {team} stays what it is in {name}."
    tell(row, stays if is_kept else "Nothing waited.", as_json=as_json)
