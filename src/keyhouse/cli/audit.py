"""`keyhouse audit`: print or export the audit log."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Final

import click

from keyhouse.audit import sealing
from keyhouse.audit.chain import Head
from keyhouse.audit.exporting import as_dict
from keyhouse.audit.models import Record
from keyhouse.audit.queries import records
from keyhouse.cli.numbers import AMOUNT_OR_ALL
from keyhouse.cli.progress import follow
from keyhouse.core import clock


class Instant(click.ParamType[datetime]):
    """An RFC 3339 instant on the command line."""

    name = "instant"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read the instant, or fail with what is allowed."""
        try:
            return clock.parse_instant(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


@click.group("audit", invoke_without_command=True)
@click.option("--action", default="", help="Only this action, for example release.upload.")
@click.option("--about", default="", help="Only what was done to the thing of this name.")
@click.option("--since", type=Instant(), help="Not before this instant.")
@click.option("--until", type=Instant(), help="Before this instant.")
@click.option("--most", type=AMOUNT_OR_ALL, default=0, help="At most so many records, the newest; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, oldest first.")
@click.pass_context
def command(  # noqa: PLR0913 - one option a filter
    ctx: click.Context,
    *,
    action: str,
    about: str,
    since: datetime | None,
    until: datetime | None,
    most: int,
    as_json: bool,
) -> None:
    """Print the audit log, oldest first, or verify its chain.

    \b
    Examples:
      keyhouse audit --about alpha
      keyhouse audit --json --since 2026-01-01T00:00:00Z > audit.jsonl
      keyhouse audit verify
    """  # noqa: D301 - \b is click's own mark
    if ctx.invoked_subcommand is not None:
        return
    found = records(action=action, about_name=about, since=since, until=until)
    newest = reversed(found[:most]) if most else found.reverse().iterator(chunk_size=1000)
    _print(newest, as_json=as_json)


class HeadText(click.ParamType[Head]):
    """A head of the chain as `/audit/head` and `audit verify` print it: `PLACE:LINK`."""

    name = "place:link"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Head:
        """Read it, or fail with what is allowed."""
        place, _, chain = str(value).partition(":")
        if not (_PLACE.fullmatch(place) and _LINK.fullmatch(chain)):
            self.fail("it is a number, a colon and 64 hexadecimal digits", param, ctx)
        return Head(int(place), chain)


_PLACE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)
_LINK: Final = re.compile(r"[0-9a-f]{64}")
_MOST_FAULTS: Final = 100


@command.command("verify")
@click.option("--head", type=HeadText(), help="A head that was kept earlier; the log must still hold it.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def verify_(head: Head | None, *, as_json: bool) -> None:
    """Check that no chained record was changed, taken away or put elsewhere, and that the end is there.

    Leaves with 1 and a list on any difference. Keep what it prints where nobody of this machine can reach it: with
    --head it shows next time that nobody has written the log anew.

    \b
    Examples:
      keyhouse audit verify
      keyhouse audit verify --head 1204:4f0c…
    """  # noqa: D301 - \b is click's own mark
    watch = partial(follow, label="Reading the log", total=sealing.count()[0])
    found = list(islice(sealing.verify(head, watch), _MOST_FAULTS))
    last, (_, waiting) = sealing.find_head(), sealing.count()
    told = f"{last.position}:{last.chain}" if last else None
    if as_json:
        click.echo(json.dumps({"head": told, "waiting": waiting, "faults": found}))
    else:
        for fault in found:
            click.echo(fault)
        click.echo(f"{'The log is not whole.' if found else 'The log is whole.'} Head: {told or 'none yet'}")
        click.echo(f"{waiting} records wait to be chained.")
    if found:
        sys.exit(1)


def _print(rows: Iterable[Record], *, as_json: bool) -> None:
    for row in rows:
        click.echo(json.dumps(as_dict(row)) if as_json else _as_line(row))


def _as_line(row: Record) -> str:
    about = f"{row.about_kind} {row.about_name}".strip()
    who = f"{row.personal.name or row.actor_kind} ({row.actor_kind})"
    refused = f" refused: {row.code}" if row.outcome == "refused" else ""
    details = " ".join(f"{key}={value}" for key, value in row.details.items())
    return " ".join(
        part
        for part in (f"{row.at:%Y-%m-%dT%H:%M:%SZ}", row.action, about, "by", who, refused.strip(), details)
        if part
    )
