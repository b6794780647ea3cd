"""`keyhouse names`: names and prefixes that are kept for somebody."""

from __future__ import annotations

import click

from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.safety.names import queries, services
from keyhouse.safety.names.models import ReservedName


@click.group("names")
def command() -> None:
    """Keep names and prefixes for somebody, or for nobody; look-alikes are kept with them.

    \b
    Examples:
      keyhouse names reserve acme-* --for ada --for bob
      keyhouse names reserve internal-tool --reason "never to be published"
      keyhouse names release acme-*
    """  # noqa: D301 - \b is click's own mark


@command.command()
@click.argument("name")
@click.option("--for", "people", multiple=True, help="Who may use it; may be given several times.")
@click.option("--reason", default="", help="Why it is kept.")
@JSON
def reserve(name: str, people: tuple[str, ...], reason: str, *, as_json: bool) -> None:
    """Keep NAME, or all names that begin with a prefix (acme-*); once more replaces people and reason.

    \b
    Example:
      keyhouse names reserve 'acme-*' --for ada --reason "names of our products"
    """  # noqa: D301 - \b is click's own mark
    row = services.reserve_name(name, people, reason, by=host())
    kept = f"{row.name}, and every name that begins with {row.name}-" if row.is_prefix else row.name
    line = f"Reserved: {kept}; for {', '.join(people) or 'nobody'}."
    tell(_as_dict(row), line, as_json=as_json)


@command.command()
@click.argument("name")
@JSON
def release(name: str, *, as_json: bool) -> None:
    """Let NAME go, so that everybody may use it.

    \b
    Example:
      keyhouse names release acme-tools
    """  # noqa: D301 - \b is click's own mark
    services.release_name(name, by=host())
    tell({"name": name}, "Released.", as_json=as_json)


@command.command("list")
@JSON
def list_(*, as_json: bool) -> None:
    """List reserved names with their people.

    \b
    Example:
      keyhouse names list
    """  # noqa: D301 - \b is click's own mark
    rows = [_as_dict(row) for row in queries.reserved_names()]
    if as_json:
        click.echo(document_of(rows))
        return
    for row in rows:
        click.echo(
            f"{row['name']}  for {', '.join(map(str, row['people'])) or 'nobody'}  {row['reason']}".rstrip()
        )


def _as_dict(row: ReservedName) -> dict[str, str | list[str]]:
    return {
        "name": str(row),
        "people": [one.user.username for one in row.people.all()],
        "reason": row.reason,
        "reserved_at": clock.format_instant(row.reserved_at),
        "reserved_by": row.reserved_by,
    }
