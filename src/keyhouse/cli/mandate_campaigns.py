"""`keyhouse mandate launch`, `pause`, `resume`, `rollback`, `abandon`, `report`: running a campaign from the host."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

import click

from keyhouse.cli import mandate_words as words
from keyhouse.cli.main import as_json
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mandate import queries as live
from keyhouse.mandate import words as states
from keyhouse.mandate.adoption import read_adoption
from keyhouse.mandate.campaigns import queries, services
from keyhouse.mandate.models import MandateVersion, Pause

Data = Mapping[str, Any]
_JSON: Final = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
_WHY: Final = click.option("--reason", default="", help="Why; it is kept, and shown.")
_NEEDED_WHY: Final = click.option("--reason", required=True, help="Why; it is kept, and shown.")


@click.command()
@click.argument("name")
@_WHY
@_JSON
def launch(name: str, *, reason: str, is_json: bool) -> None:
    """Launch the newest draft of the mandate NAME, if all is there that its `[launch]` asks for.

    Two operators approve it at /mandate/proposals/; where there is at most one, it takes effect 24 hours later.

    \b
    Example:
      keyhouse mandate launch everyone-2027 --reason "Agreed on Monday."
    """  # noqa: D301 - \b is click's own mark
    _tell_version(services.launch(name, why=reason, by=host()), is_json=is_json)


def _tell_version(row: MandateVersion, *, is_json: bool) -> None:
    told = words.version_dict(row) | {"why": row.why or None, "simulation": row.simulation or None}
    click.echo(as_json(told) if is_json else words.outcome(row, is_new=True, now=clock.now()))


@click.command()
@click.argument("name")
@_NEEDED_WHY
@_JSON
def pause(name: str, *, reason: str, is_json: bool) -> None:
    """Stop the calendar of the mandate NAME: what has begun holds on, no stage begins, no deadline passes.

    It ends by itself after 30 days, unless an operator who didn't begin it confirms it.

    \b
    Example:
      keyhouse mandate pause everyone-2027 --reason "The queue of recoveries is too long."
    """  # noqa: D301 - \b is click's own mark
    row = services.pause(name, reason=reason, by=host())
    told = {"mandate": name, **queries.pause_dict(row)}
    click.echo(as_json(told) if is_json else f"{name} is paused, {_until(row)}.")


def _until(row: Pause) -> str:
    if row.ends_at is None:
        return "until somebody resumes it"
    return f"at most until {states.moment(row.ends_at)}"


@click.command()
@click.argument("name")
@_WHY
@_JSON
def resume(name: str, *, reason: str, is_json: bool) -> None:
    """Let the calendar of the mandate NAME go on: all that was to come is later by the length of the pause.

    \b
    Example:
      keyhouse mandate resume everyone-2027
    """  # noqa: D301 - \b is click's own mark
    row = services.resume(name, why=reason, by=host())
    told = {"mandate": name, **queries.pause_dict(row)}
    length = (row.ended_at or row.begun_at) - row.begun_at
    click.echo(
        as_json(told) if is_json else f"{name} goes on; what was to come is later by {words.lasting(length)}."
    )


@click.command()
@click.argument("name")
@_NEEDED_WHY
@_JSON
def rollback(name: str, *, reason: str, is_json: bool) -> None:
    """Propose to roll the mandate NAME back: it refuses nothing more but to remove a last second factor, for some days.

    It loosens, so it is approved as every loosening is.

    \b
    Example:
      keyhouse mandate rollback everyone-2027 --reason "Too many were locked out."
    """  # noqa: D301 - \b is click's own mark
    _tell_version(services.rollback(name, why=reason, by=host()), is_json=is_json)


@click.command()
@click.argument("name")
@_NEEDED_WHY
@_JSON
def abandon(name: str, *, reason: str, is_json: bool) -> None:
    """Propose to give the mandate NAME up: it asks for nothing any more. A draft is withdrawn instead.

    \b
    Example:
      keyhouse mandate abandon everyone-2027 --reason "Another mandate takes its place."
    """  # noqa: D301 - \b is click's own mark
    _tell_version(services.abandon(name, why=reason, by=host()), is_json=is_json)


@click.command()
@click.argument("name")
@_JSON
def report(name: str, *, is_json: bool) -> None:
    """Print the state of the mandate NAME, every step that brought it there or lies ahead, and how people stand.

    \b
    Examples:
      keyhouse mandate report everyone-2027
      keyhouse mandate report everyone-2027 --json
    """  # noqa: D301 - \b is click's own mark
    told = _report(queries.campaign(name), clock.now())
    click.echo(as_json(told) if is_json else "\n".join(_report_lines(told)))


def _report(found: queries.Campaign, now: datetime) -> dict[str, Any]:
    policies = [one for one in live.live_policies(now) if one.name == found.name]
    adoption = [one.as_dict() for one in read_adoption(policies, now)] if policies else []
    steps = [step.as_dict() | {"word": step.word} for step in found.transitions(now)]
    return {**found.as_dict(now), "transitions": steps, "adoption": adoption[0] if adoption else None}


def _report_lines(told: Data) -> Iterator[str]:
    yield state_line(told)
    yield "Steps:"
    for step in told["transitions"]:
        mark = " (planned)" if step["is_planned"] else ""
        by = f" by {step['by']}" if step["by"] else ""
        why = f": {step['why']}" if step["why"] else ""
        yield f"  {words.instant(step['at'])}  {step['word']}{mark}, version {step['version']}{by}{why}"
    if told["adoption"]:
        yield words.adoption(told["adoption"])


def state_line(told: Data) -> str:
    """Return the state of a mandate in a line."""
    state = told["state"]
    parts = [
        f"{told['mandate']}@{told['version']}: {states.state_named(state['name'])} since {words.instant(state['since'])}"
    ]
    if state["next"]:
        parts.append(f"next: {states.state_named(state['next']['name'])}" + _at(state["next"]["at"]))
    if told["pause"]:
        parts.append(_pause_words(told["pause"]))
    if told["draft"]:
        parts.append(f"version {told['draft']} is a draft")
    return "; ".join(parts)


def _at(at: str | None) -> str:
    return f", {words.instant(at)}" if at else ""


def _pause_words(told: Data) -> str:
    by = f"by the signal {told['signal']}" if told["signal"] else f"by {told['begun_by']}"
    ends = (
        f"ends by itself on {words.instant(told['ends_at'])}"
        if told["ends_at"]
        else "ends when somebody resumes it"
    )
    return f"paused {by} ({told['reason']}), {ends}"


COMMANDS: Final = (launch, pause, resume, rollback, abandon, report)
