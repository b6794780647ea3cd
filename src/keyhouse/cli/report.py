"""`keyhouse report`: what people reported about projects, and the answers to it, from the host."""

from __future__ import annotations

import json
from typing import Any, Final

import click

from keyhouse.cli.main import as_json as document_of
from keyhouse.cli.numbers import AMOUNT, ID
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.safety.reports import queries, services
from keyhouse.safety.reports.errors import ReportMissing
from keyhouse.safety.reports.models import Report

_NUMBER: Final = click.argument("number", type=ID)
_JSON: Final = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("report")
def command() -> None:
    """Read what people reported about projects, and answer it.

    \b
    Examples:
      keyhouse report list
      keyhouse report show 7
      keyhouse report close 7 acted --note "Taken out; its owners were told."
    """  # noqa: D301 - \b is click's own mark


@command.command("list")
@click.option(
    "--state",
    type=click.Choice(["open", "closed", "all"]),
    default="open",
    show_default=True,
    help="Those that wait for an answer, those that have one, or both.",
)
@click.option("--limit", type=AMOUNT, help="At most so many.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
def list_(*, state: str, limit: int | None, as_json: bool) -> None:
    """List reports, the newest first.

    \b
    Examples:
      keyhouse report list
      keyhouse report list --state closed --limit 20 --json
    """  # noqa: D301 - \b is click's own mark
    found = Report.objects.select_related("reporter").order_by("-pk")
    if state != "all":
        found = found.filter(closed_at__isnull=state == "open")
    for report in found[:limit].iterator(chunk_size=1000):
        row = _row(report)
        click.echo(json.dumps(row) if as_json else _line(row))


def _row(report: Report) -> dict[str, Any]:
    return {
        "number": report.pk,
        "project": report.normalized_name,
        "version": report.version or None,
        "kind": report.kind,
        "text": report.text,
        "reporter": report.reporter.username if report.reporter else None,
        "reported_at": clock.format_instant(report.reported_at),
        "outcome": report.outcome or None,
        "note": report.note or None,
        "closed_at": clock.format_if_any(report.closed_at),
        "closed_by": report.closed_by or None,
    }


def _line(row: dict[str, Any]) -> str:
    what = " ".join(filter(None, (row["project"], row["version"])))
    return f"{row['number']}  {what}  {row['kind']}  {row['outcome'] or 'open'}  by {row['reporter'] or '-'}  {row['reported_at']}"


@command.command()
@_NUMBER
@_JSON
def show(number: int, *, as_json: bool) -> None:
    """Show one report: what was said, by whom, what became of it, and what else was said of the project.

    \b
    Examples:
      keyhouse report show 7
      keyhouse report show 7 --json
    """  # noqa: D301 - \b is click's own mark
    report = queries.find_report(number)
    if report is None:
        raise ReportMissing(fix="`keyhouse report list --state all` shows them.")
    told, others = _row(report), [_row(other) for other in queries.others_about(report)]
    if as_json:
        click.echo(document_of({**told, "others": others}))
        return
    for key, value in told.items():
        if value is not None:
            click.echo(f"{key.replace('_', ' ')}: {value}")
    if others:
        click.echo("others about the same project:")
    for other in others:
        click.echo(f"  {_line(other)}")


@command.command()
@_NUMBER
@click.argument("outcome", type=click.Choice(Report.Outcome.values))
@click.option("--note", default="", help="Whoever reported it is mailed this.")
@_JSON
def close(number: int, outcome: str, note: str, *, as_json: bool) -> None:
    """Close a report as acted on or dismissed; whoever made it is mailed that. Once more with the same words changes nothing.

    \b
    Examples:
      keyhouse report close 7 acted --note "Taken out; thank you."
      keyhouse report close 8 dismissed --note "Both projects belong to the same people."
    """  # noqa: D301 - \b is click's own mark
    report = services.close_report(number, outcome, note, by=host())
    click.echo(document_of(_row(report)) if as_json else f"Report {number} is {outcome}.")
