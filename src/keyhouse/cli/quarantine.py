"""`keyhouse quarantine`: takes a project, a release or a file out of the index, and puts it back."""

from __future__ import annotations

from typing import Any, Final

import click
from packaging.version import Version

from keyhouse.cli.defaults import WithDefault
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.distfiles.names import normalise
from keyhouse.safety.quarantine import queries, services
from keyhouse.safety.quarantine.models import Quarantine

_MOST_SHOWN: Final = 100


class ReleaseVersion(click.ParamType[str]):
    """A version, however it is spelt."""

    name = "version"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return its canonical spelling."""
        try:
            return str(Version(str(value)))
        except ValueError:  # InvalidVersion, or a number of thousands of digits
            self.fail(f"{str(value)[:_MOST_SHOWN]!r} is no version", param, ctx)


_RELEASE = click.option(
    "--release", "version", type=ReleaseVersion(), default=None, help="Only this release."
)
_FILE = click.option("--file", "filename", default="", help="Only the file of this name.")


@click.group("quarantine", cls=WithDefault)
def command() -> None:
    """Take a project, a release or a file out of every face of the index while you look into it.

    \b
    Examples:
      keyhouse quarantine reqeusts --reason "imitates requests"
      keyhouse quarantine alpha --release 1.2 --reason "sends environment variables away"
      keyhouse quarantine alpha --file alpha-1.2.tar.gz --reason "is not what was built"
      keyhouse quarantine list
      keyhouse quarantine lift alpha --release 1.2
    """  # noqa: D301 - \b is click's own mark


@command.command("set")
@click.argument("name")
@_RELEASE
@_FILE
@click.option("--reason", required=True, help="Why; everybody who asks for it reads it.")
@JSON
def set_(name: str, version: str | None, filename: str, reason: str, *, as_json: bool) -> None:
    """Take the project NAME, or a part of it, out of the index.

    \b
    Example:
      keyhouse quarantine set alpha --release 1.2 --reason "looks like malware"
    """  # noqa: D301 - \b is click's own mark
    row = services.quarantine(normalise(name), reason, version=version or "", filename=filename, by=host())
    tell(_as_dict(row), f"In quarantine: {row}.", as_json=as_json)


@command.command()
@click.argument("name")
@_RELEASE
@_FILE
@JSON
def lift(name: str, version: str | None, filename: str, *, as_json: bool) -> None:
    """Put the project NAME, or a part of it, back as it was.

    \b
    Example:
      keyhouse quarantine lift alpha --release 1.2
    """  # noqa: D301 - \b is click's own mark
    row = services.lift(normalise(name), version=version or "", filename=filename, by=host())
    tell(_as_dict(row), f"Back: {row}.", as_json=as_json)


@command.command("list")
@JSON
def list_(*, as_json: bool) -> None:
    """List what is in quarantine, the newest first.

    \b
    Example:
      keyhouse quarantine list
    """  # noqa: D301 - \b is click's own mark
    rows = queries.lasting()
    if as_json:
        click.echo(document_of([_as_dict(row) | {"holding": row.is_holding} for row in rows]))
        return
    for row in rows.iterator(chunk_size=1000):
        gone = "" if row.is_holding else "  (holds nothing: deleted since)"
        click.echo(f"{clock.format_second(row.set_at)}  {row}  by {row.set_by}: {row.reason}{gone}")


def _as_dict(row: Quarantine) -> dict[str, Any]:
    return {
        "project": row.project.normalized_name,
        "version": row.version or None,
        "filename": row.filename or None,
        "reason": row.reason,
        "since": clock.format_instant(row.set_at),
        "set_by": row.set_by,
    }
