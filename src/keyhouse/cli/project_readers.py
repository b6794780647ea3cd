"""`keyhouse project readers`: who reads a project of a private index, and by which right."""

from __future__ import annotations

import click

from keyhouse.accounts.queries import find_user
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.named import get_project
from keyhouse.core.errors import NotFound
from keyhouse.projects.models import Project
from keyhouse.projects.reading_reasons import by_everybody, readers_by_right, why


@click.command("readers")
@click.argument("name")
@click.option("--person", help="Answer for this account alone.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(name: str, *, person: str | None, as_json: bool) -> None:
    """Say who reads a project, and by which right: a role, its organization, a team, or as everybody does.

    Exits with 1 where the account that was named doesn't read it.

    \b
    Examples:
      keyhouse project readers alpha
      keyhouse project readers alpha --person ada --json
    """  # noqa: D301 - \b is click's own mark
    project = get_project(name)
    if person is not None:
        _answer(project, person, as_json=as_json)
        return
    everybody, readers = by_everybody(project), readers_by_right(project)
    if as_json:
        told = {"everybody": everybody or None, "readers": [one.as_dict() for one in readers]}
        click.echo(document_of({"project": project.normalized_name, **told}))
        return
    click.echo(f"{project.name}: {everybody or 'kept to some'}")
    for one in readers:
        click.echo(f"  {one.username}: {'; '.join(one.by)}")


def _answer(project: Project, username: str, *, as_json: bool) -> None:
    person = find_user(username)
    if person is None:
        raise NotFound(f"No account {username} is here.")
    by = why(person.pk, project)
    if as_json:
        told = {"project": project.normalized_name, "person": person.username}
        click.echo(document_of({**told, "reads": bool(by), "by": list(by)}))
    elif by:
        click.echo(f"{person.username} reads {project.name}, by: {'; '.join(by)}")
    else:
        click.echo(f"{person.username} doesn't read {project.name}: no right of theirs gives it.")
    if not by:
        raise SystemExit(1)
