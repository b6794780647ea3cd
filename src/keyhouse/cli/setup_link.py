"""`keyhouse setup-link`: a new one-time link for the first operator."""

from __future__ import annotations

import click

from keyhouse.accounts.services import make_setup_link
from keyhouse.core import configuration
from keyhouse.core.actor import host


@click.command("setup-link")
def command() -> None:
    """Print a new set-up link while no operator exists; the link before it dies.

    \b
    Example:
      keyhouse setup-link
    """  # noqa: D301 - \b is click's own mark
    click.echo(configuration.current().base_url + make_setup_link(by=host()))
