"""`keyhouse keys`: the root keys, which live in a file beside the database."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

import click
from django.db import transaction
from django.db.models import Count, Max

from keyhouse.accounts.sealed import count_by_key, reseal_secrets
from keyhouse.audit.services import record
from keyhouse.cli.progress import bar
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock, configuration, keys
from keyhouse.core.actor import host
from keyhouse.core.errors import NotFound, Refusal, Situation
from keyhouse.core.keys import KeyRing
from keyhouse.credentials.tokens.models import Token


class KeyNeeded(Refusal):
    """Something still rests on the key."""

    code = "key-needed"
    situation = Situation.CONFLICT
    sentence = "This key is still needed."


@dataclass(frozen=True, slots=True)
class Need:
    """What rests on a key: live API tokens (and until when), secrets sealed with it."""

    tokens: int = 0
    tokens_until: str = ""
    secrets: int = 0

    def __str__(self) -> str:
        parts = []
        if self.tokens:
            parts.append(f"{self.tokens} API tokens, the last until {self.tokens_until}")
        if self.secrets:
            parts.append(f"{self.secrets} sealed secrets")
        return " and ".join(parts) or "nothing"


@click.group("keys")
def command() -> None:
    """Rotate, list and retire the root keys."""


@command.command()
@JSON
def rotate(*, as_json: bool) -> None:
    """Put a new root key in front and seal every stored secret with it; everything lives on.

    Safe on a running index. Interrupted, run it again: a key that is not used yet costs nothing.

    \b
    Example:
      keyhouse keys rotate
    """  # noqa: D301 - \b is click's own mark
    ring = keys.rotate_ring(configuration.current().key_file)
    with bar() as shown:
        task = shown.add_task("Sealing", total=None)
        changed = reseal_secrets(ring, lambda done: shown.update(task, completed=done))
    _record("keys rotate", ring.newest.id, secrets=changed)
    tell(
        {"key": ring.newest.id, "secrets": changed},
        f"New key {ring.newest.id}; {changed} secrets sealed with it.",
        "Copy the key file to its safe place anew; backups made before need the older keys too.",
        as_json=as_json,
    )


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List the keys, newest first, and what still needs each.

    \b
    Example:
      keyhouse keys list
    """  # noqa: D301 - \b is click's own mark
    ring = keys.ring()
    rows = [{"id": key.id, "made_at": key.made_at, **asdict(_need(ring, key.id))} for key in ring.keys]
    if as_json:
        click.echo(json.dumps(rows))
        return
    for key in ring.keys:
        mark = "  (in use)" if key == ring.newest else ""
        click.echo(f"{key.id}  made {key.made_at}  needed by {_need(ring, key.id)}{mark}")


@command.command()
@click.argument("key_id", metavar="ID")
@JSON
def retire(key_id: str, *, as_json: bool) -> None:
    """Take an older key out of the file, once nothing needs it.

    Backups made while it was in use can't be restored whole without it: keep a copy of the file for as long as those.

    \b
    Example:
      keyhouse keys retire 3f9a2c1b5d7e8f60
    """  # noqa: D301 - \b is click's own mark
    path, ring = configuration.current().key_file, keys.ring()
    key = ring.find(key_id)
    if key is None:
        raise NotFound(f"The key file has no key {key_id}.", fix="`keyhouse keys list` shows them.")
    if key == ring.newest:
        raise KeyNeeded("This is the key in use.", fix="`keyhouse keys rotate` makes a new one first.")
    _refuse_needed(ring, key_id)
    keys.retire_key(path, key_id)
    try:
        _refuse_needed(ring, key_id)  # a process that was slow to notice may have used it meanwhile
    except BaseException:
        keys.bring_back_key(path, key)
        raise
    _record("keys retire", key_id)
    tell({"key": key_id, "retired": True}, f"Key {key_id} is retired.", as_json=as_json)


def _refuse_needed(ring: KeyRing, key_id: str) -> None:
    need = _need(ring, key_id)
    if need != Need():
        raise KeyNeeded(
            f"This key is still needed by {need}.",
            fix="`keyhouse keys rotate` seals secrets anew; tokens can be revoked, or expire.",
        )


def _need(ring: KeyRing, key_id: str) -> Need:
    live = Token.objects.filter(key_id=key_id, revoked_at__isnull=True, expires_at__gt=clock.now())
    told = live.aggregate(count=Count("pk"), last=Max("expires_at"))
    until = clock.format_instant(told["last"]) if told["last"] else ""
    return Need(told["count"], until, count_by_key(ring)[key_id])


def _record(what: str, key_id: str, **more: int) -> None:
    with transaction.atomic():
        record("host.command", by=host(), details={"command": what, "key": key_id, **more})
