"""`keyhouse project`: projects, releases and files, from the host."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import click
from django.db.models import Q, QuerySet

from keyhouse.accounts.oversight.errors import PersonMissing
from keyhouse.accounts.queries import find_user
from keyhouse.cli import project_people, project_readers, project_teams
from keyhouse.cli.named import get_project
from keyhouse.cli.numbers import ID, Size
from keyhouse.cli.project_people import people_of
from keyhouse.cli.proposed import tell_proposed
from keyhouse.cli.telling import JSON, LINES, tell, tell_row
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.distfiles.names import normalise
from keyhouse.projects import ownership, queries
from keyhouse.projects.life_cycle import deleting, restoring, services
from keyhouse.projects.life_cycle import queries as life_cycle
from keyhouse.projects.life_cycle.errors import NothingToRestore
from keyhouse.projects.limiting import MOST, set_limits
from keyhouse.projects.models import Project, Release, Removal

_AT_ONCE: Final = 500
_REASON: Final = click.option("--reason", default="", help="Everybody reads it, installers show it.")
_YES: Final = click.option("--yes", is_flag=True, help="Don't ask.")
_STATES: Final = [status.value for status in Project.Status]


@click.group("project")
def command() -> None:
    """List, yank, archive, deprecate, delete and bring back projects and releases; look after their people and teams."""


command.add_command(project_people.command)
command.add_command(project_readers.command)
command.add_command(project_teams.command)


@command.command("list")
@click.argument("text", default="")
@click.option("--status", type=click.Choice(_STATES), help="Only those of this status.")
@click.option("--without-owner", is_flag=True, help="Only those without an owner who could act.")
@click.option("--deleted", is_flag=True, help="What was deleted and can be brought back, instead.")
@LINES
def list_(text: str, *, status: str | None, without_owner: bool, deleted: bool, as_json: bool) -> None:
    """List projects by name; TEXT: only those whose name or summary holds it.

    \b
    Examples:
      keyhouse project list
      keyhouse project list numpy --status archived
      keyhouse project list --without-owner
      keyhouse project list --deleted --json
    """  # noqa: D301 - \b is click's own mark
    rows = (
        map(_removal, _removals(text))
        if deleted
        else map(_brief, _chosen(text, status, without_owner=without_owner))
    )
    for row in rows:
        tell_row(row, _line(row), as_json=as_json)


def _chosen(text: str, status: str | None, *, without_owner: bool) -> Any:
    projects = (
        ownership.projects_without_owner() if without_owner else Project.objects.order_by("normalized_name")
    )
    if text:
        projects = projects.filter(Q(normalized_name__contains=normalise(text)) | Q(summary__icontains=text))
    if status:
        projects = projects.filter(status=status)
    return projects.iterator(chunk_size=_AT_ONCE)


def _removals(text: str) -> QuerySet[Removal]:
    return life_cycle.all_removals(clock.now()).filter(normalized_name__contains=normalise(text))


def _brief(project: Project) -> dict[str, Any]:
    return {
        "name": project.name,
        "status": project.status,
        "latest": project.latest_version or None,
        "size": project.size,
        "created_at": clock.format_instant(project.created_at),
    }


def _said_of(project: Project) -> dict[str, Any]:
    return {"reason": project.status_reason, "successor": project.told_successor}


def _removal(removal: Removal) -> dict[str, Any]:
    return {
        "id": removal.pk,
        "kind": removal.kind,
        "project": removal.project_name,
        "version": removal.version or None,
        "file": removal.filename or None,
        "files": removal.file_count,
        "deleted_at": clock.format_instant(removal.removed_at),
        "deleted_by": removal.removed_by,
        "until": clock.format_instant(removal.until_at),
    }


def _line(row: dict[str, Any]) -> str:
    return "  ".join(f"{value}" for value in row.values() if value is not None)


@command.command()
@click.argument("name")
@JSON
def show(name: str, *, as_json: bool) -> None:
    """Show one project: status, people, limits, releases, and what of it can be brought back.

    \b
    Examples:
      keyhouse project show alpha
      keyhouse project show alpha --json
    """  # noqa: D301 - \b is click's own mark
    project = get_project(name)
    told = _whole(project)
    if as_json:
        click.echo(json.dumps(told, indent=2))
        return
    for key, value in told.items():
        if isinstance(value, list):
            click.echo(f"{key}:")
            for row in value:
                click.echo(f"  {_line(row)}")
        elif value not in {None, ""}:
            click.echo(f"{key.replace('_', ' ')}: {value}")


def _whole(project: Project) -> dict[str, Any]:
    releases = queries.releases_of(project)
    return {
        **_brief(project),
        **_said_of(project),
        "file_limit": project.file_limit,
        "project_limit": project.project_limit,
        "people": people_of(project),
        "releases": [_release(release) for release in releases],
        "deleted": [
            _removal(removal) for removal in life_cycle.removals_named(project.normalized_name, clock.now())
        ],
    }


def _release(release: Release) -> dict[str, Any]:
    return {
        "version": release.version,
        "created_at": clock.format_instant(release.created_at),
        "yanked": (release.yanked_reason or "yanked") if release.yanked_at else None,
    }


@command.command("new-owner")
@click.argument("name")
@click.argument("username", metavar="USER")
@click.option("--reason", required=True, help="Why; everybody with a role in it and all operators read it.")
@JSON
def new_owner(name: str, username: str, reason: str, *, as_json: bool) -> None:
    """Propose USER as owner of a project that nobody looks after; two operators approve it, or it waits a day.

    \b
    Example:
      keyhouse project new-owner alpha ada --reason "Its owner has left the company."
    """  # noqa: D301 - \b is click's own mark
    project, user = get_project(name), find_user(username)
    if user is None:
        raise PersonMissing(fix="`keyhouse user list` shows them.")
    tell_proposed(ownership.propose_owner(project, user, reason, by=host(), now=clock.now()), as_json=as_json)


class _Limit(Size):
    """A number of bytes, or `default`: what the settings say."""

    name = "SIZE|default"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        """Return the number; 0 stands for the settings'."""
        return 0 if value == "default" else super().convert(value, param, ctx)


