"""`keyhouse dev seed`: fill an index from a JSON document, all or nothing, by the services that real use goes through."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import click

from keyhouse.cli import preparation
from keyhouse.cli.dev_document import read_document
from keyhouse.core import configuration


@click.command("seed")
@click.argument("file", metavar="FILE|-", type=click.Path(path_type=Path, allow_dash=True))
def command(file: Path) -> None:
    """Make what the JSON document in FILE (or standard input) describes, and print what only its maker may know.

    \b
    Example:
      echo '{"users": [{"username": "ada", "second_factors": ["totp"]}]}' | keyhouse dev seed -
    """  # noqa: D301 - \b is click's own mark
    document = read_document(sys.stdin.buffer.read() if str(file) == "-" else file.read_bytes())
    preparation.prepare(configuration.current())
    from keyhouse.cli.dev_sowing import sow  # noqa: PLC0415 - Django is set up by now

    click.echo(json.dumps(sow(document)))
