"""`keyhouse dev`: doors for tests, closed unless the environment is `test`."""

from __future__ import annotations

import importlib
from typing import Final

import click

from keyhouse.cli.surroundings import configure
from keyhouse.core.configuration import ConfigurationError

COMMANDS: Final[dict[str, str]] = {
    "seed": "Fill an index from a JSON document, all or nothing.",
    "settle": "Do everything that is due now, until nothing is left.",
    "routes": "Print every route and method as a JSON line.",
    "decisions": "Print the tables of what is gated and what the gate answers, as Markdown.",
    "roles": "Print the table of roles in a project and what they may do, as Markdown.",
    "docs": "Write every page of the documentation that is made from the code.",
    "dead-ends": "Print the table of account states without a way back, as Markdown.",
    "verify": "Answer JSON lines with the verdicts of the very code that serves users.",
}


class TestDoors(click.Group):
    """Looks at the environment before anything else, and reads the file of a command when it is asked for."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the words that follow; raises ConfigurationError outside the test environment."""
        if not configure().is_test:
            raise ConfigurationError(
                "`keyhouse dev` is closed: it works only where KEYHOUSE_ENVIRONMENT=test."
            )
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in the order of the table."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Read the file and return its `command`."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(
            f"keyhouse.cli.dev_{cmd_name.replace('-', '_')}"
        ).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without reading their files."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group("dev", cls=TestDoors)
def command() -> None:
    """Seed, settle, list and judge from outside; only where KEYHOUSE_ENVIRONMENT=test."""
