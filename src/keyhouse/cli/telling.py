"""What a command that has done something tells: lines for people, or JSON for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

import click

from keyhouse.cli.main import as_json as document_of

JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
LINES: Final = click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")


def tell(told: Mapping[str, object], *lines: str, as_json: bool) -> None:
    """Print what was done."""
    click.echo(document_of(told) if as_json else "\n".join(lines))


def tell_row(row: Mapping[str, object], line: str, *, as_json: bool) -> None:
    """Print one row of a list that may be long."""
    click.echo(json.dumps(row) if as_json else line)
