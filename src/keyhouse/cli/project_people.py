"""`keyhouse project people`: who has a role in a project, who is invited, and every change of it, by the acts of its page."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import click

from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user, find_verified_email
from keyhouse.cli.named import get_project
from keyhouse.cli.people import NAME, USER, People, Place, add_commands, tell_ended, tell_invited
from keyhouse.cli.telling import JSON, LINES, tell_row
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.distfiles.names import normalise
from keyhouse.projects import queries, rights
from keyhouse.projects.collaborators import ending, services
from keyhouse.projects.collaborators import queries as collaborators
from keyhouse.projects.collaborators.errors import CollaboratorMissing
from keyhouse.projects.collaborators.models import RoleChange
from keyhouse.projects.collaborators.rules import KINDS
from keyhouse.projects.models import Project, Role
from keyhouse.projects.rights import Right
from keyhouse.projects.rules import MAINTAINER, OWNER


@click.group("people", cls=People)
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


def _get_role(project: Project, username: str) -> Role:
    role = collaborators.find_role(project, username)
    if role is None:
        raise CollaboratorMissing(fix="`keyhouse project people` lists them.")
    return role


@command.command("list")
@NAME
@LINES
def list_(name: str, *, as_json: bool) -> None:
    """List who has a right in a project, by which organization or team where it is by one, and how their accounts stand.

    \b
    Examples:
      keyhouse project people alpha
      keyhouse project people list alpha --json
    """  # noqa: D301 - \b is click's own mark
    for row in people_of(get_project(name)):
        tell_row(row, _line(row), as_json=as_json)


def _line(row: dict[str, Any]) -> str:
    by = f"  by {row['via']}" if row["via"] else ""
    waits = f"  {row['becomes']} from {row['changes_at']}" if row["changes_at"] else ""
    return f"{row['username']}  {row['role']}  {row['since']}  {row['state']}{by}{waits}"


@command.command("change-role")
@NAME
@USER
@click.argument("role", type=click.Choice(KINDS))
@JSON
def change_role(name: str, username: str, role: str, *, as_json: bool) -> None:
    """Make an owner a maintainer, or offer a maintainer to be an owner: that is an invitation, which they accept.

    Of a critical project an owner is lowered after a wait, in which owners take it back.

    \b
    Examples:
      keyhouse project people change-role alpha bob owner
      keyhouse project people change-role alpha ada maintainer
    """  # noqa: D301 - \b is click's own mark
    if role == OWNER:
        present = _get_role(get_project(name), username)
        tell_invited(services.raise_role(normalise(name), present.user.username, by=host()), as_json=as_json)
    else:
        waits_until = _lower(name, username)
        row = {"project": normalise(name), "username": username}
        tell_ended(row, f"{username} is {role} in {name}", waits_until, as_json=as_json)


def _lower(name: str, username: str) -> datetime | None:
    waits = ending.lower_role(normalise(name), username, by=host())
    return waits.due_at if waits else None


def _remove(name: str, username: str) -> datetime | None:
    waits = ending.remove_role(name, username, by=host())
    return waits.due_at if waits else None


_PLACE: Final = Place(
    word="project",
    article="a",
    name="alpha",
    kinds=KINDS,
    usual=MAINTAINER,
    end="the role of USER",
    ended="has no role of their own in",
    key=normalise,
    invitations=lambda name: collaborators.open_invitations_of(get_project(name)),
    invite=services.invite,
    resend=services.resend,
    revoke=services.revoke,
    remove=_remove,
    keep=ending.keep_role,
)
add_commands(command, _PLACE)


@command.command("hand-over")
@NAME
@click.argument("owner")
@click.argument("whom")
@JSON
def hand_over(name: str, owner: str, whom: str, *, as_json: bool) -> None:
    """Hand a project over from OWNER to WHOM, in two runs: the first invites WHOM, the one after they accepted removes OWNER.

    Both are the acts of `invite` and `remove`, with all that holds for them.

    \b
    Example:
      keyhouse project people hand-over alpha ada bob
    """  # noqa: D301 - \b is click's own mark
    project, person = get_project(name), _find_person(whom)
    if person is not None and person == find_user(owner):
        raise click.UsageError("Name two people: whose ownership it is, and who gets it.")
    present = collaborators.find_role(project, person.username) if person else None
    if present is not None and present.kind == OWNER:
        former = collaborators.find_role(project, owner)
        if find_user(owner) is None or (former is not None and former.kind != OWNER):
            raise _not_an_owner(owner)
        waits_until = _remove(project.normalized_name, owner) if former else None
        row = {"project": project.normalized_name, "username": owner}
        tell_ended(row, f"{owner} {_PLACE.ended} {name}", waits_until, as_json=as_json)
        return
    if _get_role(project, owner).kind != OWNER:
        raise _not_an_owner(owner)
    tell_invited(services.invite(project.normalized_name, whom, OWNER, by=host()), as_json=as_json)
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
