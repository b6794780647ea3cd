"""`keyhouse token`: API tokens, from the host."""

from __future__ import annotations

import json
import uuid
from datetime import datetime
from itertools import islice
from typing import Any, Final

import click
from django.db.models import QuerySet

from keyhouse.accounts.queries import find_user
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.errors import NotFound
from keyhouse.credentials.tokens.ledger import Line, lines_of
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.rules import Life, is_alive
from keyhouse.credentials.tokens.services import revoke_token

_AT_ONCE: Final = 500


@click.group("token")
def command() -> None:
    """List and revoke API tokens."""


@command.command("list")
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


@command.command()
@click.argument("token_id", metavar="ID", type=click.UUID)
@click.option("--reason", default="revoked at the host", show_default=True, help="Kept with the token.")
def revoke(token_id: uuid.UUID, reason: str) -> None:
    """End a token for good, at once and everywhere.

    \b
    Example:
      keyhouse token revoke 686fdc1b392847558491be4175713c48
    """  # noqa: D301 - \b is click's own mark
    token = Token.objects.filter(pk=token_id).first()
    if token is None:
        raise NotFound("There is no such token.", fix="`keyhouse token list --all` shows them.")
    if token.revoked_at is not None:
        click.echo(f"It was revoked at {clock.format_instant(token.revoked_at)} already.")
        return
    revoke_token(token, by=host(), reason=reason)
    click.echo("Revoked.")


def _chosen(username: str) -> QuerySet[Token]:
    rows = Token.objects.select_related("user").prefetch_related("projects").order_by("minted_at", "pk")
    if not username:
        return rows
    user = find_user(username)
    if user is None:
        raise NotFound(f"There is no user {username}.", fix="`keyhouse user list` shows them.")
    return rows.filter(user=user)


def _as_dict(line: Line) -> dict[str, Any]:
    token = line.token
    life = Life(token.expires_at, token.revoked_at, token.suspended_at)
    names = sorted(project.normalized_name for project in token.projects.all())
    return {
        "id": token.pk.hex,
        "user": token.user.username,
        "description": token.description,
        "projects": "all" if token.is_for_all_projects else names,
        "actions": token.actions,
        "minted_at": clock.format_instant(token.minted_at),
        "minted_with": token.minted_methods,
        "minted_under": token.minted_mandate.split(),
        "weak": line.outlook.is_weak,
        "refused_from": _instant(line.outlook.ends_at),  # for anything that it can do, beginning projects too
        "uses_refused_from": _instant(line.outlook.uses_end_at),
        "refused_by": line.outlook.mandate if line.outlook.ends_at else None,
        "expires_at": clock.format_instant(token.expires_at),
        "revoked_at": _instant(token.revoked_at),
        "revoked_reason": token.revoked_reason,
        "last_used_at": _instant(token.last_used_at),
        "last_used_network": token.last_used_network,
        "last_used_client": token.last_used_client,
        "alive": is_alive(life, clock.now()),
    }


def _instant(value: datetime | None) -> str | None:
    return clock.format_instant(value) if value else None


def _as_line(row: dict[str, Any]) -> str:
    projects = row["projects"] if row["projects"] == "all" else " ".join(row["projects"])
    used = f"last used {row['last_used_at']}" if row["last_used_at"] else "never used"
    acts = "+".join(row["actions"])
    made = f"made with {'+'.join(row['minted_with']) or 'nothing'}"
    return "  ".join(
        (row["id"], row["user"], row["description"], f"{acts} on {projects}", made, _state(row), used)
    )


def _state(row: dict[str, Any]) -> str:
    if not row["alive"]:
        return "ended"
    if row["refused_from"] is None or row["refused_from"] >= row["expires_at"]:
        return f"until {row['expires_at']}"
    if row["uses_refused_from"] != row["refused_from"]:
        rest = min(row["uses_refused_from"] or row["expires_at"], row["expires_at"])
        return f"until {rest}, for new projects until {row['refused_from']}, by {row['refused_by']}"
    return f"until {row['refused_from']} by {row['refused_by']}"
