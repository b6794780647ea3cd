"""`keyhouse project people`: who has a role in a project, who is invited, and every change of it, by the acts of its page.

The host is asked for no role and no second factor, and is bound by all else: whoever is invited accepts by themselves and has
to comply, a project always has an owner, an owner of a critical project goes after a wait, and the others are told.
"""

from __future__ import annotations

import json
from typing import Any, Final

import click

from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user, find_verified_email
from keyhouse.cli.defaults import WithDefault
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.numbers import ID
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import NotFound
from keyhouse.distfiles.names import normalise
from keyhouse.projects import queries, rights
from keyhouse.projects.collaborators import ending, services
from keyhouse.projects.collaborators import queries as collaborators
from keyhouse.projects.collaborators.errors import CollaboratorMissing
from keyhouse.projects.collaborators.models import ProjectInvitation, RoleChange
from keyhouse.projects.collaborators.rules import KINDS
from keyhouse.projects.models import Project, Role
from keyhouse.projects.rights import Right
from keyhouse.projects.rules import MAINTAINER, OWNER

_NAME: Final = click.argument("name")
_USER: Final = click.argument("username", metavar="USER")
_INVITATION: Final = click.argument("number", type=ID)
_LINES: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


class _People(WithDefault):
    """Lists the people of a project where no act is named."""

    default = "list"


@click.group("people", cls=_People)
def command() -> None:
    """List who has a role in a project, invite somebody, change a role, end it.

    \b
    Examples:
      keyhouse project people alpha
      keyhouse project people invite alpha bob --role owner
      keyhouse project people remove alpha eve
    """  # noqa: D301 - \b is click's own mark


def people_of(project: Project) -> list[dict[str, Any]]:
    """Return who has a right in a project, how their accounts stand, and what waits for their role."""
    changes = {change.user_id: change for change in project.role_changes.all()}
    own = [
        {
            "username": role.user.username,
            "role": role.kind,
            "since": clock.format_instant(role.since_at),
            "state": role.user.state,
            "via": None,
            **_waiting(changes.get(role.user_id)),
        }
        for role in queries.roles_of_project(project)
    ]
    others = [one for one in rights.rights_in(project.pk) if one.via != rights.OWN]
    people = User.objects.in_bulk([one.user_id for one in others])
    return own + sorted((_by_others(one, people) for one in others), key=lambda row: str(row["username"]))


def _waiting(change: RoleChange | None) -> dict[str, Any]:
    if change is None:
        return {"changes_at": None, "becomes": None}
    return {"changes_at": clock.format_instant(change.due_at), "becomes": str(change)}


def _by_others(one: Right, people: dict[int, User]) -> dict[str, Any]:
    return {
        "username": people[one.user_id].username,
        "role": one.kind,
        "since": clock.format_instant(one.since_at),
        "state": people[one.user_id].state,
        "via": one.via,
        **_waiting(None),
    }


def _get(name: str) -> Project:
    project = queries.find_project(normalise(name))
    if project is None:
        raise NotFound(f"There is no project {name}.", fix="`keyhouse project list` shows them.")
    return project


def _get_role(project: Project, username: str) -> Role:
    role = collaborators.find_role(project, username)
    if role is None:
        raise CollaboratorMissing(fix="`keyhouse project people` lists them.")
    return role


@command.command("list")
@_NAME
@_LINES
def list_(name: str, *, as_json: bool) -> None:
    """List who has a right in a project, by which organization or team where it is by one, and how their accounts stand.

    \b
    Examples:
      keyhouse project people alpha
      keyhouse project people list alpha --json
    """  # noqa: D301 - \b is click's own mark
    for row in people_of(_get(name)):
        click.echo(json.dumps(row) if as_json else _line(row))


def _line(row: dict[str, Any]) -> str:
    by = f"  by {row['via']}" if row["via"] else ""
    waits = f"  {row['becomes']} from {row['changes_at']}" if row["changes_at"] else ""
    return f"{row['username']}  {row['role']}  {row['since']}  {row['state']}{by}{waits}"


@command.command()
@_NAME
@_LINES
def invitations(name: str, *, as_json: bool) -> None:
    """List the invitations into a project that nobody took up so far, the newest first.

    \b
    Example:
      keyhouse project people invitations alpha
    """  # noqa: D301 - \b is click's own mark
    for one in collaborators.open_invitations_of(_get(name)):
        row = _invitation(one)
        late = "over since" if row["is_over"] else "until"
        line = f"{row['number']}  {row['whom']}  {row['role']}  by {row['invited_by']}  {late} {row['until']}"
        click.echo(json.dumps(row) if as_json else line)


def _invitation(one: ProjectInvitation) -> dict[str, Any]:
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


def _tell_invited(one: ProjectInvitation, *, as_json: bool) -> None:
    row = _invitation(one)
    line = f"Invitation {row['number']}: {row['whom']} may become {row['role']} until {row['until']}."
    click.echo(document_of(row) if as_json else line)


