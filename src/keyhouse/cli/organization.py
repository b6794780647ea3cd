"""`keyhouse organization`: people and teams of organizations, applications for them and owners for those without, from the host."""

from __future__ import annotations

from typing import Any

import click

from keyhouse.accounts.oversight.errors import PersonMissing
from keyhouse.accounts.queries import find_user
from keyhouse.cli import organization_people, organization_teams
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.numbers import ID
from keyhouse.cli.proposed import tell_proposed
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.organizations import applying, ownership, queries
from keyhouse.organizations.errors import OrganizationMissing
from keyhouse.organizations.models import OrganizationApplication


@click.group("organization")
def command() -> None:
    """Look after the people and teams of organizations; answer applications, where KEYHOUSE_ORGANIZATIONS is `application`; propose owners.

    \b
    Examples:
      keyhouse organization people acme
      keyhouse organization teams acme
      keyhouse organization applications
      keyhouse organization approve 7
      keyhouse organization ask 7 "Who else belongs to it?"
      keyhouse organization decline 7 --reason "There is a team for this already."
      keyhouse organization new-owner acme ada --reason "Its owner has left the company."
    """  # noqa: D301 - \b is click's own mark


command.add_command(organization_people.command)
command.add_command(organization_teams.command)


@command.command()
@click.option("--all", "is_all", is_flag=True, help="Those that were decided lately, too.")
@JSON
def applications(*, is_all: bool, as_json: bool) -> None:
    """List the applications that nobody has decided, the oldest first.

    \b
    Example:
      keyhouse organization applications
    """  # noqa: D301 - \b is click's own mark
    every = OrganizationApplication.objects.order_by("asked_at", "pk")
    found = (every if is_all else queries.waiting_applications()).select_related("asked_by")
    rows = [_row(one) for one in found]
    if as_json:
        click.echo(document_of(rows))
        return
    for row in rows:
        click.echo("{number}  {name}  {state}  {by}  {asked_at}  {reason}".format(**row))


def _row(one: OrganizationApplication) -> dict[str, Any]:
    return {
        "number": one.pk,
        "name": one.name,
        "title": one.title,
        "state": one.state,
        "by": one.asked_by.username,
        "asked_at": clock.format_instant(one.asked_at),
        "reason": one.reason,
        "question": one.question,
        "reply": one.reply,
        "is_taken": one.decided_at is None and queries.is_taken(one.name),
    }


@command.command()
@click.argument("number", type=ID)
@JSON
def approve(number: int, *, as_json: bool) -> None:
    """Make the organization of application NUMBER; whoever applied owns it.

    \b
    Example:
      keyhouse organization approve 7
    """  # noqa: D301 - \b is click's own mark
    made = applying.approve(number, by=host())
    tell({"number": number, "organization": made.name}, f"Made: {made.name}.", as_json=as_json)


@command.command()
@click.argument("number", type=ID)
@click.option("--reason", required=True, help="Whoever applied is mailed this.")
@JSON
def decline(number: int, *, reason: str, as_json: bool) -> None:
    """Say no to application NUMBER.

    \b
    Example:
      keyhouse organization decline 7 --reason "There is one of that name already."
    """  # noqa: D301 - \b is click's own mark
    applying.decline(number, reason, by=host())
    tell({"number": number}, "Declined.", as_json=as_json)


@command.command()
@click.argument("number", type=ID)
@click.argument("question")
@JSON
def ask(number: int, question: str, *, as_json: bool) -> None:
    """Ask whoever made application NUMBER for more.

    \b
    Example:
      keyhouse organization ask 7 "Who else will own it?"
    """  # noqa: D301 - \b is click's own mark
    tell(_row(applying.ask(number, question, by=host())), "Asked.", as_json=as_json)


@command.command("new-owner")
@click.argument("name")
@click.argument("username", metavar="USER")
@click.option("--reason", required=True, help="Why; everybody who belongs to it and all operators read it.")
@JSON
def new_owner(name: str, username: str, reason: str, *, as_json: bool) -> None:
    """Propose USER as owner of an organization that nobody looks after; two operators approve it, or it waits a day.

    \b
    Example:
      keyhouse organization new-owner acme ada --reason "Its owner has left the company."
    """  # noqa: D301 - \b is click's own mark
    found, user = queries.find_organization(name), find_user(username)
    if found is None:
        raise OrganizationMissing
    if user is None:
        raise PersonMissing(fix="`keyhouse user list` shows them.")
    tell_proposed(ownership.propose_owner(found, user, reason, by=host(), now=clock.now()), as_json=as_json)
