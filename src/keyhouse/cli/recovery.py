"""`keyhouse recovery`: people who ask to come back in, as operators see them; refusing one, and nothing that lets anybody in.

Approving takes operators who are signed in. Whoever has the machine has another way, told to everybody as that:
`keyhouse user recover`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import click

from keyhouse.accounts.recovery import queries, words
from keyhouse.accounts.recovery.showing import ShownCase, shown_case, shown_cases
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.numbers import ID
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host

_PAGE: Final = "/operator/recovery/"
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("recovery")
def command() -> None:
    """List people who ask to come back in, and refuse one; who lets them in signs in and does it in the pages.

    \b
    Examples:
      keyhouse recovery list
      keyhouse recovery refuse 7 --reason "she called: it was not her"
    """  # noqa: D301 - \b is click's own mark


@command.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those that are over, too.")
@_JSON
def list_(*, is_all: bool, as_json: bool) -> None:
    """List recovery cases that are open, the oldest first: what speaks for each, and whose word is missing.

    \b
    Examples:
      keyhouse recovery list
      keyhouse recovery list --all --json
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    cases = [*queries.open_cases(now), *(queries.closed_cases(now) if is_all else ())]
    rows = [_row(shown) for shown in shown_cases(cases, host(), now)]
    click.echo(document_of(rows) if as_json else "\n".join(_lines(rows)))


def _row(shown: ShownCase) -> dict[str, Any]:
    case = shown.case
    waits = case.closed_at is None and shown.stage not in {"ready", "over"}
    return {
        "number": case.pk,
        "user": case.user.username,
        "begun_by": case.path,
        "stage": shown.stage,
        "rests_on": shown.rests_on or None,
        "opened_at": clock.format_instant(case.opened_at),
        "ready_at": clock.format_instant(case.ready_at) if case.ready_at else None,
        "said": [{"by": word.by.username, "what": word.kind, "why": word.reason} for word in shown.words],
        "can_vouch": shown.vouchers if waits else [],
        "can_approve": shown.operators if waits else [],
        "ended_as": case.state if case.closed_at else None,
        "closed_at": clock.format_instant(case.closed_at) if case.closed_at else None,
        "closed_by": case.closed_by or None,
        "closing_reason": case.closing_reason or None,
    }


def _lines(rows: list[dict[str, Any]]) -> Iterator[str]:
    site = configuration.current().base_url
    for row in rows:
        yield f"{row['number']}  {row['user']}  {row['ended_as'] or row['stage']}  begun by {row['begun_by']}  {row['opened_at']}"
        for said in row["said"]:
            yield f"  {said['by']} ({said['what']}): {said['why']}"
        if row["can_vouch"]:
            yield f"  can vouch: {', '.join(row['can_vouch'])}"
        if row["can_approve"]:
            yield f"  can approve: {', '.join(row['can_approve'])}, at {site}{_PAGE}{row['number']}/"
    if not rows:
        yield "Nobody asks to come back in."


@command.command()
@click.argument("number", type=ID)
@click.option("--reason", required=True, help="Why, in at least ten characters; the log keeps it.")
@_JSON
def refuse(number: int, reason: str, *, as_json: bool) -> None:
    """Refuse a recovery case: it is over, whoever spoke for it, and its link is dead. Everybody concerned is told.

    \b
    Example:
      keyhouse recovery refuse 7 --reason "she called: it was not her"
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    words.refuse(number, reason, by=host(), now=now)
    told = _row(shown_case(queries.get_case(number), host(), now))
    click.echo(
        document_of(told) if as_json else f"Refused: {told['user']} doesn't come back in by case {number}."
    )
