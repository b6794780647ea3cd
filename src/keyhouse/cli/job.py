"""`keyhouse job`: works beside requests, as the console's page shows them, and a round begun by hand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import Any, Final

import click

from keyhouse.cli.main import as_json as document_of
from keyhouse.core import clock
from keyhouse.core.actor import host

_works: Final[Any] = import_module("keyhouse.web.console.works")  # a neighbour: joined at run time only
_BY_HAND: Final = [kind.name for kind in _works.KINDS if kind.is_by_hand]
_TROUBLED: Final = frozenset({"failing", "late"})
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("job")
def command() -> None:
    """List what is done beside requests, and let a round of it be done now.

    \b
    Examples:
      keyhouse job list
      keyhouse job run account-keeper
      keyhouse job retry
    """  # noqa: D301 - \b is click's own mark


@command.command("list")
@click.option("--troubled", is_flag=True, help="Only those that fail or are late.")
@_JSON
def list_(*, troubled: bool, as_json: bool) -> None:
    """List jobs: how each is doing, when its last round ended, and what failed last.

    The server writes that down every ten seconds; of one that no server has told of yet nothing is known.

    \b
    Examples:
      keyhouse job list
      keyhouse job list --troubled --json
    """  # noqa: D301 - \b is click's own mark
    rows = [_row(one) for one in _works.all_works(clock.now()) if not troubled or one.state in _TROUBLED]
    click.echo(document_of(rows) if as_json else "\n".join(_lines(rows)))


def _row(one: Any) -> dict[str, Any]:
    last = one.last
    return {
        "name": one.kind.name,
        "what": one.kind.what,
        "state": one.state,
        "every_seconds": one.kind.every.total_seconds(),
        "last_round_at": clock.format_instant(last.ended_at) if last else None,
        "failed_at": clock.format_instant(last.failed_at) if last and last.failed_at else None,
        "failure": (last.last_error or None) if last else None,
        "can_run": one.kind.is_by_hand,
    }


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    for row in rows:
        yield f"{row['name']}  {row['state']}  {row['last_round_at'] or '-'}  {row['what']}"
        if row["failed_at"]:
            yield f"  failed {row['failed_at']}: {row['failure']}"
    if not rows:
        yield "None."


@command.command()
@click.argument("name", type=click.Choice(_BY_HAND), metavar="NAME")
@_JSON
def run(name: str, *, as_json: bool) -> None:
    """Let the job NAME do a round now. It looks anew at what is due and does nothing twice, so a round more does no harm.

    Mails are tried again by `keyhouse mail retry`.

    \b
    Examples:
      keyhouse job run account-keeper
      keyhouse job run mandate-keeper --json
    """  # noqa: D301 - \b is click's own mark
    done = _works.run_now(name, by=host(), now=clock.now())
    told = _told(name, done)
    click.echo(document_of(told) if as_json else _sentence(told))


@command.command()
@_JSON
def retry(*, as_json: bool) -> None:
    """Let every job that fails or is late do a round now, where it can be begun by hand. Exit code 1: one failed again.

    \b
    Example:
      keyhouse job retry
    """  # noqa: D301 - \b is click's own mark
    troubled = [name for name in _works.troubled_works(clock.now()) if name in _BY_HAND]
    told = [_tried(name) for name in troubled]
    if as_json:
        click.echo(document_of(told))
    else:
        click.echo("\n".join(map(_sentence, told)) or "No job that could be begun by hand fails or is late.")
    if any(one["failure"] for one in told):
        raise click.exceptions.Exit(1)


def _tried(name: str) -> dict[str, Any]:
    try:
        return _told(name, _works.run_now(name, by=host(), now=clock.now()))
    except Exception as error:  # noqa: BLE001 - told, and the others are tried all the same
        return _told(name, 0, f"{type(error).__name__}: {error}")


def _told(name: str, done: object, failure: str = "") -> dict[str, Any]:
    """Return what a round did; None: another process is at it."""
    counts = {what: count for what, count in done.items() if count} if isinstance(done, Mapping) else {}
    if isinstance(done, int) and done:
        counts = {"records": done}
    return {"name": name, "is_busy": done is None, "done": counts, "failure": failure or None}


def _sentence(told: dict[str, Any]) -> str:
    if told["failure"]:
        return f"{told['name']}: failed again: {told['failure']}"
    if told["is_busy"]:
        return f"{told['name']}: another process is at it, so nothing was done."
    counts = ", ".join(f"{what.replace('_', ' ')} {count}" for what, count in told["done"].items())
    return f"{told['name']}: done. {counts or 'Nothing was due.'}"
