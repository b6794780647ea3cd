"""`keyhouse user`: people, from the host."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

import click
from django.db.models import Count

from keyhouse.accounts import holds
from keyhouse.accounts.addresses.by_hand import verify_by_hand
from keyhouse.accounts.inviting.queries import not_yet_here
from keyhouse.accounts.models import Suspension, User
from keyhouse.accounts.oversight import offices, suspending
from keyhouse.accounts.queries import emails_of
from keyhouse.accounts.recovering import make_enrolment_link
from keyhouse.accounts.services import invite_user
from keyhouse.cli.inviting import Wish, as_line, invite_many
from keyhouse.cli.named import get_user
from keyhouse.cli.numbers import AMOUNT
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock, configuration, standing
from keyhouse.core.actor import OFFICES, host, named_offices


@click.group("user")
def command() -> None:
    """Invite, show, suspend and off-board people; lead them through enrolling anew."""


@command.command()
@click.argument("name", required=False)
@click.argument("address", required=False)
@click.option(
    "--from", "people", type=click.Path(path_type=Path), metavar="FILE", help="CSV: name,address[,projects]."
)
@click.option("--mail", is_flag=True, help="Mail each link instead of printing it.")
@click.option(
    "--again", is_flag=True, help="Invite those anew whose invitation waits; their former links die."
)
@click.option("--dry-run", is_flag=True, help="Say what would be done; do nothing.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each who is invited.")
def invite(name: str | None, address: str | None, people: Path | None, **given: bool) -> None:
    """Print a one-time link by which NAME makes their account; ADDRESS is their e-mail address.

    With --from everybody of a list is invited, each once: whoever has an account or an invitation that waits is passed
    over, so that the same command goes on where it was stopped.

    \b
    Examples:
      keyhouse user invite ada ada@example.org
      keyhouse user invite --from people.csv --dry-run
      keyhouse user invite --from people.csv --mail
    """  # noqa: D301 - \b is click's own mark
    if people is not None and name is None:
        wish = Wish(given["mail"], given["again"], given["dry_run"], given["as_json"])
        invite_many(people, wish)
    elif people is None and name and address:
        path = invite_user(name, address, by=host(), is_mailed=given["mail"])
        link = None if given["mail"] else configuration.current().base_url + path
        if given["as_json"]:
            click.echo(as_line(name, address, link))
        else:
            click.echo(link or f"{name} is invited by mail.")
    else:
        raise click.UsageError("Give a NAME and an ADDRESS, or a list by --from.")


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each.")
def invited(*, as_json: bool) -> None:
    """List who was invited and has no account yet.

    An invitation is forgotten 30 days after its end, with the address; `keyhouse audit --action user.invite` goes on telling
    who was invited by name.

    \b
    Example:
      keyhouse user invited
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    for link in not_yet_here():
        row = {
            "username": link.username or None,
            "address": link.address,
            "invited_at": clock.format_instant(link.made_at),
            "until": clock.format_instant(link.expires_at),
            "is_over": link.expires_at <= now,
        }
        over = "over since" if row["is_over"] else "until"
        click.echo(
            json.dumps(row) if as_json else f"{link.username or '-'}  {link.address}  {over} {row['until']}"
        )


@command.command()
@click.argument("name")
@JSON
def recover(name: str, *, as_json: bool) -> None:
    """Print a one-time link by which NAME sets password, second factor and recovery codes anew.

    Everybody concerned is told by mail: NAME, who owns projects with them, all operators. The account is then on hold.

    \b
    Example:
      keyhouse user recover ada
    """  # noqa: D301 - \b is click's own mark
    user = get_user(name)
    link = configuration.current().base_url + make_enrolment_link(user, by=host())
    tell({"username": user.username, "link": link}, link, as_json=as_json)


