"""`keyhouse user`: people, from the host."""

from __future__ import annotations

import json

import click

from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user
from keyhouse.accounts.recovering import make_enrolment_link
from keyhouse.accounts.services import invite_user
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.core.errors import NotFound


@click.group("user")
def command() -> None:
    """Invite people, list accounts, lead people through enrolling anew."""


@command.command()
@click.argument("name")
@click.argument("address")
def invite(name: str, address: str) -> None:
    """Print a one-time link by which NAME makes their account; ADDRESS is their e-mail address.

    \b
    Example:
      keyhouse user invite ada ada@example.org
    """  # noqa: D301 - \b is click's own mark
    click.echo(configuration.current().base_url + invite_user(name, address, by=host()))


@command.command()
@click.argument("name")
def recover(name: str) -> None:
    """Print a one-time link by which NAME sets password, second factor and recovery codes anew.

    Everybody concerned is told by mail: NAME, who owns projects with them, all operators. The account is then on hold.

    \b
    Example:
      keyhouse user recover ada
    """  # noqa: D301 - \b is click's own mark
    user = find_user(name)
    if user is None:
        raise NotFound(f"There is no user {name}.", fix="`keyhouse user list` shows them.")
    click.echo(configuration.current().base_url + make_enrolment_link(user, by=host()))


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List accounts: name, state, operator or not, second factors."""
    for user in User.objects.order_by("username").prefetch_related("authenticators", "security_keys"):
        row = {
            "username": user.username,
            "state": user.state,
            "operator": user.is_operator,
            "joined_at": clock.format_instant(user.joined_at),
            "authenticator_apps": len(user.authenticators.all()),
            "security_keys": len(user.security_keys.all()),
        }
        click.echo(json.dumps(row) if as_json else _as_line(row))


def _as_line(row: dict[str, object]) -> str:
    operator = " operator" if row["operator"] else ""
    return f"{row['username']}  {row['state']}{operator}  {row['authenticator_apps']} authenticator apps  {row['security_keys']} security keys  since {row['joined_at']}"
