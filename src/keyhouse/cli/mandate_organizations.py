"""`keyhouse mandate organizations`: which organizations ask for more than the index does."""

from __future__ import annotations

import click

from keyhouse.cli.main import as_json
from keyhouse.core import clock
from keyhouse.mandate.by_organizations.queries import summaries
from keyhouse.mandate.declarations import told


@click.command("organizations")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def command(*, is_json: bool) -> None:
    """List organizations with a mandate of their own: what it asks, since when, and how many of their people hold it.

    Owners declare and loosen it on the pages of the organization; it holds there only, beside the mandates of the index.

    \b
    Examples:
      keyhouse mandate organizations
      keyhouse mandate organizations --json
    """  # noqa: D301 - \b is click's own mark
    found = list(summaries(clock.now()))
    if is_json:
        click.echo(as_json([one.as_dict() for one in found]))
        return
    if not found:
        click.echo("No organization asks for more than the index does.")
    for one in found:
        click.echo(f"{one.organization}: {one.met} of {one.people} people hold what is asked")
        for version in one.holds:
            click.echo(f"  {told(version.demand)}, refused from {clock.format_instant(version.from_at)}")
        if one.waits is not None:
            click.echo(
                f"  asks for {told(one.waits.demand)} from {clock.format_instant(one.waits.begins_at)}"
            )
