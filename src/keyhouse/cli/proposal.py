"""`keyhouse proposal`: offices, owners, addresses and emergency accounts that operators decide about together.

Nothing is approved here. What takes two people is decided by people who are signed in: whoever has the machine is nobody in
particular, and may be one of the two.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

import click

from keyhouse.accounts.models import Proposal
from keyhouse.accounts.oversight import proposals
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.numbers import ID
from keyhouse.cli.proposed import page
from keyhouse.core import clock
from keyhouse.core.actor import host

_console: Final[Any] = import_module("keyhouse.web.console.proposals")  # a neighbour: joined at run time only
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("proposal")
def command() -> None:
    """List what operators decide about together, and withdraw it; it is approved in the pages alone.

    \b
    Examples:
      keyhouse proposal list
      keyhouse proposal withdraw 7 --reason "made for the wrong person"
    """  # noqa: D301 - \b is click's own mark


@command.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those that are done or ended, too.")
@_JSON
def list_(*, is_all: bool, as_json: bool) -> None:
    """List proposals that are open, the oldest first: what each would do, and who approves it where.

    Proposals about mandates and exemptions are listed by `keyhouse mandate status`, people who ask to come back in by
    `keyhouse recovery list`.

    \b
    Examples:
      keyhouse proposal list
      keyhouse proposal list --all --json
    """  # noqa: D301 - \b is click's own mark
    found = [*_console.open_proposals(), *(_console.decided_proposals() if is_all else ())]
    rows = [_row(row) for row in found]
    if as_json:
        click.echo(document_of(rows))
        return
    for row in rows:
        click.echo(
            f"{row['number']}  {row['state']}  {row['what']}  by {row['proposed_by']}  {row['proposed_at']}"
        )
        click.echo(f"  {row['next'] or row['ended_why'] or 'Why: ' + row['reason']}")
    if not rows:
        click.echo("No proposal is open.")


def _row(row: Proposal) -> dict[str, Any]:
    shown = _console.shown(row, host())
    return {
        "number": row.pk,
        "kind": row.kind,
        "user": row.user.username,
        "what": shown.told,
        "reason": row.reason,
        "state": shown.state,
        "proposed_by": row.proposed_by,
        "proposed_at": clock.format_instant(row.proposed_at),
        "approved_by": row.approved_by,
        "effective_at": clock.format_if_any(row.effective_at),
        "done_at": clock.format_if_any(row.done_at),
        "ended_at": clock.format_if_any(row.ended_at),
        "ended_why": row.ended_why or None,
        "next": _next(row, shown.standing.sentence),
    }


def _next(row: Proposal, sentence: str) -> str | None:
    """Say what an open proposal waits for."""
    if not row.is_open:
        return None
    if row.effective_at:
        return f"Holds from {clock.format_instant(row.effective_at)} on, unless an operator withdraws it at {page()}"
    return f"{sentence} That is done at {page()}"


@command.command()
@click.argument("number", type=ID)
@click.option(
    "--reason", required=True, help="Why; the person and all operators are told, and the log keeps it."
)
@_JSON
def withdraw(number: int, reason: str, *, as_json: bool) -> None:
    """Take a proposal back, or refuse it, as any operator may; also while it waits for its instant.

    \b
    Example:
      keyhouse proposal withdraw 7 --reason "made for the wrong person"
    """  # noqa: D301 - \b is click's own mark
    row = _console.get_proposal(number)
    proposals.withdraw(_console.UNDERTAKINGS[row.kind], row.pk, reason, by=host(), now=clock.now())
    told = _row(_console.get_proposal(number))
    click.echo(document_of(told) if as_json else f"Withdrawn: {told['what']}.")
