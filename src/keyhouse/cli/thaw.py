"""`keyhouse thaw`: lifts a switch that `keyhouse freeze` or the console threw."""

from __future__ import annotations

import click

from keyhouse.core.actor import host
from keyhouse.core.switches import NAMES
from keyhouse.safety.switches import services


@click.command("thaw")
@click.argument("name", type=click.Choice(list(NAMES)))
def command(name: str) -> None:
    """Lift the switch NAME.

    \b
    Example:
      keyhouse thaw uploads
    """  # noqa: D301 - \b is click's own mark
    if services.thaw(name, by=host()):
        click.echo(f"Open again: {NAMES[name]}.")
    else:
        click.echo("It was off already.")
