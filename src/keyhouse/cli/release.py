"""`keyhouse release`: staged releases, from the host."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

import click

from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.named import get_project
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.projects.models import Project
from keyhouse.publishing.staging import origin, queries, services
from keyhouse.publishing.staging.errors import StagedMissing
from keyhouse.publishing.staging.models import StagedFile, StagedRelease

_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
_YES: Final = click.option("--yes", is_flag=True, help="Don't ask.")


@click.group("release")
def command() -> None:
    """List, publish and discard staged releases: uploads that nobody sees until a person publishes them."""


@command.command()
@click.argument("name", default="")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def staged(name: str, *, as_json: bool) -> None:
    """List what waits; NAME: only in that project.

    \b
    Examples:
      keyhouse release staged
      keyhouse release staged alpha --json
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    found = queries.waiting_of(get_project(name), now) if name else queries.waiting_releases(now)
    for release in found:
        told = _told(release)
        click.echo(json.dumps(told) if as_json else _lines(told))


@command.command()
@click.argument("name")
@click.argument("version")
@_YES
@_JSON
def publish(name: str, version: str, *, yes: bool, as_json: bool) -> None:
    """Publish all files of a staged release, after showing them.

    \b
    Examples:
      keyhouse release publish alpha 1.0
      keyhouse release publish alpha 1.0 --yes
    """  # noqa: D301 - \b is click's own mark
    project, now = get_project(name), clock.now()
    release = _find(project, version, now)
    files = queries.files_of(release)
    if not yes:
        click.echo(_lines(_told(release)))
        click.confirm("Publish these? Everybody can install them from then on.", abort=True)
    seen = queries.fingerprint_of(files)
    services.publish_release(project.normalized_name, release.version, seen=seen, by=host())
    told = {"project": project.name, "version": release.version, "files": [one.filename for one in files]}
    click.echo(document_of(told) if as_json else f"{project.name} {release.version} is published.")


@command.command()
@click.argument("name")
@click.argument("version")
@_YES
@_JSON
def discard(name: str, version: str, *, yes: bool, as_json: bool) -> None:
    """Discard a staged release, which nobody has seen.

    \b
    Example:
      keyhouse release discard alpha 1.0
    """  # noqa: D301 - \b is click's own mark
    project = get_project(name)
    release = _find(project, version, clock.now())
    if not yes:
        click.confirm(f"Discard what is staged of {project.name} {release.version}?", abort=True)
    services.discard_release(project.normalized_name, release.version, by=host())
    told = {"project": project.name, "version": release.version, "discarded": True}
    click.echo(document_of(told) if as_json else f"{project.name} {release.version} is discarded.")


def _find(project: Project, version: str, now: datetime) -> StagedRelease:
    release = queries.find_waiting(project, version, now)
    if release is None:
        raise StagedMissing(fix="`keyhouse release staged` shows what waits.")
    return release


def _told(release: StagedRelease) -> dict[str, Any]:
    project = release.project
    return {
        "project": project.name if project is not None else "",
        "version": release.version,
        "opened_at": clock.format_instant(release.opened_at),
        "expires_at": clock.format_instant(release.expires_at),
        "opened_by": release.opened_by,
        "files": [_file(project, one) for one in queries.files_of(release)] if project is not None else [],
    }


def _file(project: Project, staged: StagedFile) -> dict[str, Any]:
    return {
        "filename": staged.filename,
        "size": staged.size,
        "sha256": staged.sha256,
        "uploaded_by": staged.uploaded_by,
        "uploaded_via": staged.uploaded_via,
        "credential": staged.credential,
        "staged_at": clock.format_instant(staged.staged_at),
        "objection": origin.find_objection(project, staged) or None,
    }


def _lines(told: dict[str, Any]) -> str:
    head = f"{told['project']} {told['version']}  by {told['opened_by']}  until {told['expires_at']}"
    rows = [
        f"  {one['filename']}  sha256:{one['sha256']}  {one['size']} bytes  "
        f"by {one['uploaded_by']} ({one['uploaded_via']})"
        + (f"  can't be published: {one['objection']}" if one["objection"] else "")
        for one in told["files"]
    ]
    return "\n".join([head, *rows])
