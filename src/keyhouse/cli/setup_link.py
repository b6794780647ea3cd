"""`keyhouse setup-link`: a new one-time link for the first operator."""

from __future__ import annotations

import click

from keyhouse.accounts.services import make_setup_link
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import configuration
from keyhouse.core.actor import host


@click.command("setup-link")
@JSON
def command(*, as_json: bool) -> None:
    """Print a new set-up link while no operator exists; the link before it dies.

    \b
    Example:
      keyhouse setup-link
    """  # noqa: D301 - \b is click's own mark
    link = configuration.current().base_url + make_setup_link(by=host())
    tell({"link": link}, link, as_json=as_json)
