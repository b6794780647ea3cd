"""`keyhouse organization people`: who belongs to an organization, who is invited, and every change of it, by the acts of its page."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import click

from keyhouse.cli.people import NAME, USER, People, Place, add_commands, count_people, left_out, tell_ended
from keyhouse.cli.telling import JSON, LINES, tell, tell_row
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.organizations import inviting, membership, queries, reminding, rules
from keyhouse.organizations.errors import OrganizationMissing
from keyhouse.organizations.models import Membership, Organization


@click.group("people", cls=People)
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
        "changes_at": clock.format_if_any(one.ends_at),
        "becomes": (one.ends_as or "none") if one.ends_at else None,
    }


@command.command("list")
@NAME
@LINES
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
        tell_row(row, line, as_json=as_json)


@command.command("change-role")
@NAME
@USER
@click.argument("role", type=click.Choice(rules.KINDS))
@JSON
def change_role(name: str, username: str, role: str, *, as_json: bool) -> None:
    """Make a member something else, at once; the owners and they are told.

    Where the organization has a critical project an owner is lowered after a wait, in which owners take it back.

    \b
    Examples:
      keyhouse organization people change-role acme bob manager
      keyhouse organization people change-role acme ada member
    """  # noqa: D301 - \b is click's own mark
    member = membership.change_kind(name, username, role, by=host())
    waits_until = member.ends_at if member.kind != role else None
    row = {"organization": rules.key_of(name), "username": username}
    tell_ended(row, f"{username} is {role} of {name}", waits_until, as_json=as_json)


@command.command()
@NAME
@click.option("--again", is_flag=True, help="Instead, invite anew whose invitation is over, and mail them.")
@click.option("--dry-run", is_flag=True, help="Say who would be mailed; do nothing.")
@JSON
def remind(name: str, *, again: bool, dry_run: bool, as_json: bool) -> None:
    """Mail once more everybody whose invitation into an organization waits for them, by whomever they were invited.

    Whoever was mailed about it less than a day ago is left out, and so is whose invitation rests, since whoever invited them may
    not do that any more or may not be themselves; it is said how many. With --again it is those whose invitation waits no
    more, since they didn't come in time: it lives anew for KEYHOUSE_PROJECT_INVITATION_DAYS. Whoever has the role by now is passed over, and so is a hand-over that is over. Invitations are forgotten 30 days after their end; `invite` makes new ones.

    \b
    Examples:
      keyhouse organization people remind acme
      keyhouse organization people remind acme --again --dry-run
    """  # noqa: D301 - \b is click's own mark
    key = rules.key_of(name)
    done = reminding.remind(key, by=host(), is_over=again, is_dry=dry_run)
    count = len(done.told)
    verb = "would be" if dry_run else "was" if count == 1 else "were"
    others, lines = left_out(done.lately, done.resting)
    row = {"organization": key, "mailed": count, "dry_run": dry_run, "people": done.told, **others}
    line = f"{count_people(count)} {verb} mailed."
    tell(row, *(done.told if dry_run else ()), line, *lines, as_json=as_json)


def _remove(name: str, username: str) -> datetime | None:
    waits = membership.remove_member(name, username, by=host())
    return waits.ends_at if waits else None


_PLACE: Final = Place(
    word="organization",
    article="an",
    name="acme",
    kinds=rules.KINDS,
    usual=rules.MEMBER,
    end="the membership of USER and all rights by it",
    ended="is no member of",
    key=rules.key_of,
    invitations=lambda name: queries.open_invitations_of(organization_of(name)),
    invite=inviting.invite,
    resend=inviting.resend,
    revoke=inviting.revoke,
    remove=_remove,
    keep=membership.keep_member,
)
add_commands(command, _PLACE)