@command.command()
@_NAME
@click.argument("whom")
@click.option(
    "--role",
    type=click.Choice(KINDS),
    default=MAINTAINER,
    show_default=True,
    help="What they become if they accept.",
)
@_JSON
def invite(name: str, whom: str, role: str, *, as_json: bool) -> None:
    """Offer a role to WHOM, a user name or an e-mail address. They are mailed, and have nothing before they accept.

    To accept they need what an owner's invitation asks for: a verified address and a second factor. Other owners are told
    of a new one. A project whose owners are gone gets a new one by `keyhouse project new-owner`.

    \b
    Examples:
      keyhouse project people invite alpha bob
      keyhouse project people invite alpha bob@example.org --role owner
    """  # noqa: D301 - \b is click's own mark
    _tell_invited(services.invite(normalise(name), whom, role, by=host()), as_json=as_json)


@command.command()
@_NAME
@_INVITATION
@_JSON
def resend(name: str, number: int, *, as_json: bool) -> None:
    """Send invitation NUMBER once more; it lives anew, also where it was too old.

    \b
    Example:
      keyhouse project people resend alpha 7
    """  # noqa: D301 - \b is click's own mark
    _tell_invited(services.resend(normalise(name), number, by=host()), as_json=as_json)


@command.command()
@_NAME
@_INVITATION
def revoke(name: str, number: int) -> None:
    """Take invitation NUMBER back; a second time changes nothing.

    \b
    Example:
      keyhouse project people revoke alpha 7
    """  # noqa: D301 - \b is click's own mark
    services.revoke(normalise(name), number, by=host())
    click.echo(f"Invitation {number} is taken back.")


@command.command("change-role")
@_NAME
@_USER
@click.argument("role", type=click.Choice(KINDS))
@_JSON
def change_role(name: str, username: str, role: str, *, as_json: bool) -> None:
    """Make an owner a maintainer, or offer a maintainer to be an owner: that is an invitation, which they accept.

    Of a critical project an owner is lowered after a wait, in which owners take it back.

    \b
    Examples:
      keyhouse project people change-role alpha bob owner
      keyhouse project people change-role alpha ada maintainer
    """  # noqa: D301 - \b is click's own mark
    if role == OWNER:
        present = _get_role(_get(name), username)
        _tell_invited(services.raise_role(normalise(name), present.user.username, by=host()), as_json=as_json)
    else:
        waits = ending.lower_role(normalise(name), username, by=host())
        _tell_ended(name, username, f"is {role}", waits, as_json=as_json)


@command.command()
@_NAME
@_USER
@_JSON
def remove(name: str, username: str, *, as_json: bool) -> None:
    """End the role of USER. An owner of a critical project goes after a wait, in which owners take it back; all are told.

    \b
    Example:
      keyhouse project people remove alpha eve
    """  # noqa: D301 - \b is click's own mark
    waits = ending.remove_role(normalise(name), username, by=host())
    _tell_ended(name, username, "has no role of their own", waits, as_json=as_json)


def _tell_ended(name: str, username: str, what: str, waits: RoleChange | None, *, as_json: bool) -> None:
    """Print what became of a role, or from when on it will."""
    at = clock.format_instant(waits.due_at) if waits else None
    if as_json:
        click.echo(document_of({"project": normalise(name), "username": username, "waits_until": at}))
    elif at:
        click.echo(f"{username} {what} in {name} from {at} on, unless an owner takes it back.")
    else:
        click.echo(f"{username} {what} in {name}.")


@command.command()
@_NAME
@_USER
def keep(name: str, username: str) -> None:
    """Take back what waits for the role of USER.

    \b
    Example:
      keyhouse project people keep alpha ada
    """  # noqa: D301 - \b is click's own mark
    is_kept = ending.keep_role(normalise(name), username, by=host())
    click.echo(f"{username} stays what they are in {name}." if is_kept else "Nothing waited.")


@command.command("hand-over")
@_NAME
@click.argument("owner")
@click.argument("whom")
@_JSON
def hand_over(name: str, owner: str, whom: str, *, as_json: bool) -> None:
    """Hand a project over from OWNER to WHOM, in two runs: the first invites WHOM, the one after they accepted removes OWNER.

    Both are the acts of `invite` and `remove`, with all that holds for them.

    \b
    Example:
      keyhouse project people hand-over alpha ada bob
    """  # noqa: D301 - \b is click's own mark
    project, person = _get(name), _find_person(whom)
    if person is not None and person == find_user(owner):
        raise click.UsageError("Name two people: whose ownership it is, and who gets it.")
    present = collaborators.find_role(project, person.username) if person else None
    if present is not None and present.kind == OWNER:
        former = collaborators.find_role(project, owner)
        if find_user(owner) is None or (former is not None and former.kind != OWNER):
            raise _not_an_owner(owner)
        waits = ending.remove_role(project.normalized_name, owner, by=host()) if former else None
        _tell_ended(name, owner, "has no role of their own", waits, as_json=as_json)
        return
    if _get_role(project, owner).kind != OWNER:
        raise _not_an_owner(owner)
    _tell_invited(services.invite(project.normalized_name, whom, OWNER, by=host()), as_json=as_json)
    click.echo(f"Run this again once {whom} has accepted: {owner} goes then.", err=True)


def _not_an_owner(owner: str) -> CollaboratorMissing:
    return CollaboratorMissing(
        f"{owner} doesn't own this project.", fix="`keyhouse project people` lists them."
    )


def _find_person(whom: str) -> User | None:
    if "@" not in whom:
        return find_user(whom)
    email = find_verified_email(whom)
    return email.user if email else None
