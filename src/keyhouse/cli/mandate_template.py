"""`keyhouse mandate templates` and `template`: campaigns to start from."""

from __future__ import annotations

from datetime import datetime

import click

from keyhouse.cli.main import as_json
from keyhouse.core import clock
from keyhouse.core.errors import NotFound
from keyhouse.mandate.starting import all_points, dated, find_point, first_day


@click.command("templates")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def templates(*, is_json: bool) -> None:
    """List campaigns to start from, each with what happened elsewhere and its sources.

    \b
    Example:
      keyhouse mandate templates
    """  # noqa: D301 - \b is click's own mark
    if is_json:
        click.echo(as_json([{"name": one.name, "headline": one.headline} for one in all_points()]))
        return
    for one in all_points():
        click.echo(f"{one.name:24} {one.headline}")


@click.command("template")
@click.argument("name")
@click.option(
    "--from",
    "start",
    type=click.DateTime(["%Y-%m-%d"]),
    help="The day to announce it on; without it the next working day.",
)
def template(name: str, *, start: datetime | None) -> None:
    """Print the campaign NAME as a file, its days moved so that it is announced on the day asked for.

    Stages keep their distance and fall on no Friday, Saturday or Sunday.

    \b
    Examples:
      keyhouse mandate template public-index-2023 > mandate.toml
      keyhouse mandate template forty-five-days --from 2027-01-11 > mandate.toml
    """  # noqa: D301 - \b is click's own mark
    point = find_point(name)
    if point is None:
        raise NotFound(
            f"There is no campaign {name} to start from.", fix="`keyhouse mandate templates` lists them."
        )
    day = first_day(clock.now()) if start is None else start.date()
    click.echo(dated(point, day), nl=False)
