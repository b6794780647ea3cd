"""What `keyhouse project people` and `keyhouse organization people` have in common: invitations, and ends of roles.

The host is asked for no role and no second factor, and is bound by all else: whoever is invited accepts by themselves and has
to comply, a project and an organization always have an owner, an owner of a critical project goes after a wait, and the others
are told.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import click

from keyhouse.cli.defaults import WithDefault
from keyhouse.cli.numbers import ID
from keyhouse.cli.telling import JSON, LINES, tell, tell_row
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.organizations.models import OrganizationInvitation
from keyhouse.projects.collaborators.models import ProjectInvitation

NAME: Final = click.argument("name")
USER: Final = click.argument("username", metavar="USER")
_NUMBER: Final = click.argument("number", type=ID)
_Invitation = OrganizationInvitation | ProjectInvitation


class People(WithDefault):
    """Lists the people where no act is named."""

    default = "list"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where people have roles: its words, and the acts of its page."""

    word: str  # `project` or `organization`
    article: str
    name: str  # in examples
    kinds: Sequence[str]
    usual: str  # what people are invited to be
    end: str  # what `remove` ends
    ended: str  # what people are then, before the name
    key: Callable[[str], str]
    invitations: Callable[[str], Iterable[_Invitation]]
    invite: Callable[..., _Invitation]
    resend: Callable[..., _Invitation]
    revoke: Callable[..., None]
    remove: Callable[[str, str], datetime | None]  # until when it waits
    keep: Callable[..., bool]

    def help(self, text: str, *examples: str) -> str:
        """Return the help of a command, with the words of this place in it."""
        title = "Examples" if len(examples) > 1 else "Example"
        lines = "\n  ".join(f"keyhouse {self.word} people {one}" for one in examples)
        words = {"a": f"{self.article} {self.word}", "A": f"{self.article.title()} {self.word}"}
        return f"{text}\n\n\b\n{title}:\n  {lines}".format(
            **words, word=self.word, name=self.name, end=self.end
        )


def add_commands(group: click.Group, place: Place) -> None:
    """Give a group the commands that are the same wherever people have roles."""
    _add_invite(group, place)
    _add_invitations(group, place)
    _add_ends(group, place)


def _add_invite(group: click.Group, place: Place) -> None:
    @group.command(
        help=place.help(
            "Offer a role to WHOM, a user name or an e-mail address. They are mailed, and have nothing before they accept.\n\n"
            "To accept they need what an owner's invitation asks for: a verified address and a second factor. Owners are told"
            " of a new one. {A} whose owners are gone gets a new one by `keyhouse {word} new-owner`.",
            "invite {name} bob",
            "invite {name} bob@example.org --role owner",
        )
    )
    @NAME
    @click.argument("whom")
    @click.option(
        "--role",
        type=click.Choice(place.kinds),
        default=place.usual,
        show_default=True,
        help="What they become if they accept.",
    )
    @JSON
    def invite(name: str, whom: str, role: str, *, as_json: bool) -> None:
        tell_invited(place.invite(place.key(name), whom, role, by=host()), as_json=as_json)


def _add_invitations(group: click.Group, place: Place) -> None:
    @group.command(
        help=place.help(
            "List the invitations into {a} that nobody took up so far, the newest first.",
            "invitations {name}",
        )
    )
    @NAME
    @LINES
    def invitations(name: str, *, as_json: bool) -> None:
        for one in place.invitations(name):
            row = _invitation(one)
            late = "over since" if row["is_over"] else "until"
            line = f"{row['number']}  {row['whom']}  {row['role']}  by {row['invited_by']}  {late} {row['until']}"
            tell_row(row, line, as_json=as_json)

    @group.command(
        help=place.help(
            "Send invitation NUMBER once more; it lives anew, also where it was too old.", "resend {name} 7"
        )
    )
    @NAME
    @_NUMBER
    @JSON
    def resend(name: str, number: int, *, as_json: bool) -> None:
        tell_invited(place.resend(place.key(name), number, by=host()), as_json=as_json)

    @group.command(
        help=place.help("Take invitation NUMBER back; a second time changes nothing.", "revoke {name} 7")
    )
    @NAME
    @_NUMBER
    @JSON
    def revoke(name: str, number: int, *, as_json: bool) -> None:
        place.revoke(place.key(name), number, by=host())
        row = {place.word: place.key(name), "number": number}
        tell(row, f"Invitation {number} is taken back.", as_json=as_json)


def _add_ends(group: click.Group, place: Place) -> None:
    @group.command(
        help=place.help(
            "End {end}. An owner of a critical project goes after a wait, in which owners take it back; all are told.",
            "remove {name} eve",
        )
    )
    @NAME
    @USER
    @JSON
    def remove(name: str, username: str, *, as_json: bool) -> None:
        waits_until = place.remove(place.key(name), username)
        row = {place.word: place.key(name), "username": username}
        tell_ended(row, f"{username} {place.ended} {name}", waits_until, as_json=as_json)

    @group.command(help=place.help("Take back what waits for the role of USER.", "keep {name} ada"))
    @NAME
    @USER
    @JSON
    def keep(name: str, username: str, *, as_json: bool) -> None:
        is_kept = place.keep(place.key(name), username, by=host())
        row = {place.word: place.key(name), "username": username, "is_kept": is_kept}
        stays = f"{username} stays what they are in {name}."
        tell(row, stays if is_kept else "Nothing waited.", as_json=as_json)


def _invitation(one: _Invitation) -> dict[str, Any]:
    return {
        "number": one.pk,
        "whom": str(one),
        "role": one.kind,
        "hands_over": one.hands_over,
        "invited_by": one.invited_by_name,
        "sent_at": clock.format_if_any(one.sent_at),
        "until": clock.format_instant(one.expires_at),
        "is_over": one.expires_at <= clock.now(),
    }


def tell_invited(one: _Invitation, *, as_json: bool) -> None:
    """Print who may become what until when."""
    row = _invitation(one)
    line = f"Invitation {row['number']}: {row['whom']} may become {row['role']} until {row['until']}."
    tell(row, line, as_json=as_json)


def left_out(lately: Sequence[str], resting: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """Return whom a reminder left out and why: for programs, and as lines."""
    found = [
        (lately, "mailed about it less than a day ago"),
        (resting, "unable to accept for now, since what is offered to them rests"),
    ]
    lines = [
        f"{count_people(len(people))} {'was' if len(people) == 1 else 'were'} left out: {why}."
        for people, why in found
        if people
    ]
    return {"left_out": {"told_lately": list(lately), "resting": list(resting)}}, lines


def count_people(count: int) -> str:
    """Return so many people in words."""
    return "1 person" if count == 1 else f"{count:,} people"


def tell_ended(row: Mapping[str, object], ended: str, waits_until: datetime | None, *, as_json: bool) -> None:
    """Print what became of a role, or from when on it will: a sentence without its full stop."""
    at = clock.format_if_any(waits_until)
    until = f" from {at} on, unless an owner takes it back" if at else ""
    tell({**row, "waits_until": at}, f"{ended}{until}.", as_json=as_json)
