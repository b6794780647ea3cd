"""`keyhouse recovery`: people who ask to come back in, and accounts on hold, as operators see them.

It lets nobody in: a case is refused here and approved by operators who are signed in. A hold that one operator's word ends is
ended here, too, but for that of an operator: the host may be they. Whoever has the machine has another way, told to everybody
as that: `keyhouse user recover`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Final

import click

from keyhouse.accounts import holds
from keyhouse.accounts.models import Hold, RecoveryCase, RecoveryWord
from keyhouse.accounts.recovery import confirming, queries, words
from keyhouse.accounts.recovery.letters import BASIS_WORDS
from keyhouse.accounts.recovery.rules import Stage
from keyhouse.accounts.recovery.showing import ShownCase, shown_case, shown_cases
from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.numbers import ID
from keyhouse.cli.telling import JSON, LINES, tell, tell_row
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host

_PAGE: Final = "/operator/recovery/"


@click.group("recovery")
def command() -> None:
    """List people who ask to come back in, and refuse one; who lets them in signs in and does it in the pages.

    List accounts that are on hold, and end the hold after a first second factor.

    \b
    Examples:
      keyhouse recovery list
      keyhouse recovery refuse 7 --reason "she called: it was not her"
      keyhouse recovery holds
      keyhouse recovery release 9 --reason "she enrolled it at my desk"
    """  # noqa: D301 - \b is click's own mark


@command.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those that are over, too.")
@JSON
def list_(*, is_all: bool, as_json: bool) -> None:
    """List recovery cases that are open, the oldest first: what speaks for each, and whose word is missing.

    \b
    Examples:
      keyhouse recovery list
      keyhouse recovery list --all --json
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    rows = [_row(shown) for shown in shown_cases(queries.open_cases(now), host(), now)]
    rows += _rows_of_closed(now) if is_all else []
    click.echo(document_of(rows) if as_json else "\n".join(_lines(rows)))


def _rows_of_closed(now: datetime) -> list[dict[str, Any]]:
    """Return what is over: nothing that hangs on its people is asked, since nobody can say a word in it any more."""
    cases = queries.closed_cases(now)
    said = queries.words_in(cases)
    return [_row_of(case, said.get(case.pk, []), "over") for case in cases]


def _row(shown: ShownCase) -> dict[str, Any]:
    waits = shown.case.closed_at is None and shown.stage not in {"ready", "over"}
    who = (shown.vouchers, shown.operators) if waits else ([], [])
    return _row_of(shown.case, shown.words, shown.stage, *who)


def _row_of(
    case: RecoveryCase,
    said: list[RecoveryWord],
    stage: Stage,
    can_vouch: Sequence[str] = (),
    can_approve: Sequence[str] = (),
) -> dict[str, Any]:
    return {
        "number": case.pk,
        "user": case.user.username,
        "begun_by": case.path,
        "stage": stage,
        "rests_on": BASIS_WORDS.get(case.basis),
        "opened_at": clock.format_instant(case.opened_at),
        "ready_at": clock.format_if_any(case.ready_at),
        "said": [{"by": word.by.username, "what": word.kind, "why": word.reason} for word in said],
        "can_vouch": list(can_vouch),
        "can_approve": list(can_approve),
        "ended_as": case.state if case.closed_at else None,
        "closed_at": clock.format_if_any(case.closed_at),
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
@JSON
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


@command.command("holds")
@LINES
def holds_(*, as_json: bool) -> None:
    """List the accounts that are on hold, the oldest hold first: why, until when, and whose word ends it.

    \b
    Examples:
      keyhouse recovery holds
      keyhouse recovery holds --json
    """  # noqa: D301 - \b is click's own mark
    for hold in queries.live_holds(clock.now()).iterator():
        row = _hold(hold)
        until = f"until {row['until']}" if row["until"] else "until it is ended"
        ended = f"  ended early by {' or '.join(row['ended_by'])}" if row["ended_by"] else ""
        line = f"{row['number']}  {row['user']}  {row['reason']}  {row['placed_at']}  {until}{ended}"
        tell_row(row, line, as_json=as_json)


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "number": hold.pk,
        "user": hold.user.username,
        "reason": hold.reason,
        "placed_at": clock.format_instant(hold.placed_at),
        "until": clock.format_instant(hold.until) if hold.until < holds.FOR_EVER else None,
        "ended_by": list(_words_that_end(hold)),
    }


def _words_that_end(hold: Hold) -> Iterator[str]:
    """Yield whose word ends a hold before its time."""
    if hold.reason in queries.CONFIRMABLE:
        yield "a co-owner"
    if hold.reason == Hold.Reason.FIRST_ENROLMENT:
        yield "an operator"
        if not hold.user.is_operator:
            yield "the host"


@command.command()
@click.argument("number", type=ID)
@click.option("--reason", required=True, help="Why, in at least ten characters; the log keeps it.")
@JSON
def release(number: int, reason: str, *, as_json: bool) -> None:
    """End the hold after a first second factor, by confirming that it was them. They and everybody concerned are told.

    That of an operator is ended by another operator, who is signed in. Every other hold ends by itself or by a co-owner.

    \b
    Example:
      keyhouse recovery release 9 --reason "she enrolled it at my desk"
    """  # noqa: D301 - \b is click's own mark
    confirming.release_hold(number, reason, by=host(), now=clock.now())
    username = Hold.objects.select_related("user").get(pk=number).user.username
    tell({"number": number, "user": username}, f"Ended: the hold of {username}.", as_json=as_json)
