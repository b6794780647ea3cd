"""`keyhouse creators`: who is approved to make projects."""

from __future__ import annotations

import click

from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.telling import JSON, LINES, tell, tell_row
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.safety.creators import queries, services
from keyhouse.safety.creators.models import Creator


@click.group("creators")
def command() -> None:
    """Approve people to make projects, where KEYHOUSE_PROJECT_CREATORS is `approved`.

    \b
    Examples:
      keyhouse creators approve ada bob
      keyhouse creators revoke ada
      keyhouse creators list
    """  # noqa: D301 - \b is click's own mark


@command.command()
@click.argument("names", nargs=-1, required=True)
@LINES
def approve(names: tuple[str, ...], *, as_json: bool) -> None:
    """Let the people called NAMES make projects.

    \b
    Example:
      keyhouse creators approve ada bob
    """  # noqa: D301 - \b is click's own mark
    for name in names:
        row = _as_dict(services.approve_creator(name, by=host()))
        tell_row(row, f"Approved: {name}.", as_json=as_json)


@command.command()
@click.argument("name")
@JSON
def revoke(name: str, *, as_json: bool) -> None:
    """Take the approval of NAME back; their projects stay.

    \b
    Example:
      keyhouse creators revoke ada
    """  # noqa: D301 - \b is click's own mark
    services.revoke_creator(name, by=host())
    tell({"name": name}, "Revoked.", as_json=as_json)


@command.command("list")
@JSON
def list_(*, as_json: bool) -> None:
    """List who is approved.

    \b
    Example:
      keyhouse creators list
    """  # noqa: D301 - \b is click's own mark
    rows = [_as_dict(row) for row in queries.approved_people()]
    if as_json:
        click.echo(document_of(rows))
        return
    for row in rows:
        click.echo(f"{row['name']}  {row['approved_at']}  by {row['approved_by']}")


def _as_dict(row: Creator) -> dict[str, str]:
    return {
        "name": row.user.username,
        "approved_at": clock.format_instant(row.approved_at),
        "approved_by": row.approved_by,
    }
