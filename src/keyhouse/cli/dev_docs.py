"""`keyhouse dev docs`: every page of the documentation that is made from the code, in one go."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Final

import click

from keyhouse.cli.surroundings import open_index

# Page below `docs/` → module beside this one, and the function in it that returns the text.
PAGES: Final[dict[str, tuple[str, str]]] = {
    "settings.md": ("settings", "page"),
    "limits.md": ("limits", "page"),
    "mandate-decisions.md": ("dev_decisions", "page"),
    "security/dead-ends.md": ("dev_dead_ends", "page"),
    "reference/actions.md": ("reference_pages", "actions_page"),
    "reference/commands.md": ("command_pages", "page"),
    "reference/roles.md": ("dev_roles", "page"),
    "reference/errors.md": ("reference_pages", "errors_page"),
    "reference/urls.md": ("reference_pages", "addresses_page"),
}


@click.command("docs")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def command(folder: Path) -> None:
    """Write all pages that are made from the code into FOLDER, and name those that changed.

    \b
    Example:
      keyhouse dev docs docs
    """  # noqa: D301 - \b is click's own mark
    open_index(for_help=True)  # asks no index; where there is none, a throw-away folder does
    for name in PAGES:
        page, text = folder / name, make(name)
        if not page.exists() or page.read_text() != text:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(text)
            click.echo(page)


def make(name: str) -> str:
    """Return the text of one page; Django must be set up."""
    module, function = PAGES[name]
    write: Callable[[], str] = getattr(import_module(f"keyhouse.cli.{module}"), function)
    return write()
