"""`keyhouse mandate simulate` and `diff`: what a mandate would do to everybody as they are, before it does anything."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from keyhouse.cli import progress
from keyhouse.cli.audit import Instant
from keyhouse.cli.main import as_json
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mandate.documents import Mandate
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.simulation import comparing, running, services, told
from keyhouse.mandate.simulation.queries import find_mandate
from keyhouse.mandate.toml_lines import LARGEST, read_written

_JSON: Final = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
Tell = Callable[[int, int], None]


def read_named(name: str) -> Mandate:
    """Return the mandate in a file of this name (`-`: standard input), or else the newest version of this name.

    Raises MandateInvalid, MandateMissing.
    """
    if name == "-":
        return read_written(sys.stdin.buffer.read(LARGEST + 1)).read()
    path = Path(name)
    if path.is_file():
        with path.open("rb") as opened:
            return read_written(opened.read(LARGEST + 1), is_json=path.suffix == ".json").read()
    found = find_mandate(name)
    if found is None:
        raise MandateMissing(f"There is no file and no mandate {name}.")
    return found


@contextmanager
def _watched(label: str) -> Iterator[Tell]:
    """Show a bar while accounts are counted."""
    with progress.bar() as bar:
        task = bar.add_task(label, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@click.command()
@click.argument("name", metavar="NAME|FILE|-")
@click.option("--at", type=Instant(), help="Look at this instant, too; then nothing is kept.")
@_JSON
def simulate(name: str, *, at: datetime | None, is_json: bool) -> None:
    """Count what a mandate would do to everybody as they are now: who is covered, who would be refused when, what would be orphaned.

    NAME is a file, or the newest version of a mandate. The result is kept, for a launch needs one younger than 72 hours.
    Nothing else is written, and nothing is sent.

    \b
    Examples:
      keyhouse mandate simulate mandate.toml
      keyhouse mandate simulate everyone-2027 --json
      keyhouse mandate simulate mandate.toml --at 2027-02-01T00:00:00Z
    """  # noqa: D301 - \b is click's own mark
    mandate = read_named(name)
    with _watched("people") as tell:
        if at is not None:
            result = running.simulate(running.question_of(mandate, clock.now(), at), tell).result
            kept: dict[str, Any] = {}
        else:
            row = services.simulate(mandate, by=host(), progress=tell)
            result, kept = row.result, told.kept(row)
    click.echo(as_json({**kept, "result": result}) if is_json else told.text(result, kept))


@click.command()
@click.argument("before", metavar="NAME|FILE")
@click.argument("after", metavar="NAME|FILE|-")
@_JSON
def diff(before: str, after: str, *, is_json: bool) -> None:
    """Print what two mandates say differently, and who would change sides at each of their stages. Keeps nothing.

    \b
    Examples:
      keyhouse mandate diff everyone-2027 mandate.toml
      keyhouse mandate diff --json one.toml other.toml
    """  # noqa: D301 - \b is click's own mark
    with _watched("people") as tell:
        found = comparing.compare(read_named(before), read_named(after), clock.now(), tell)
    click.echo(as_json(found) if is_json else told.difference(found))
