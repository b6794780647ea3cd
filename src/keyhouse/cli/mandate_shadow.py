"""`keyhouse mandate shadow`: who would have been refused where by a mandate that refuses nobody yet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import click

from keyhouse.cli.main import as_json
from keyhouse.cli.numbers import VERSION
from keyhouse.core import clock
from keyhouse.mandate.shadow import queries
from keyhouse.mandate.shadow.queries import Line, Report

_STATES = {
    "coming": "it begins later",
    "on": "it counts now",
    "stale": "it is stale: nothing follows unless somebody decides",
    "over": "it is over",
}


@click.command()
@click.argument("name")
@click.option("--version", type=VERSION, help="This version; without it the newest.")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def shadow(name: str, version: int | None, *, is_json: bool) -> None:
    """Print who would have been refused where by the mandate NAME in its shadow, with the denominators.

    \b
    Examples:
      keyhouse mandate shadow everyone-2023
      keyhouse mandate shadow everyone-2023 --version 2 --json
    """  # noqa: D301 - \b is click's own mark
    found = queries.report(name, clock.now(), version)
    click.echo(as_json(found.as_dict()) if is_json else "\n".join(_lines(found)))


def _lines(found: Report) -> Iterator[str]:
    begins, ends = (clock.format_instant(at) for at in (found.shadow.begins, found.shadow.ends))
    yield f"{found.policy.label}: shadow from {begins} to {ends}; {_STATES[found.state]}."
    yield (
        f"{found.refused} of {found.weighed} attempts would have been refused: {found.people} people,"
        f" {found.projects} projects. Nobody was."
    )
    yield from _section("by action", found.by_action)
    yield from _section("by what asked", found.by_credential)
    yield from _section("by reason", found.by_code)
    yield from _section("by project", found.by_project)
    yield from _section("by person", found.by_person)


def _section(title: str, lines: Iterable[Line]) -> Iterator[str]:
    for number, one in enumerate(lines):
        if not number:
            yield f"  {title}:"
        yield f"    {one.name}: {one.refused} ({one.people} people)"