@command.command()
@click.argument("name")
@click.option("--file", "file_limit", type=_Limit(MOST), help="Largest file: 500MB, 2GiB.")
@click.option("--project", "project_limit", type=_Limit(MOST), help="Largest sum of its files.")
@JSON
def limits(name: str, file_limit: int | None, project_limit: int | None, *, as_json: bool) -> None:
    """Show the limits of a project, or set them.

    \b
    Examples:
      keyhouse project limits alpha
      keyhouse project limits alpha --file 500MB
      keyhouse project limits alpha --file default --project 50GB
    """  # noqa: D301 - \b is click's own mark
    project = get_project(name)
    if file_limit is not None or project_limit is not None:
        file_limit = project.file_limit if file_limit is None else file_limit or None
        project_limit = project.project_limit if project_limit is None else project_limit or None
        project = set_limits(project.normalized_name, file_limit, project_limit, by=host())
    told = {"file_limit": project.file_limit, "project_limit": project.project_limit}
    if as_json:
        click.echo(json.dumps(told))
        return
    for key, value in told.items():
        click.echo(f"{key.replace('_', ' ')}: {value if value is not None else 'as the settings say'}")


@command.command()
@click.argument("name")
@click.argument("version")
@_REASON
@JSON
def yank(name: str, version: str, reason: str, *, as_json: bool) -> None:
    """Let installers pass a release by, or change the reason.

    \b
    Example:
      keyhouse project yank alpha 1.0 --reason "leaks memory; take 1.1"
    """  # noqa: D301 - \b is click's own mark
    release = services.yank_release(normalise(name), version, reason, by=host())
    _tell_release(name, release, f"{name} {release.version} is yanked.", as_json=as_json)


@command.command()
@click.argument("name")
@click.argument("version")
@JSON
def unyank(name: str, version: str, *, as_json: bool) -> None:
    """Take back a yank.

    \b
    Example:
      keyhouse project unyank alpha 1.0
    """  # noqa: D301 - \b is click's own mark
    release = services.unyank_release(normalise(name), version, by=host())
    _tell_release(name, release, f"{name} {release.version} is not yanked.", as_json=as_json)


def _tell_release(name: str, release: Release, line: str, *, as_json: bool) -> None:
    tell({"project": normalise(name), **_release(release)}, line, as_json=as_json)


@command.command()
@click.argument("name")
@click.argument("version", default="")
@click.option("--file", "filename", default="", help="Only this file.")
@_YES
@JSON
def delete(name: str, version: str, filename: str, *, yes: bool, as_json: bool) -> None:
    """Delete a project, a release (VERSION) or a file (--file), after asking.

    For some days (`undo_days`) it can be brought back. Trusted publishers, robot tokens, staged releases and invitations of
    a project don't come back with it.

    \b
    Examples:
      keyhouse project delete alpha 1.0
      keyhouse project delete alpha --file alpha-1.0-py3-none-any.whl --yes
      keyhouse project delete alpha --yes
    """  # noqa: D301 - \b is click's own mark
    if version and filename:
        raise click.UsageError("Name a release or a file, not both.")
    project = get_project(name)
    what = filename or (f"{project.name} {version}" if version else f"the whole project {project.name}")
    if not yes:
        click.confirm(f"Delete {what}? Nobody can install it from then on.", abort=True, err=as_json)
    removal = _delete(project.normalized_name, version, filename)
    back = f"keyhouse project restore {project.normalized_name} --id {removal.pk}"
    can_return = removal.until_at > removal.removed_at
    until = f" Until {clock.format_second(removal.until_at)} it comes back by: {back}" if can_return else ""
    tell(_removal(removal), f"Deleted {what}.{until}", as_json=as_json)


