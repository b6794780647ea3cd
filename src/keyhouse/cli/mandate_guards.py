"""`keyhouse mandate guards`, `timeline` and `emergency`: what a launch asks for, and when what begins."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any, Final

import click

from keyhouse.accounts.models import Proposal
from keyhouse.cli.main import FAILED, as_json
from keyhouse.cli.mandate_naming import read_policy
from keyhouse.cli.named import get_user
from keyhouse.cli.proposed import tell_proposed
from keyhouse.core import clock
from keyhouse.core.actor import host
from keyhouse.mandate.campaigns import emergency, guards
from keyhouse.mandate.campaigns.finding import shadow_of_version
from keyhouse.mandate.campaigns.timeline import moved_onto_bad_days, timeline_of, told
from keyhouse.mandate.queries import ledger
from keyhouse.mandate.rules import Policy

_JSON: Final = click.option("--json", "is_json", is_flag=True, help="Print JSON.")
_NAMED: Final = click.argument("name", metavar="NAME|FILE|-")


@click.command("guards")
@_NAMED
@_JSON
def show_guards(name: str, *, is_json: bool) -> None:
    """Print what a launch of a campaign asks for, and what of it is missing. Exit code 1: something is.

    NAME is a file, or the newest version of a mandate. Nothing is written and nothing is sent.

    \b
    Examples:
      keyhouse mandate guards everyone-2027
      keyhouse mandate guards mandate.toml --json
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    mandate = read_policy(name, now).mandate
    data = guards.as_dict(mandate, guards.answers(mandate, now), now)
    click.echo(as_json(data) if is_json else "\n".join(_guard_lines(data)))
    if not data["may_launch"]:
        raise click.exceptions.Exit(FAILED)


def _guard_lines(data: dict[str, Any]) -> Iterator[str]:
    if not data["is_campaign"]:
        yield f"{data['mandate']} has no [launch]: it is applied, not launched. These are the usual guards."
    for one in data["guards"]:
        state = ("met" if one["is_met"] else "missing") if one["is_asked"] else "not asked for"
        yield f"{one['guard']}: {state}. {one['sentence']}"
        for what in one["missing"]:
            where = f" ({what['path']})" if what["path"] else ""
            yield f"  {what['reason']}"
            yield f"  {what['fix']}{where}"
    yield "Nothing is missing." if data["may_launch"] else "It can't be launched yet."


@click.command("timeline")
@_NAMED
@_JSON
def show_timeline(name: str, *, is_json: bool) -> None:
    """Print a mandate as a time line: what begins when, until when people are told, and how far deadlines reach.

    NAME is a file, or the newest version of a mandate. Instants are UTC, with the host's zone beside them.

    \b
    Examples:
      keyhouse mandate timeline everyone-2027
      keyhouse mandate timeline mandate.toml --json
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    policy = read_policy(name, now)
    data = timeline_of(policy, now, shadow_of_version(policy)).as_dict()
    click.echo(as_json(data) if is_json else told(data))


def with_timeline(policy: Policy, now: datetime) -> dict[str, Any]:
    """Return what `plan` and `status` tell beside counts: the time line, and stages that a pause moved onto a bad day."""
    line = timeline_of(policy, now, shadow_of_version(policy))
    return {"timeline": line.as_dict(), "moved": moved_onto_bad_days(policy, now)}


def shadows_told(now: datetime) -> list[dict[str, Any]]:
    """Return the time line of each version that is in its shadow, or stale, as JSON has it."""
    found = [
        one for one in ledger().shadows if not one.is_superseded and one.policy.mandate.is_unannounced(now)
    ]
    return [
        {"is_stale": one.is_stale(now), "timeline": timeline_of(one.policy, now, one).as_dict()}
        for one in found
    ]


@click.group("emergency")
def emergency_accounts() -> None:
    """Keep accounts of operators for emergencies: with two keys, watched, and tested."""


@emergency_accounts.command("list")
@_JSON
def list_kept(*, is_json: bool) -> None:
    """Print which accounts are kept for emergencies, and what they lack.

    \b
    Example:
      keyhouse mandate emergency list
    """  # noqa: D301 - \b is click's own mark
    kept = [one.as_dict() for one in emergency.kept_accounts(clock.now())]
    click.echo(as_json(kept) if is_json else "\n".join(_kept_lines(kept)))


def _kept_lines(kept: list[dict[str, Any]]) -> Iterator[str]:
    if not kept:
        yield "No account is kept for emergencies."
    for one in kept:
        state = "ready" if one["is_ready"] else "; ".join(one["lacks"])
        yield f"{one['name']}: {state} (kept since {one['marked_at']}, tested {one['tested_at'] or 'never'})"


_WHY: Final = click.option("--reason", required=True, help="Why.")


@emergency_accounts.command("mark")
@click.argument("username", metavar="USER")
@_WHY
@_JSON
def mark(username: str, reason: str, *, is_json: bool) -> None:
    """Propose to keep an operator's account for emergencies; two operators approve it at /operator/proposals/.

    \b
    Example:
      keyhouse mandate emergency mark vault-1 --reason "Its keys lie in the safe."
    """  # noqa: D301 - \b is click's own mark
    _propose(emergency.propose_mark, username, reason, is_json=is_json)


@emergency_accounts.command("unmark")
@click.argument("username", metavar="USER")
@_WHY
@_JSON
def unmark(username: str, reason: str, *, is_json: bool) -> None:
    """Propose to keep an account for emergencies no more; two operators approve it at /operator/proposals/.

    \b
    Example:
      keyhouse mandate emergency unmark vault-1 --reason "Its keys are used up."
    """  # noqa: D301 - \b is click's own mark
    _propose(emergency.propose_unmark, username, reason, is_json=is_json)


def _propose(how: Callable[..., Proposal], username: str, reason: str, *, is_json: bool) -> None:
    tell_proposed(how(get_user(username), reason, by=host(), now=clock.now()), as_json=is_json)
