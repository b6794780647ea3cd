"""`keyhouse mandate stranded`: what no owner could manage under a mandate, what has been tried, and the way out."""

from __future__ import annotations

import click

from keyhouse.cli.main import as_json
from keyhouse.core import clock
from keyhouse.mandate.exits.queries import MOST, stranded
from keyhouse.mandate.exits.stranding import Stranded
from keyhouse.mandate.queries import live_policies


@click.command("stranded")
@click.option(
    "--limit", type=click.IntRange(1, 10_000), default=MOST, show_default=True, help="At most so many."
)
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def command(limit: int, *, is_json: bool) -> None:
    """List projects and organizations whose owners don't comply or can't be reached, the heaviest first.

    For each live mandate: who owns it and why they can't act, what has been tried, and the way: remind, vouch, or a new
    owner whom two operators appoint at /operator/mandates/stranded/.

    \b
    Examples:
      keyhouse mandate stranded
      keyhouse mandate stranded --limit 20 --json
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    found = {policy.name: stranded(policy, now, limit) for policy in live_policies(now)}
    if is_json:
        click.echo(as_json({name: [one.as_dict() for one in rows] for name, rows in found.items()}))
        return
    for name, rows in found.items():
        click.echo(f"{name}: {len(rows) or 'nothing'} stranded")
        for one in rows:
            _print(one)


def _print(one: Stranded) -> None:
    click.echo(f"  {one.kind} {one.name}: {one.clients} clients in 180 days, {one.dependents} dependents")
    for owner in one.owners:
        tried = f"{owner.notices} notices" + (", reminded" if owner.nudged_at else "")
        click.echo(f"    {owner.username}: {', '.join(owner.why)}; {tried}")
    click.echo(f"    {one.told}")
