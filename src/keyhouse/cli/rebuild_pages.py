"""`keyhouse rebuild-pages`: render every index page anew from the rows."""

from __future__ import annotations

import click

from keyhouse.core.actor import host
from keyhouse.projects.services import rebuild_pages


@click.command("rebuild-pages")
def command() -> None:
    """Render every index page anew; safe on a running index, and safe to interrupt and run again."""
    with click.progressbar(length=1, label="Rendering") as bar:

        def progress(done: int, total: int) -> None:
            bar.length = max(total, 1)
            bar.update(max(total, 1) if done >= total else done - bar.pos)

        count = rebuild_pages(by=host(), progress=progress)
    click.echo(f"{count} projects rendered.")
