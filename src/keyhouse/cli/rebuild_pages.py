"""`keyhouse rebuild-pages`: render every index page anew from the rows."""

from __future__ import annotations

import click

from keyhouse.cli.progress import bar
from keyhouse.cli.telling import JSON, tell
from keyhouse.core.actor import host
from keyhouse.projects.models import Project
from keyhouse.projects.services import rebuild_pages


@click.command("rebuild-pages")
@JSON
def command(*, as_json: bool) -> None:
    """Render every index page anew; safe on a running index, and safe to interrupt and run again.

    \b
    Example:
      keyhouse rebuild-pages
    """  # noqa: D301 - \b is click's own mark
    with bar() as shown:
        task = shown.add_task("Rendering", total=Project.objects.count())
        mended = rebuild_pages(by=host(), progress=lambda done: shown.update(task, completed=done))
    sentence = f"{mended} projects had a page that was not right." if mended else "Every page was right."
    tell({"mended": mended}, sentence, as_json=as_json)
