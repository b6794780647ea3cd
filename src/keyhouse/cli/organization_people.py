"""`keyhouse organization people`: who belongs to an organization, who is invited, and every change of it, by the acts of its page.

The host is asked for no role and no second factor, and is bound by all else: whoever is invited accepts by themselves and has
to comply, an organization always has an owner, owners of critical projects go after a wait, and the others are told.
"""

from __future__ import annotations

import json
from typing import Any, Final

import click

from keyhouse.cli.defaults import WithDefault
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.numbers import ID
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.organizations import inviting, membership, queries, rules
from keyhouse.organizations.errors import OrganizationMissing
from keyhouse.organizations.models import Membership, Organization, OrganizationInvitation

_NAME: Final = click.argument("name")
_USER: Final = click.argument("username", metavar="USER")
_INVITATION: Final = click.argument("number", type=ID)
_LINES: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _People(WithDefault):
    """Lists the members of an organization where no act is named."""

    default = "list"


@click.group("people", cls=_People)
def command() -> None:
    """List who belongs to an organization, invite somebody, change a role, end it.

    \b
    Examples:
      keyhouse organization people acme
      keyhouse organization people invite acme bob --role owner
      keyhouse organization people remove acme eve
    """  # noqa: D301 - \b is click's own mark


def organization_of(name: str) -> Organization:
    """Return the organization of that name. Raises OrganizationMissing."""
    found = queries.find_organization(name)
    if found is None:
        raise OrganizationMissing
    return found


def _member(one: Membership) -> dict[str, Any]:
    return {
        "username": one.user.username,
        "role": one.kind,
        "since": clock.format_instant(one.since_at),
        "state": one.user.state,
        "changes_at": clock.format_instant(one.ends_at) if one.ends_at else None,
        "becomes": (one.ends_as or "none") if one.ends_at else None,
    }


@command.command("list")
@_NAME
@_LINES
def list_(name: str, *, as_json: bool) -> None:
    """List who belongs to an organization and as what, how their accounts stand, and what waits for their role.

    \b
    Examples:
      keyhouse organization people acme
      keyhouse organization people list acme --json
    """  # noqa: D301 - \b is click's own mark
    for one in queries.members_of(organization_of(name)):
        row = _member(one)
        waits = f"  {row['becomes']} from {row['changes_at']}" if row["changes_at"] else ""
        line = f"{row['username']}  {row['role']}  {row['since']}  {row['state']}{waits}"
        click.echo(json.dumps(row) if as_json else line)


@command.command()
@_NAME
@_LINES
def invitations(name: str, *, as_json: bool) -> None:
    """List the invitations into an organization that nobody took up so far, the newest first.

    \b
    Example:
      keyhouse organization people invitations acme
    """  # noqa: D301 - \b is click's own mark
    for one in queries.open_invitations_of(organization_of(name)):
        row = _invitation(one)
        late = "over since" if row["is_over"] else "until"
        line = f"{row['number']}  {row['whom']}  {row['role']}  by {row['invited_by']}  {late} {row['until']}"
        click.echo(json.dumps(row) if as_json else line)


def _invitation(one: OrganizationInvitation) -> dict[str, Any]:
    return {
        "number": one.pk,
        "whom": str(one),
        "role": one.kind,
        "hands_over": one.hands_over,
        "invited_by": one.invited_by_name,
        "sent_at": clock.format_instant(one.sent_at),
        "until": clock.format_instant(one.expires_at),
        "is_over": one.expires_at <= clock.now(),
    }


def _tell_invited(one: OrganizationInvitation, *, as_json: bool) -> None:
    row = _invitation(one)
    line = f"Invitation {row['number']}: {row['whom']} may become {row['role']} until {row['until']}."
    click.echo(document_of(row) if as_json else line)


@command.command()
@_NAME
@click.argument("whom")
@click.option(
    "--role",
    type=click.Choice(rules.KINDS),
    default=rules.MEMBER,
    show_default=True,
    help="What they become if they accept.",
)
@_JSON
def invite(name: str, whom: str, role: str, *, as_json: bool) -> None:
    """Offer a role to WHOM, a user name or an e-mail address. They are mailed, and have nothing before they accept.

    To accept they need what an owner's invitation asks for: a verified address and a second factor. Owners are told of a
    new one. An organization whose owners are gone gets a new one by `keyhouse organization new-owner`.

    \b
    Examples:
      keyhouse organization people invite acme bob
      keyhouse organization people invite acme bob@example.org --role owner
    """  # noqa: D301 - \b is click's own mark
    _tell_invited(inviting.invite(name, whom, role, by=host()), as_json=as_json)


@command.command()
@_NAME
@_INVITATION
@_JSON
def resend(name: str, number: int, *, as_json: bool) -> None:
    """Send invitation NUMBER once more; it lives anew, also where it was too old.

    \b
    Example:
      keyhouse organization people resend acme 7
    """  # noqa: D301 - \b is click's own mark
    _tell_invited(inviting.resend(name, number, by=host()), as_json=as_json)


@command.command()
@_NAME
@_INVITATION
def revoke(name: str, number: int) -> None:
    """Take invitation NUMBER back; a second time changes nothing.

    \b
    Example:
      keyhouse organization people revoke acme 7
    """  # noqa: D301 - \b is click's own mark
    inviting.revoke(name, number, by=host())
    click.echo(f"Invitation {number} is taken back.")


@command.command("change-role")
@_NAME
@_USER
@click.argument("role", type=click.Choice(rules.KINDS))
@_JSON
def change_role(name: str, username: str, role: str, *, as_json: bool) -> None:
    """Make a member something else, at once; the owners and they are told.

    Where the organization has a critical project an owner is lowered after a wait, in which owners take it back.

    \b
    Examples:
      keyhouse organization people change-role acme bob manager
      keyhouse organization people change-role acme ada member
    """  # noqa: D301 - \b is click's own mark
    member = membership.change_kind(name, username, role, by=host())
    waits = member if member.kind != role else None
    _tell_ended(name, username, f"is {role} of", waits, as_json=as_json)


@command.command()
@_NAME
@_USER
@_JSON
def remove(name: str, username: str, *, as_json: bool) -> None:
    """End the membership of USER, and all rights by it. An owner of a critical project goes after a wait; all are told.

    \b
    Example:
      keyhouse organization people remove acme eve
    """  # noqa: D301 - \b is click's own mark
    waits = membership.remove_member(name, username, by=host())
    _tell_ended(name, username, "is no member of", waits, as_json=as_json)


def _tell_ended(name: str, username: str, what: str, waits: Membership | None, *, as_json: bool) -> None:
    """Print what became of a role, or from when on it will."""
    at = clock.format_instant(waits.ends_at) if waits and waits.ends_at else None
    if as_json:
        row = {"organization": rules.key_of(name), "username": username, "waits_until": at}
        click.echo(document_of(row))
    elif at:
        click.echo(f"{username} {what} {name} from {at} on, unless an owner takes it back.")
    else:
        click.echo(f"{username} {what} {name}.")


@command.command()
@_NAME
@_USER
def keep(name: str, username: str) -> None:
    """Take back what waits for the role of USER.

    \b
    Example:
      keyhouse organization people keep acme ada
    """  # noqa: D301 - \b is click's own mark
    is_kept = membership.keep_member(name, username, by=host())
    click.echo(f"{username} stays what they are in {name}." if is_kept else "Nothing waited.")