@command.command()
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def show(name: str, *, as_json: bool) -> None:
    """Show one account: state, offices, second factors by kind, addresses, projects that only NAME owns.

    \b
    Examples:
      keyhouse user show ada
      keyhouse user show ada --json
    """  # noqa: D301 - \b is click's own mark
    told = _told(get_user(name))
    if as_json:
        click.echo(json.dumps(told))
        return
    for key, value in told.items():
        text = ", ".join(map(str, value)) if isinstance(value, list) else value
        click.echo(f"{key.replace('_', ' ')}: {'none' if text in {None, ''} else text}")


def _told(user: User) -> dict[str, object]:
    suspension = Suspension.objects.filter(user=user, ended_at=None).first()
    return {
        "username": user.username,
        "state": holds.effective_state(user, clock.now()),
        "offices": list(named_offices((user.is_operator, user.is_moderator, user.is_auditor))),
        "joined_at": clock.format_instant(user.joined_at),
        "last_seen_at": clock.format_if_any(user.last_seen_at),
        "addresses": [email.address for email in emails_of(user)],
        "authenticator_apps": user.authenticators.count(),
        "security_keys": user.security_keys.count(),
        "suspended_for": suspension.reason if suspension else None,
        "has_left": bool(suspension and suspension.is_final),
        "only_owner_of": list(standing.of(user.pk).sole_owned),
        "only_owner_of_organizations": list(standing.of(user.pk).sole_organizations),
    }


_WHY: Final = click.option(
    "--reason", required=True, help="Why; the person and all operators are told, and the log keeps it."
)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


def _tell(user: User, done: str, *, as_json: bool, **more: object) -> None:
    """Print what was done, and which projects nobody else owns."""
    stands = standing.of(user.pk)
    alone = list(stands.sole_owned)
    if as_json:
        told = {"only_owner_of": alone, "only_owner_of_organizations": list(stands.sole_organizations)}
        click.echo(json.dumps({"username": user.username, "done": done, **more, **told}))
        return
    click.echo(f"{user.username}: {done}.")
    if alone:
        click.echo(f"To be handed over, since nobody else owns them: {', '.join(alone)}")
    if stands.sole_organizations:
        click.echo(f"Organizations without another owner: {', '.join(stands.sole_organizations)}")


@command.command("verify-address")
@click.argument("name")
@click.option("--address", default="", help="Which of the account's addresses; else the primary one.")
@click.option("--reason", required=True, help="How the person has shown that it is theirs; the log keeps it.")
@_JSON
def verify_address(name: str, address: str, reason: str, *, as_json: bool) -> None:
    """Verify an address of NAME without a mail, since you have met them. For an index that sends no mails.

    Once mails leave, whoever reads that address can ask for a new password, so don't take one that they can't read.

    \b
    Example:
      keyhouse user verify-address ada --reason "came to my desk with her badge"
    """  # noqa: D301 - \b is click's own mark
    user = get_user(name)
    email = verify_by_hand(user, address, reason, by=host(), now=clock.now())
    _tell(user, f"{email.address} verified by the host", as_json=as_json, address=email.address)


@command.command()
@click.argument("name")
@_WHY
@_JSON
def suspend(name: str, reason: str, *, as_json: bool) -> None:
    """Suspend NAME: sessions end, API tokens rest with the next request. Doing it again changes nothing.

    \b
    Example:
      keyhouse user suspend ada --reason "laptop stolen, she called"
    """  # noqa: D301 - \b is click's own mark
    user = get_user(name)
    is_new = suspending.suspend_user(user, reason, by=host(), now=clock.now())
    _tell(user, "suspended" if is_new else "was suspended already", as_json=as_json)


@command.command()
@click.argument("name")
@_WHY
@_JSON
def reinstate(name: str, reason: str, *, as_json: bool) -> None:
    """End the suspension of NAME; the account goes back to the state that it would have without it.

    \b
    Example:
      keyhouse user reinstate ada --reason "laptop found"
    """  # noqa: D301 - \b is click's own mark
    user = get_user(name)
    suspending.reinstate_user(user, reason, by=host(), now=clock.now())
    _tell(user, "reinstated", as_json=as_json)


