"""`keyhouse settings`: every setting, its value, where that came from, what it means."""

from __future__ import annotations

import click

from keyhouse.cli.surroundings import configure
from keyhouse.core.configuration import SETTINGS, Configuration, Setting, shown_value


@click.command()
@click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
@click.option(
    "--markdown", is_flag=True, help="Print the page of the documentation: names, defaults, meanings."
)
def command(*, is_json: bool, markdown: bool) -> None:
    """Print every setting with its value, where it came from, and what it means. Secrets are hidden.

    \b
    Examples:
      keyhouse settings
      keyhouse settings --json
    """  # noqa: D301 - \b is click's own mark
    if markdown:
        click.echo(page(), nl=False)
        return
    settings = configure()
    if is_json:
        from keyhouse.cli.main import as_json  # noqa: PLC0415 - `main` reads this file

        click.echo(as_json([_row(settings, setting) for setting in SETTINGS]))
        return
    for setting in SETTINGS:
        row = _row(settings, setting)
        click.echo(f"{row['name']}={row['value']}   ({row['source']})\n    {row['meaning']}")


def _row(settings: Configuration, setting: Setting) -> dict[str, str]:
    return {
        "name": setting.name,
        "value": shown_value(settings, setting),
        "source": settings.sources[setting.field],
        "meaning": setting.meaning,
    }


def page() -> str:
    """Return `docs/settings.md`."""
    rows = "".join(
        f"| `{setting.name}` | {f'`{setting.default}`' if setting.default else ''} | {_cell(setting.meaning)} |\n"
        for setting in SETTINGS
    )
    return (
        "# Settings\n\n"
        "Environment variables, read once at the start. An unknown `KEYHOUSE_*` name or a value that is not allowed\n"
        "stops the start and says so. `keyhouse settings` prints what holds now and where it came from.\n"
        "This page is made by `keyhouse settings --markdown`.\n\n"
        "| variable | default | meaning |\n|---|---|---|\n" + rows
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
