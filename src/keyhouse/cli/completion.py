"""`keyhouse completion`: the lines by which a shell completes commands, options and choices."""

from __future__ import annotations

from typing import Final

import click
from click.shell_completion import get_completion_class

VARIABLE: Final = "_KEYHOUSE_COMPLETE"  # the shell asks by it; what click makes of the program's name
SHELLS: Final = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def command(shell: str) -> None:
    """Print what makes SHELL complete commands and options; put it where the shell reads it.

    \b
    Examples:
      mkdir -p ~/.local/share/bash-completion/completions ~/.zfunc ~/.config/fish/completions
      keyhouse completion bash > ~/.local/share/bash-completion/completions/keyhouse
      keyhouse completion zsh > ~/.zfunc/_keyhouse
      keyhouse completion fish > ~/.config/fish/completions/keyhouse.fish
    """  # noqa: D301 - \b is click's own mark
    made = get_completion_class(shell)
    if made is None:
        raise click.ClickException(f"Nothing is known of {shell}.")
    click.echo(made(command, {}, "keyhouse", VARIABLE).source())
