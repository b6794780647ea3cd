"""`keyhouse mandate requests`: what people ask the operators for, and the answers that one operator gives.

An exemption is proposed here and approved by operators who are signed in, as `keyhouse mandate exempt` proposes one.
"""

from __future__ import annotations

from typing import Any, Final

import click

from keyhouse.cli import mandate_words as words
from keyhouse.cli.numbers import ID
from keyhouse.cli.telling import JSON, LINES, tell, tell_row
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.mandate.exits import asking, queries
from keyhouse.mandate.exits.letters import told
from keyhouse.mandate.exits.models import Request

_NUMBER: Final = click.argument("number", type=ID)
_ANSWER: Final = click.option("--answer", required=True, help="One line; whoever asked is mailed it.")
_PROPOSALS: Final = "/mandate/proposals/"


@click.group("requests")
def command() -> None:
    """List what people ask the operators for, an exemption or a security key, and answer it.

    \b
    Examples:
      keyhouse mandate requests list
      keyhouse mandate requests propose 7
      keyhouse mandate requests refuse 7 --answer "Your key has arrived, it is at the desk."
    """  # noqa: D301 - \b is click's own mark


@command.command("list")
@click.option("--all", "is_all", is_flag=True, help="Those that were answered or taken back, too.")
@LINES
def list_(*, is_all: bool, as_json: bool) -> None:
    """List what waits for an answer, the oldest first.

    \b
    Examples:
      keyhouse mandate requests list
      keyhouse mandate requests list --all --json
    """  # noqa: D301 - \b is click's own mark
    found = queries.all_requests()
    for one in (found if is_all else found.filter(ended_at=None)).iterator():
        row = _row(one)
        line = (
            f"{row['number']}  {row['user']}  {told(one)}  {row['asked_at']}  {row['state']}  {row['reason']}"
        )
        tell_row(row, line, as_json=as_json)


def _row(one: Request) -> dict[str, Any]:
    is_proposed = one.ended_at is None and asking.is_proposed(one)
    return {
        "number": one.pk,
        "user": one.user.username,
        "kind": one.kind,
        "mandate": one.mandate or None,
        "reason": one.reason,
        "evidence": one.evidence or None,
        "control": one.control or None,
        "days": one.days or None,
        "asked_at": clock.format_instant(one.asked_at),
        "state": one.outcome or ("proposed" if is_proposed else "waits"),
        "exemption": one.exemption_id,
        "answered_by": one.answered_by or None,
        "answer": one.answer or None,
        "ended_at": clock.format_if_any(one.ended_at),
        "next": _next(one, is_proposed=is_proposed),
    }


def _next(one: Request, *, is_proposed: bool) -> str | None:
    """Say what an open request waits for."""
    if one.ended_at is not None:
        return None
    if is_proposed:
        return f"The exemption is approved at {configuration.current().base_url}{_PROPOSALS}"
    act = "give" if one.kind == Request.Kind.KEY else "propose"
    return f"`keyhouse mandate requests {act} {one.pk}`, or `refuse`"


@command.command()
@_NUMBER
@JSON
def show(number: int, *, as_json: bool) -> None:
    """Show one request: who asks for what and why, what became of it, and what it waits for.

    \b
    Example:
      keyhouse mandate requests show 7
    """  # noqa: D301 - \b is click's own mark
    row = _row(queries.get_request(number))
    lines = (f"{key.replace('_', ' ')}: {value}" for key, value in row.items() if value is not None)
    tell(row, *lines, as_json=as_json)


@command.command()
@_NUMBER
@click.option(
    "--days",
    type=click.IntRange(1, asking.LONGEST_DAYS),
    help="For how long; otherwise for as long as they ask for.",
)
@JSON
def propose(number: int, days: int | None, *, as_json: bool) -> None:
    """Propose the exemption that somebody asks for; two operators approve it, or it takes effect a day later.

    \b
    Examples:
      keyhouse mandate requests propose 7
      keyhouse mandate requests propose 7 --days 14
    """  # noqa: D301 - \b is click's own mark
    wanted = queries.get_request(number).days or 1  # a key has no days, and is refused below
    made = asking.propose(number, days or wanted, by=host())
    tell(words.exemption_dict(made), words.exemption(made, clock.now()), as_json=as_json)


@command.command()
@_NUMBER
@_ANSWER
@JSON
def refuse(number: int, answer: str, *, as_json: bool) -> None:
    """Refuse what somebody asks for. What was proposed upon it is withdrawn by `keyhouse mandate withdraw-exemption`.

    \b
    Example:
      keyhouse mandate requests refuse 7 --answer "Your key has arrived, it is at the desk."
    """  # noqa: D301 - \b is click's own mark
    _answer(number, answer, grants=False, as_json=as_json)


@command.command()
@_NUMBER
@_ANSWER
@JSON
def give(number: int, answer: str, *, as_json: bool) -> None:
    """Give somebody a security key who asks for one: the answer says how they get it.

    \b
    Example:
      keyhouse mandate requests give 7 --answer "It is at the desk, room 4, from Monday on."
    """  # noqa: D301 - \b is click's own mark
    _answer(number, answer, grants=True, as_json=as_json)


def _answer(number: int, answer: str, *, grants: bool, as_json: bool) -> None:
    ended = asking.answer(number, answer, grants=grants, by=host())
    what = f"{'Granted' if grants else 'Refused'}: {told(ended)}, to {ended.user.username}."
    tell(_row(ended), what, as_json=as_json)