@command.command("off-board")
@click.argument("name")
@_WHY
@_JSON
def off_board(name: str, reason: str, *, as_json: bool) -> None:
    """Close the account of NAME, who has left: tokens are revoked for good, offices end, projects are listed.

    \b
    Example:
      keyhouse user off-board ada --reason "left the company"
    """  # noqa: D301 - \b is click's own mark
    user = get_user(name)
    is_new = suspending.off_board(user, reason, by=host(), now=clock.now())
    _tell(user, "off-boarded" if is_new else "was off-boarded already", as_json=as_json)


@command.command("end-sessions")
@click.argument("name")
@_WHY
@_JSON
def end_sessions(name: str, reason: str, *, as_json: bool) -> None:
    """Sign NAME out everywhere.

    \b
    Example:
      keyhouse user end-sessions ada --reason "left a shared machine signed in"
    """  # noqa: D301 - \b is click's own mark
    user = get_user(name)
    count = suspending.end_sessions_of(user, reason, by=host(), now=clock.now())
    _tell(user, f"{count} session{'' if count == 1 else 's'} ended", as_json=as_json, sessions=count)


_OFFICE: Final = click.argument("office", type=click.Choice(OFFICES))


@command.command("grant-office")
@click.argument("name")
@_OFFICE
@_WHY
@_JSON
def grant_office(name: str, office: str, reason: str, *, as_json: bool) -> None:
    """Propose that NAME gets OFFICE: two operators have to approve it in the pages, or it waits a day where one is alone.

    \b
    Example:
      keyhouse user grant-office ada auditor --reason "yearly audit"
    """  # noqa: D301 - \b is click's own mark
    user = get_user(name)
    row = offices.propose_office(user, office, reason, by=host(), now=clock.now())
    when = clock.format_if_any(row.effective_at)
    done = f"proposed as {office}, from {when} on" if when else f"proposed as {office}; operators approve it"
    _tell(user, done, as_json=as_json, proposal=row.pk, effective_at=when)


@command.command("revoke-office")
@click.argument("name")
@_OFFICE
@_WHY
@_JSON
def revoke_office(name: str, office: str, reason: str, *, as_json: bool) -> None:
    """Take OFFICE from NAME, from the next request on.

    \b
    Example:
      keyhouse user revoke-office ada moderator --reason "changed teams"
    """  # noqa: D301 - \b is click's own mark
    user = get_user(name)
    offices.revoke_office(user, office, reason, by=host(), now=clock.now())
    _tell(user, f"no {office} any more", as_json=as_json)


@command.command("list")
@click.option("--named", default="", help="Only names that hold this text.")
@click.option("--state", type=click.Choice(User.State.values), help="Only accounts in this state.")
@click.option("--after", default="", help="Begin after this name, where the last page ended.")
@click.option("--limit", type=AMOUNT, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON line for each.")
def list_(*, named: str, state: str | None, after: str, limit: int | None, as_json: bool) -> None:
    """List accounts by name: state, operator or not, second factors.

    \b
    Examples:
      keyhouse user list --named ada
      keyhouse user list --limit 100 --after ada
    """  # noqa: D301 - \b is click's own mark
    people = User.objects.filter(username__icontains=named, username__gt=after).order_by("username")
    people = people.filter(state=state) if state else people
    counted = people.annotate(
        apps=Count("authenticators", distinct=True), keys=Count("security_keys", distinct=True)
    )
    for user in counted[:limit].iterator():
        row = {
            "username": user.username,
            "state": user.state,
            "operator": user.is_operator,
            "joined_at": clock.format_instant(user.joined_at),
            "authenticator_apps": user.apps,
            "security_keys": user.keys,
        }
        click.echo(json.dumps(row) if as_json else _as_line(row))


def _as_line(row: dict[str, object]) -> str:
    operator = " operator" if row["operator"] else ""
    return f"{row['username']}  {row['state']}{operator}  {row['authenticator_apps']} authenticator apps  {row['security_keys']} security keys  since {row['joined_at']}"
