"""`keyhouse announce`: a line on every page for people, for a while."""

from __future__ import annotations

from datetime import datetime, timedelta

import click

from keyhouse.accounts.models import Announcement
from keyhouse.accounts.oversight.announcing import (
    coming_announcements,
    end_announcement,
    publish_announcement,
)
from keyhouse.cli.audit import Instant
from keyhouse.cli.defaults import Span, WithDefault
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.numbers import ID
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock
from keyhouse.core.actor import host

_DAY = timedelta(days=1)


@click.group("announce", cls=WithDefault)
def command() -> None:
    """Show a line on every page for people, from one instant to another.

    \b
    Examples:
      keyhouse announce "Uploads rest on Sunday from 06:00 to 07:00 UTC." --for 3d
      keyhouse announce "Mails are late today." --severity warn
      keyhouse announce list
      keyhouse announce end 3
    """  # noqa: D301 - \b is click's own mark


@command.command("set")
@click.argument("text")
@click.option(
    "--severity",
    type=click.Choice(Announcement.Severity.values),
    default=Announcement.Severity.INFO.value,
    show_default=True,
    help="How it looks.",
)
@click.option("--from", "begins_at", type=Instant(), help="When it begins; now where it is left out.")
@click.option("--until", type=Instant(), help="When it ends, for example 2027-01-31T06:00:00Z.")
@click.option(
    "--for", "span", type=Span(), help="After how long it ends: 30m, 2h, 7d; one day where nothing is said."
)
@JSON
def set_(  # noqa: PLR0913 - an option each
    text: str,
    *,
    severity: str,
    begins_at: datetime | None,
    until: datetime | None,
    span: timedelta | None,
    as_json: bool,
) -> None:
    """Announce TEXT, one line of up to 300 characters.

    \b
    Example:
      keyhouse announce set "Maintenance tonight from 22:00 UTC" --severity warn --for 1d
    """  # noqa: D301 - \b is click's own mark
    if until is not None and span is not None:
        raise click.UsageError("--until and --for exclude each other.")
    now = clock.now()
    begins = begins_at or now
    ends = until or begins + (span or _DAY)
    row = publish_announcement(text, severity, begins_at=begins, ends_at=ends, by=host(), now=now)
    told = f"Announced as number {row.pk} until {clock.format_second(row.ends_at)}."
    tell(_as_dict(row), told, as_json=as_json)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """List what is shown now and what is still to come.

    \b
    Example:
      keyhouse announce list
    """  # noqa: D301 - \b is click's own mark
    rows = [_as_dict(row) for row in coming_announcements(clock.now())]
    if as_json:
        click.echo(document_of(rows))
        return
    for row in rows:
        click.echo(
            f"{row['number']}  {row['severity']}  {row['begins_at']} to {row['ends_at']}  {row['text']}"
        )


def _as_dict(row: Announcement) -> dict[str, object]:
    return {
        "number": row.pk,
        "text": row.text,
        "severity": row.severity,
        "begins_at": clock.format_instant(row.begins_at),
        "ends_at": clock.format_instant(row.ends_at),
        "made_by": row.made_by,
    }


@command.command()
@click.argument("number", type=ID)
@JSON
def end(number: int, *, as_json: bool) -> None:
    """End announcement NUMBER now; one that is over stays as it is.

    \b
    Example:
      keyhouse announce end 3
    """  # noqa: D301 - \b is click's own mark
    end_announcement(number, by=host(), now=clock.now())
    tell({"number": number}, f"Number {number} is over.", as_json=as_json)
