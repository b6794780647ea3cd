"""`keyhouse audit`: print or export the audit log."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import click

from keyhouse.audit.models import Record
from keyhouse.audit.queries import records
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


@click.command("audit")
@click.option("--action", default="", help="Only this action, for example release.upload.")
@click.option("--about", default="", help="Only what was done to the thing of this name.")
@click.option("--since", type=Instant(), help="Not before this instant.")
@click.option("--until", type=Instant(), help="Before this instant.")
@click.option("--most", default=0, help="At most so many records, the newest; 0: all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line, oldest first.")
def command(  # noqa: PLR0913 - one option a filter
    *, action: str, about: str, since: datetime | None, until: datetime | None, most: int, as_json: bool
) -> None:
    """Print the audit log, oldest first.

    \b
    Examples:
      keyhouse audit --about alpha
      keyhouse audit --json --since 2026-01-01T00:00:00Z > audit.jsonl
    """  # noqa: D301 - \b is click's own mark
    found = records(action=action, about_name=about, since=since, until=until)
    newest = reversed(found[:most]) if most else found.reverse().iterator(chunk_size=1000)
    _print(newest, as_json=as_json)


def _print(rows: Iterable[Record], *, as_json: bool) -> None:
    for row in rows:
        click.echo(json.dumps(as_dict(row)) if as_json else _as_line(row))


def as_dict(row: Record) -> dict[str, Any]:
    """Return one record as it is exported."""
    return {
        "id": row.id,
        "at": clock.format_instant(row.at),
        "action": row.action,
        "outcome": row.outcome,
        "code": row.code,
        "actor": {"kind": row.actor_kind, "id": row.actor_id, "name": row.personal.name},
        "credential": row.credential,
        "proved": row.methods,
        "network": row.personal.network,
        "user_agent": row.personal.user_agent,
        "about": {"kind": row.about_kind, "id": row.about_id, "name": row.about_name},
        "details": row.details,
    }


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
