"""`keyhouse token`: API tokens. What holds for the ledger needs the index; narrowing a token needs nothing."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import click

from keyhouse.cli import surroundings

HELP_OPTIONS: Final = frozenset({"-h", "--help"})
OFFLINE: Final = {
    "restrict": "Print a narrower copy of a token; asks no server.",
    "show": "Print what a token says of itself; asks no server.",
}
AT_THE_INDEX: Final = {
    "list": "List tokens.",
    "revoke": "End a token for good.",
    "mint": "Make a token for somebody and print it.",
    "report-leak": "Revoke every token that stands in a file.",
}
_NAMES: Final = {"list": "list_", "report-leak": "report_leak"}


class Tokens(click.Group):
    """Opens the index only for what asks it."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in their order."""
        del ctx
        return [*AT_THE_INDEX, *OFFLINE]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Read the file of a command."""
        if cmd_name in OFFLINE:
            module = "keyhouse.cli.token_narrowing"
        elif cmd_name in AT_THE_INDEX:
            module = "keyhouse.cli.token_ledger"
            self._open_index(ctx)
        else:
            return None
        found: click.Command = getattr(importlib.import_module(module), _NAMES.get(cmd_name, cmd_name))
        return found

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without reading their files."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl([*AT_THE_INDEX.items(), *OFFLINE.items()])

    def _open_index(self, ctx: click.Context) -> None:
        """Load the index, where Django isn't there already (tests, and whoever makes the pages of commands)."""
        from django.conf import settings  # noqa: PLC0415 - nothing offline needs it

        if settings.configured:
            return
        is_asked = ctx.resilient_parsing or not HELP_OPTIONS.isdisjoint(sys.argv)
        surroundings.open_index(for_help=is_asked)


@click.group("token", cls=Tokens)
def command() -> None:
    """List, make, narrow and revoke API tokens."""
