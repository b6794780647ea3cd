"""`keyhouse freeze`: stops what can't wait, with the next request of everybody."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import click

from keyhouse.cli.audit import Instant
from keyhouse.cli.defaults import Span, WithDefault
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.switches import NAMES
from keyhouse.safety.switches import queries, services
from keyhouse.safety.switches.forms import USUAL
from keyhouse.safety.switches.queries import Shown


@click.group("freeze", cls=WithDefault)
def command() -> None:
    """Stop new accounts, new projects, uploads, deletions or everything, for everybody but the host.

    \b
    Examples:
      keyhouse freeze uploads --reason "wave of malware" --for 2h
      keyhouse freeze everything --reason "we are looking at a break-in" --until 2027-01-31T06:00:00Z
      keyhouse freeze list
      keyhouse thaw uploads
    """  # noqa: D301 - \b is click's own mark


@command.command("set")
@click.argument("name", type=click.Choice(list(NAMES)))
@click.option("--reason", required=True, help="Why; everybody who is refused reads it.")
@click.option("--until", type=Instant(), help="When it lifts itself, for example 2027-01-31T06:00:00Z.")
@click.option("--for", "span", type=Span(), help="After how long it lifts itself: 30m, 2h, 7d.")
@click.option("--until-lifted", is_flag=True, help="No end: it stays until `keyhouse thaw NAME`.")
@JSON
def set_(  # noqa: PLR0913 - an option each
    name: str,
    *,
    reason: str,
    until: datetime | None,
    span: timedelta | None,
    until_lifted: bool,
    as_json: bool,
) -> None:
    """Throw the switch NAME. It lifts itself after four hours, or as --for, --until or --until-lifted say.

    \b
    Example:
      keyhouse freeze set uploads --reason "wave of malware" --for 2h
    """  # noqa: D301 - \b is click's own mark
    if [until is not None, span is not None, until_lifted].count(True) > 1:
        raise click.UsageError("Say one of --for, --until and --until-lifted.")
    if until is None and not until_lifted:
        until = clock.now() + (span or USUAL)
    row = services.freeze(name, reason, until, by=host())
    end = f"until {clock.format_second(row.until_at)}" if row.until_at else f"until `keyhouse thaw {name}`"
    told = {"name": name, "until": clock.format_if_any(row.until_at)}
    tell(told, f"Stopped {end}: {NAMES[name]}.", as_json=as_json)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List the switches: which are on, since when, until when, by whom and why.

    \b
    Example:
      keyhouse freeze list --json
    """  # noqa: D301 - \b is click's own mark
    found = queries.all_switches(clock.now())
    if as_json:
        click.echo(document_of([_as_dict(switch) for switch in found]))
        return
    for switch in found:
        click.echo(_as_line(switch))


def _as_dict(switch: Shown) -> dict[str, Any]:
    return {
        "name": switch.name,
        "stops": switch.stops,
        "is_on": switch.is_on,
        "reason": switch.reason,
        "set_by": switch.set_by,
        "since": clock.format_if_any(switch.since_at),
        "until": clock.format_if_any(switch.until_at),
    }


def _as_line(switch: Shown) -> str:
    if not switch.is_on or switch.since_at is None:
        return f"{switch.name:13} open"
    until = f"until {clock.format_second(switch.until_at)}" if switch.until_at else "until lifted"
    since = clock.format_second(switch.since_at)
    return f"{switch.name:13} stopped since {since} by {switch.set_by}, {until}: {switch.reason}"
