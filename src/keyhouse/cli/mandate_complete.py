"""`keyhouse mandate complete`: is a mandate complete, and if not, what is left."""

from __future__ import annotations

from functools import partial
from typing import Any

import click

from keyhouse.accounts.models import User
from keyhouse.cli.main import FAILED, as_json
from keyhouse.cli.progress import follow
from keyhouse.core.actor import host
from keyhouse.mandate.completion.services import check_now


@click.command("complete")
@click.argument("name")
@click.option("--json", "is_json", is_flag=True, help="Print JSON.")
def complete(name: str, *, is_json: bool) -> None:
    """Check whether the live mandate NAME is complete, and print what is left. Exit code 1: it is not.

    It reads everybody once, asks the gate every act by every class of session and credential, and keeps what was found
    for the pages. `certify` is another name of it.

    \b
    Examples:
      keyhouse mandate complete everyone
      keyhouse mandate complete everyone --json
      keyhouse mandate certify everyone
    """  # noqa: D301 - \b is click's own mark
    watch = partial(follow, label="Reading people", total=User.objects.count())
    told = check_now(name, by=host(), watch=watch).as_dict(with_names=True)
    click.echo(as_json(told) if is_json else _lines(told))
    if not told["is_complete"]:
        raise click.exceptions.Exit(FAILED)


def _lines(told: dict[str, Any]) -> str:
    probes = told["probes"]
    lines = [
        f"{told['mandate']}@{told['version']}: {'complete' if told['is_complete'] else 'not complete'}",
        f"  covered   {told['covered']:,}",
        f"  probes    {probes['asked']:,}: {probes['acts']} acts by {probes['classes']} classes of credentials",
    ]
    for one in told["left"]:
        lines.append(f"  left      {one['sentence']} ({one['count']:,})")
        lines += [f"              {name}" for name in one["names"]]
    return "\n".join(lines)
