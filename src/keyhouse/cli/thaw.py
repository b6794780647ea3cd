"""`keyhouse thaw`: lifts a switch that `keyhouse freeze` or the console threw."""

from __future__ import annotations

import click

from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.core.switches import NAMES
from keyhouse.safety.switches import services
from keyhouse.safety.switches.queries import thrown_switches


@click.command("thaw")
@click.argument("name", type=click.Choice(list(NAMES)))
@JSON
def command(name: str, *, as_json: bool) -> None:
    """Lift the switch NAME.

    \b
    Example:
      keyhouse thaw uploads
    """  # noqa: D301 - \b is click's own mark
    was_on, still = services.thaw(name, by=host()), thrown_switches(clock.now())
    if not was_on:
        lines = ["It was off already."]
    elif still:
        told = [f"  {one.name}: {one.stops} ({one.reason})" for one in still]
        lines = [f"Lifted {name}. Still on, each stops what it names:", *told]
    else:
        lines = [f"Open again: {NAMES[name]}."]
    row = {"name": name, "was_on": was_on, "still_on": [one.name for one in still]}
    tell(row, *lines, as_json=as_json)
