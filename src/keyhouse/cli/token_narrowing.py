"""`keyhouse token restrict|show`: what whoever holds a token can do with it, offline."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, TextIO

import click

from keyhouse.cli.numbers import ID
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock
from keyhouse.credentials.tokens import macaroons, narrowing
from keyhouse.credentials.tokens.caveats import ACTS
from keyhouse.credentials.tokens.narrowing import Wish

LONGEST: Final = 64 * 1024
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}

file_argument = click.argument("file", type=click.File("r", encoding="utf-8", errors="replace"), default="-")


@click.command()
@file_argument
@click.option(
    "--project-id",
    "project_ids",
    multiple=True,
    type=ID,
    help="This project only; can be repeated.",
)
@click.option(
    "--release", "version", default="", metavar="VERSION", help="This release of its one project only."
)
@click.option(
    "--network", "networks", multiple=True, metavar="NETWORK", help="From there only; can be repeated."
)
@click.option("--expires", default="", metavar="WHEN", help="An instant (RFC 3339), or 30m, 2h, 7d from now.")
@click.option("--action", "acts", multiple=True, type=click.Choice(ACTS), help="This only; can be repeated.")
def restrict(  # noqa: PLR0913 - an option each
    file: TextIO,
    *,
    project_ids: tuple[int, ...],
    version: str,
    networks: tuple[str, ...],
    expires: str,
    acts: tuple[str, ...],
) -> None:
    """Print a narrower copy of a token, read from FILE or standard input; asks no server.

    The copy ends with the token it was made of. Projects are named by their ids, which the page of your tokens shows and
    `keyhouse token show` prints: a token knows no names.

    \b
    Examples:
      keyhouse token restrict --expires 2h --network 192.0.2.0/24 < token-file
      keyhouse token restrict token-file --project-id 7 --release 1.4.0
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    prefix, macaroon = narrowing.read_token(file.read(LONGEST))
    wish = Wish(project_ids, version, networks, _instant(expires, now), acts)
    click.echo(macaroons.text_of(narrowing.narrow(macaroon, wish, now), prefix))


@click.command()
@file_argument
@JSON
def show(file: TextIO, *, as_json: bool) -> None:
    """Print what a token says of itself, read from FILE or standard input; asks no server.

    What its index wrote down about it may be narrower still.

    \b
    Example:
      keyhouse token show < token-file
    """  # noqa: D301 - \b is click's own mark
    _, macaroon = narrowing.read_token(file.read(LONGEST))
    tell(narrowing.facts_about(macaroon), *narrowing.lines_about(macaroon), as_json=as_json)


def _instant(text: str, now: datetime) -> datetime | None:
    """Read an instant, or a time from now."""
    if not text:
        return None
    number, unit = text[:-1], _UNITS.get(text[-1])
    try:
        if unit and number.isascii() and number.isdigit():
            return now + timedelta(**{unit: int(number)})
        return clock.parse_instant(text)
    except (ValueError, OverflowError) as error:
        raise click.BadParameter(
            "write an instant such as 2030-01-31T12:00:00Z, or 30m, 2h, 7d", param_hint="--expires"
        ) from error