def _delete(name: str, version: str, filename: str) -> Removal:
    if filename:
        return deleting.delete_file(name, filename, by=host())
    if version:
        return deleting.delete_release(name, version, by=host())
    return deleting.delete_project(name, by=host())


@command.command()
@click.argument("name")
@click.argument("version", default="")
@click.option("--file", "filename", default="", help="Only this file.")
@click.option(
    "--id",
    "removal_id",
    type=ID,
    help="This deletion, of `project list --deleted`.",
)
@JSON
def restore(name: str, version: str, filename: str, removal_id: int | None, *, as_json: bool) -> None:
    """Bring back a project, a release (VERSION) or a file (--file) that was deleted.

    Of several deletions the last one is undone, unless --id names another.

    \b
    Examples:
      keyhouse project restore alpha
      keyhouse project restore alpha 1.0
      keyhouse project restore alpha --id 7
    """  # noqa: D301 - \b is click's own mark
    removal = _wanted(normalise(name), version, filename, removal_id)
    _RESTORES[removal.kind](removal)
    left = life_cycle.count_left(removal.pk)
    away = f" {left} of its files stay away: others have taken their place. Once those are deleted, do this once more."
    told = {**_removal(removal), "left": left}
    tell(told, f"{removal} is back.{away if left else ''}", as_json=as_json)


def _wanted(name: str, version: str, filename: str, removal_id: int | None) -> Removal:
    found = life_cycle.removals_named(name, clock.now())
    if removal_id is not None:
        found = found.filter(pk=removal_id)
    elif filename:
        found = found.filter(kind=Removal.Kind.FILE, filename=filename)
    elif version:
        found = found.filter(kind=Removal.Kind.RELEASE, version=version)
    else:
        found = found.filter(kind=Removal.Kind.PROJECT)
    removal = found.first()
    if removal is None:
        raise NothingToRestore
    return removal


_RESTORES: Final[dict[str, Callable[[Removal], object]]] = {
    "project": lambda removal: restoring.restore_project(removal.pk, by=host()),
    "release": lambda removal: restoring.restore_release(removal.normalized_name, removal.pk, by=host()),
    "file": lambda removal: restoring.restore_file(removal.normalized_name, removal.pk, by=host()),
}


@command.command()
@click.argument("name")
@_REASON
@JSON
def archive(name: str, reason: str, *, as_json: bool) -> None:
    """Mark a project as finished: it takes no new files, and installers say so.

    One that is deprecated is so no longer and names no successor, also once it is out of the archive again.

    \b
    Example:
      keyhouse project archive alpha --reason "no longer needed since 3.13"
    """  # noqa: D301 - \b is click's own mark
    _tell(services.archive_project(normalise(name), reason, by=host()), as_json=as_json)


@command.command()
@click.argument("name")
@JSON
def unarchive(name: str, *, as_json: bool) -> None:
    """Take a project out of the archive.

    \b
    Example:
      keyhouse project unarchive alpha
    """  # noqa: D301 - \b is click's own mark
    _tell(services.unarchive_project(normalise(name), by=host()), as_json=as_json)


@command.command()
@click.argument("name")
@_REASON
@click.option("--successor", default="", help="The project that people should take instead.")
@click.option("--undo", is_flag=True, help="Take it back.")
@JSON
def deprecate(name: str, reason: str, successor: str, *, undo: bool, as_json: bool) -> None:
    """Tell people to leave a project, and what to take instead; it still takes files.

    \b
    Examples:
      keyhouse project deprecate alpha --successor beta --reason "renamed"
      keyhouse project deprecate alpha --undo
    """  # noqa: D301 - \b is click's own mark
    if undo and (reason or successor):
        raise click.UsageError("Taking it back has neither reason nor successor.")
    if undo:
        changed = services.undeprecate_project(normalise(name), by=host())
    else:
        changed = services.deprecate_project(normalise(name), reason, successor, by=host())
    _tell(changed, as_json=as_json)


def _tell(project: Project, *, as_json: bool) -> None:
    tell({**_brief(project), **_said_of(project)}, f"{project.name} is {project.status}.", as_json=as_json)
