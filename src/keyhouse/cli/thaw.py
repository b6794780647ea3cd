"""`keyhouse thaw`: lifts a switch that `keyhouse freeze` or the console threw."""

from __future__ import annotations

import click

from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.switches import NAMES
from keyhouse.safety.switches import services
from keyhouse.safety.switches.queries import thrown_switches


@click.command("thaw")
@click.argument("name", type=click.Choice(list(NAMES)))
def command(name: str) -> None:
    """Lift the switch NAME.

    \b
    Example:
      keyhouse thaw uploads
    """  # noqa: D301 - \b is click's own mark
    if not services.thaw(name, by=host()):
        click.echo("It was off already.")
    elif still := thrown_switches(clock.now()):
        click.echo(f"Lifted {name}. Still on, each stops what it names:")
        for one in still:
            click.echo(f"  {one.name}: {one.stops} ({one.reason})")
    else:
        click.echo(f"Open again: {NAMES[name]}.")
