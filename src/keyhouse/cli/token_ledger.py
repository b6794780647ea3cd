"""`keyhouse token list|revoke|mint|report-leak`: API tokens, from the host."""

from __future__ import annotations

import json
import uuid
from itertools import islice
from typing import Any, Final, TextIO

import click
from django.db.models import QuerySet

from keyhouse.cli.named import get_user
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.core.errors import NotFound
from keyhouse.credentials.tokens.caveats import ACTS
from keyhouse.credentials.tokens.leak_rules import leaks_in
from keyhouse.credentials.tokens.leaks import end_leaked
from keyhouse.credentials.tokens.ledger import Line, lines_of
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import find_project_id
from keyhouse.credentials.tokens.robots import mint_organization_token, mint_robot_token
from keyhouse.credentials.tokens.rules import DEFAULT_DAYS, MAX_DAYS, MIN_DAYS, Life, Reach, is_alive
from keyhouse.credentials.tokens.services import mint_token, revoke_token
from keyhouse.distfiles.names import normalise

_AT_ONCE: Final = 500


@click.command("list")
@click.option("--user", "username", default="", help="Only those of this person.")
@click.option("--all", "with_ended", is_flag=True, help="Also expired and revoked ones.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_(username: str, *, with_ended: bool, as_json: bool) -> None:
    """List tokens: id, whose, for what, made with what, until when and why, last used.

    \b
    Examples:
      keyhouse token list
      keyhouse token list --user ada --all --json
    """  # noqa: D301 - \b is click's own mark
    tokens = _chosen(username).iterator(chunk_size=_AT_ONCE)
    while batch := list(islice(tokens, _AT_ONCE)):
        for line in lines_of(batch):
            row = _as_dict(line)
            if row["alive"] or with_ended:
                click.echo(json.dumps(row) if as_json else _as_line(row))


@click.command()
@click.argument("token_id", metavar="ID", type=click.UUID)
@click.option("--reason", default="revoked at the host", show_default=True, help="Kept with the token.")
@JSON
def revoke(token_id: uuid.UUID, reason: str, *, as_json: bool) -> None:
    """End a token for good, at once and everywhere.

    \b
    Example:
      keyhouse token revoke 686fdc1b392847558491be4175713c48
    """  # noqa: D301 - \b is click's own mark
    token = Token.objects.filter(pk=token_id).first()
    if token is None:
        raise NotFound("There is no such token.", fix="`keyhouse token list --all` shows them.")
    was_revoked_at = clock.format_if_any(token.revoked_at)
    if was_revoked_at is None:
        revoke_token(token, by=host(), reason=reason)
    line = f"It was revoked at {was_revoked_at} already." if was_revoked_at else "Revoked."
    tell({"id": token.pk.hex, "was_revoked_at": was_revoked_at}, line, as_json=as_json)


@click.command()
@click.argument("username", metavar="USER")
@click.option("--description", required=True, help="Where it will be used.")
@click.option(
    "--project", "projects", multiple=True, metavar="NAME", help="For this project; can be repeated."
)
@click.option("--all-projects", is_flag=True, help="For all projects of the person, and new ones.")
@click.option("--robot", is_flag=True, help="A robot token: it belongs to the one project.")
@click.option(
    "--organization",
    default="",
    metavar="NAME",
    help="A robot token of this organization, for those of its projects that are named, or for all, also later ones.",
)
@click.option(
    "--action",
    "acts",
    multiple=True,
    type=click.Choice(ACTS),
    help="What it may do; upload if none is named.",
)
@click.option(
    "--release", "version", default="", metavar="VERSION", help="For this release of its project only."
)
@click.option(
    "--network", "networks", multiple=True, metavar="NETWORK", help="From there only; can be repeated."
)
@click.option(
    "--days",
    type=click.IntRange(MIN_DAYS, MAX_DAYS),
    default=DEFAULT_DAYS,
    show_default=True,
    help="Ends then.",
)
@JSON
def mint(  # noqa: PLR0913 - an option each
    username: str,
    *,
    description: str,
    projects: tuple[str, ...],
    all_projects: bool,
    robot: bool,
    organization: str,
    acts: tuple[str, ...],
    version: str,
    networks: tuple[str, ...],
    days: int,
    as_json: bool,
) -> None:
    """Make a token for somebody and print it, this once.

    Nobody proves anything here, so it is as weak as a token can be: where second factors are asked for, it is refused.
    People make better ones on their account page.

    \b
    Examples:
      keyhouse token mint ada --project alpha --description "release job" --release 1.4.0
      keyhouse token mint ada --project alpha --robot --days 30 --description nightly --network 192.0.2.0/24
      keyhouse token mint ada --organization acme --all-projects --days 30 --description nightly
    """  # noqa: D301 - \b is click's own mark
    user = get_user(username)
    if all_projects == bool(projects):
        raise click.UsageError("Name projects (--project), or say --all-projects.")
    names = [normalise(name) for name in projects]
    narrow: dict[str, Any] = {
        "description": description,
        "expires_in_days": days,
        "version": version,
        "networks": networks,
        "by": host(),
    }
    if organization:
        _require_upload_alone(acts, "A robot token uploads, and does nothing else.")
        reach = Reach(tuple(names), is_also_later=all_projects)
        token, text = mint_organization_token(organization, reach=reach, owner=user, **narrow)
    elif robot:
        told = "A robot token uploads to one project: name that, and no other action."
        _require_upload_alone(acts, told)
        if len(names) != 1:
            raise click.UsageError(told)
        token, text = mint_robot_token(names[0], owner=user, **narrow)
    else:
        ids = None if all_projects else [_project_id(name) for name in names]
        token, text = mint_token(user, project_ids=ids, actions=acts or ("upload",), **narrow)
    made = {
        "id": token.pk.hex,
        "expires_at": clock.format_instant(token.expires_at),
        "token": text,
    }
    tell(made, text, as_json=as_json)


def _require_upload_alone(acts: tuple[str, ...], told: str) -> None:
    if acts not in {(), ("upload",)}:
        raise click.UsageError(told)


@click.command("report-leak")
@click.argument("file", type=click.File("r", encoding="utf-8", errors="replace"))
@click.option("--url", default="", help="Where it was found; its owner is told.")
@JSON
def report_leak(file: TextIO, url: str, *, as_json: bool) -> None:
    """Revoke every token that stands in a file (`-`: standard input), and tell the owners.

    \b
    Examples:
      keyhouse token report-leak build.log --url https://ci.example.org/job/7
      git log -p | keyhouse token report-leak -
    """  # noqa: D301 - \b is click's own mark
    prefix = configuration.current().token_prefix
    found = ended = 0
    for line in file:
        leaks = leaks_in(line, prefix, url=url, source="a report at the host")
        found += len(leaks)
        ended += end_leaked(leaks, reporter="host")
    tell({"found": found, "revoked": ended}, f"Found {found}, revoked {ended}.", as_json=as_json)


def _project_id(name: str) -> int:
    found = find_project_id(name)
    if found is None:
        raise NotFound(f"There is no project {name}.", fix="`keyhouse project list` shows them.")
    return found


def _chosen(username: str) -> QuerySet[Token]:
    rows = (
        Token.objects.select_related("user", "organization")
        .prefetch_related("projects")
        .order_by("minted_at", "pk")
    )
    if not username:
        return rows
    return rows.filter(user=get_user(username))


def _as_dict(line: Line) -> dict[str, Any]:
    token = line.token
    life = Life(token.expires_at, token.revoked_at, token.suspended_at)
    names = sorted(project.normalized_name for project in token.projects.all())
    return {
        "id": token.pk.hex,
        "user": token.user.username,
        "description": token.description,
        "kind": token.kind,
        "organization": token.organization.normalized_name if token.organization else None,
        "makes_projects": token.may_found or (token.is_for_all_projects and not token.is_robot),
        "projects": "all" if token.is_for_all_projects else names,
        "actions": token.actions,
        "release": token.version or None,
        "networks": token.networks,
        "minted_at": clock.format_instant(token.minted_at),
        "minted_with": token.minted_methods,
        "minted_under": token.minted_mandate.split(),
        "weak": line.outlook.is_weak,
        # for anything that it can do, beginning projects too
        "refused_from": clock.format_if_any(line.outlook.ends_at),
        "uses_refused_from": clock.format_if_any(line.outlook.uses_end_at),
        "refused_by": line.outlook.mandate if line.outlook.ends_at else None,
        "expires_at": clock.format_instant(token.expires_at),
        "revoked_at": clock.format_if_any(token.revoked_at),
        "revoked_reason": token.revoked_reason,
        "last_used_at": clock.format_if_any(token.last_used_at),
        "last_used_network": token.last_used_network,
        "last_used_client": token.last_used_client,
        "alive": is_alive(life, clock.now()),
    }


def _as_line(row: dict[str, Any]) -> str:
    projects = row["projects"] if row["projects"] == "all" else " ".join(row["projects"])
    if row["organization"]:
        projects += f" of {row['organization']}{' and new ones' if row['makes_projects'] else ''}"
    used = f"last used {row['last_used_at']}" if row["last_used_at"] else "never used"
    acts = "+".join(row["actions"])
    where = f" from {' '.join(row['networks'])}" if row["networks"] else ""
    what = f"{acts} on {projects}{' ' + row['release'] if row['release'] else ''}{where}"
    made = f"made with {'+'.join(row['minted_with']) or 'nothing'}"
    return "  ".join((row["id"], row["user"], row["description"], what, made, _state(row), used))


def _state(row: dict[str, Any]) -> str:
    if not row["alive"]:
        return "ended"
    if row["refused_from"] is None or row["refused_from"] >= row["expires_at"]:
        return f"until {row['expires_at']}"
    if row["uses_refused_from"] != row["refused_from"]:
        rest = min(row["uses_refused_from"] or row["expires_at"], row["expires_at"])
        return f"until {rest}, for new projects until {row['refused_from']}, by {row['refused_by']}"
    return f"until {row['refused_from']} by {row['refused_by']}"
