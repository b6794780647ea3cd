"""`keyhouse mandate`: who must hold a second factor, planned, applied and explained, from the host."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click
from django.db.models import Max

from keyhouse.accounts.models import User
from keyhouse.accounts.queries import find_user
from keyhouse.cli import (
    mandate_campaigns,
    mandate_organizations,
    mandate_requests,
    mandate_simulate,
    mandate_stranded,
)
from keyhouse.cli import mandate_words as words
from keyhouse.cli.audit import Instant
from keyhouse.cli.main import FAILED, as_json
from keyhouse.cli.mandate_complete import complete
from keyhouse.cli.mandate_guards import (
    emergency_accounts,
    shadows_told,
    show_guards,
    show_timeline,
    with_timeline,
)
from keyhouse.cli.mandate_shadow import shadow
from keyhouse.cli.mandate_template import template, templates
from keyhouse.cli.named import get_user
from keyhouse.cli.numbers import ID, VERSION
from keyhouse.core import clock
from keyhouse.core.actions import CATALOGUE, Thing
from keyhouse.core.actor import PHISHING_RESISTANT_METHODS, Actor, Strength, host
from keyhouse.core.errors import NotFound
from keyhouse.distfiles.names import normalise
from keyhouse.mandate import asked, console, dispositions, gates, queries, services
from keyhouse.mandate.adoption import read_adoption
from keyhouse.mandate.campaigns import queries as queries_of_campaigns
from keyhouse.mandate.errors import MandateMissing
from keyhouse.mandate.facts import PROOFS
from keyhouse.mandate.models import Exemption, MandateVersion
from keyhouse.mandate.plans import Plan
from keyhouse.mandate.previews import preview
from keyhouse.mandate.rules import Decision, Policy
from keyhouse.mandate.simulation import explaining
from keyhouse.mandate.toml_lines import LARGEST, Written, read_written

_FILE: Final = click.Path(path_type=Path, exists=True, dir_okay=False, allow_dash=True)
_JSON: Final = click.option("--json", "is_json", is_flag=True, help="Print JSON.")


@click.group("mandate")
def command() -> None:
    """Say who must hold a second factor, by when, for what; see what that does before it is done."""


command.add_command(shadow)


# ---- from files


@command.command()
@click.argument("file", metavar="FILE|-", type=_FILE)
@_JSON
def plan(file: Path, *, is_json: bool) -> None:
    """Print what the mandate in FILE would change, and change nothing. Exit code 1: it would be refused.

    A name that ends in .json is read as JSON, everything else as TOML.

    \b
    Examples:
      keyhouse mandate plan mandate.toml
      keyhouse mandate plan --json mandate.toml
    """  # noqa: D301 - \b is click's own mark
    written = _read(file)
    found = preview(written.read(), clock.now())
    told = _plan_with_lines(found, written) | with_timeline(
        Policy(written.read(), found.version), clock.now()
    )
    click.echo(as_json(told) if is_json else words.plan(told))
    if found.refusals:
        raise click.exceptions.Exit(FAILED)


@command.command()
@click.argument("file", metavar="FILE|-", type=_FILE)
@_JSON
def apply(file: Path, *, is_json: bool) -> None:
    """Make the mandate in FILE the next version of its name.

    What allows nothing that was refused takes effect at once. Anything else waits for two operators at
    /mandate/proposals/, or, where there is at most one operator, takes effect 24 hours later.

    \b
    Examples:
      keyhouse mandate apply mandate.toml
      keyhouse mandate show default --document > default.json; keyhouse mandate apply default.json
    """  # noqa: D301 - \b is click's own mark
    written = _read(file)
    planned = services.plan_version(written.read())
    found = planned.plan
    told = _plan_with_lines(found, written)
    if not is_json or found.refusals:
        click.echo(as_json(told) if is_json else words.plan(told))
    if found.refusals:
        raise click.exceptions.Exit(FAILED)
    row, is_new = _propose(planned)
    outcome = {"plan": told, **words.version_dict(row), "is_changed": is_new}
    click.echo(as_json(outcome) if is_json else words.outcome(row, is_new=is_new, now=clock.now()))


def _propose(planned: services.Planned) -> tuple[MandateVersion, bool]:
    """Propose a version; returns its row, and whether it is a new one."""
    last = MandateVersion.objects.aggregate(last=Max("pk"))["last"] or 0
    row = services.propose_version(planned.mandate, by=host(), planned=planned)
    return row, row.pk > last and row.origin != MandateVersion.Origin.DEFAULT


def _read(file: Path) -> Written:
    if str(file) == "-":
        return read_written(sys.stdin.buffer.read(LARGEST + 1))
    with file.open("rb") as opened:
        return read_written(opened.read(LARGEST + 1), is_json=file.suffix == ".json")


def _plan_with_lines(found: Plan, written: Written) -> dict[str, Any]:
    """Return the plan as JSON has it, each remark with the line that it is about."""
    told = found.as_dict()
    for name, remarks in (("warnings", found.warnings), ("refusals", found.refusals)):
        told[name] = [one.as_dict() | {"line": written.line_of(one.path)} for one in remarks]
    return told


# ---- the ledger


@command.command()
@_JSON
def status(*, is_json: bool) -> None:
    """Print what is live with counts of people, what waits for approval, what will take effect, and the state of each.

    \b
    Example:
      keyhouse mandate status
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    policies = queries.live_policies(now)
    beside = {one.label: with_timeline(one, now) for one in policies}
    live = [one.as_dict() for one in read_adoption(policies, now)]
    live = [one | beside[f"{one['mandate']}@{one['version']}"] for one in live]
    opened = [_proposal_dict(one) for one in console.proposals_for(host(), now)]
    standing = queries_of_campaigns.standing(queries_of_campaigns.campaigns(), now)
    told = {
        "states": [one.as_dict(now) for one in standing],
        "live": live,
        "waiting": [one for one in opened if one["effective_at"] is None],
        "coming": [one for one in opened if one["effective_at"] is not None],
        "shadows": shadows_told(now),
    }
    click.echo(as_json(told) if is_json else _status_words(told))


def _status_words(told: dict[str, Any]) -> str:
    states = [f"State: {mandate_campaigns.state_line(one)}" for one in told["states"]]
    return "\n".join([words.status(told), *states])


def _proposal_dict(one: console.Proposal) -> dict[str, Any]:
    return words.version_dict(one.row) | (one.waiting() if one.waits else {})


@command.command()
@click.argument("name")
@click.option("--version", type=VERSION, help="This version; without it the live one, or the last.")
@click.option(
    "--document", "only_document", is_flag=True, help="Print the document alone, as `apply` takes it."
)
@_JSON
def show(name: str, version: int | None, *, only_document: bool, is_json: bool) -> None:
    """Print a version of a mandate: who, what, when, and who proposed and approved it.

    \b
    Examples:
      keyhouse mandate show default
      keyhouse mandate show everyone-2023 --version 2 --json
      keyhouse mandate show default --document > default.json
    """  # noqa: D301 - \b is click's own mark
    row = _version(name, version)
    told = words.version_dict(row) | {"plan": row.plan}
    if only_document:
        click.echo(as_json(row.document))
    else:
        click.echo(as_json(told) if is_json else words.version(row))


def _version(name: str, version: int | None) -> MandateVersion:
    services.store_default()
    rows = MandateVersion.objects.filter(name=name).order_by("-version")
    if version is None:
        live = {one.name: one.version for one in queries.live_policies(clock.now())}
        version = live.get(name)
    row = (rows.filter(version=version) if version is not None else rows).first()
    if row is None:
        raise MandateMissing
    return row


@command.command()
@click.argument("name")
@click.argument("version", type=VERSION)
@_JSON
def withdraw(name: str, version: int, *, is_json: bool) -> None:
    """Take back a version that is not yet in effect.

    \b
    Example:
      keyhouse mandate withdraw everyone-2023 2
    """  # noqa: D301 - \b is click's own mark
    row = services.withdraw_version(name, version, by=host())
    told = {"mandate": row.name, "version": row.version}
    click.echo(as_json(told) if is_json else f"{row} is withdrawn.")


# ---- what it does to whom


@command.command()
@click.argument("name")
@click.option("--user", "is_user", is_flag=True, help="NAME is a person's, also where a mandate has it.")
@_JSON
def check(name: str, *, is_user: bool, is_json: bool) -> None:
    """Print who is refused by a live mandate, now and at each stage; or what is asked of a person.

    \b
    Examples:
      keyhouse mandate check default
      keyhouse mandate check ada
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    policies = queries.live_policies(now)
    policy = next((one for one in policies if one.name == name and not is_user), None)
    if policy is not None:
        told = read_adoption([policy], now)[0].as_dict()
        click.echo(as_json(told) if is_json else words.adoption(told))
        return
    user = find_user(name)
    if user is None:
        raise NotFound(
            f"There is no live mandate and no user {name}.", fix="`keyhouse mandate status` lists mandates."
        )
    _check_person(user, policies, now, is_json=is_json)


def _check_person(user: User, policies: tuple[Policy, ...], now: datetime, *, is_json: bool) -> None:
    found = asked.standing_of(queries.facts_of_person(user.pk), policies, now).as_dict()
    told = {"user": user.username, **found}
    click.echo(as_json(told) if is_json else words.standing(told))


class Asking(click.ParamType[tuple[str, str]]):
    """A session or token, and what it was proven by: `session:totp`."""

    name = "kind:proof"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        """Read kind and proof, or fail with what is allowed."""
        kind, _, proof = str(value).partition(":")
        if kind not in {"session", "token"} or proof not in PROOFS:
            self.fail(f"{value!r} is not session: or token: and one of {', '.join(PROOFS)}", param, ctx)
        return kind, proof


@command.command()
@click.option("--user", "username", required=True, help="Who would do it.")
@click.option("--action", required=True, metavar="ACTION", help="What they would do, such as release.upload.")
@click.option("--project", default="", help="The project that it would be done to.")
@click.option("--at", type=Instant(), help="When; now without it.")
@click.option(
    "--with",
    "asking",
    type=Asking(),
    default="session:password",
    show_default=True,
    help="By what, and how that was proven.",
)
@click.option(
    "--device-bound",
    is_flag=True,
    help="The security key or passkey can't leave its device; without it, it can.",
)
@click.option(
    "--mandate",
    "draft",
    metavar="NAME|FILE",
    help="As if the mandate in this file, or the newest version of this name, were in effect.",
)
@click.option(
    "--minted", type=Instant(), help="When the token was made; at the instant asked about without it."
)
@_JSON
def explain(  # noqa: PLR0913 - one option for each part of the question
    *,
    username: str,
    action: str,
    project: str,
    at: datetime | None,
    asking: tuple[str, str],
    device_bound: bool,
    draft: str | None,
    minted: datetime | None,
    is_json: bool,
) -> None:
    """Print what the gate would answer: allowed or not, by which mandate, since or until when, and what to do.

    Whether the person has the role that it takes isn't asked here.

    \b
    Examples:
      keyhouse mandate explain --user ada --action release.upload --project alpha --with token:password
      keyhouse mandate explain --user ada --action project.manage --at 2027-01-01T00:00:00Z
      keyhouse mandate explain --user ada --action release.upload --at 2027-06-01T09:00:00Z --mandate mandate.toml
    """  # noqa: D301 - \b is click's own mark
    user = get_user(username)
    if action not in CATALOGUE:
        raise click.BadParameter(
            f"there is no action {action!r}; there are {', '.join(CATALOGUE)}", param_hint="--action"
        )
    at = at or clock.now()
    thing = Thing("project", None, normalise(project)) if project else None
    actor = _actor(user, asking, minted or at, device_bound=device_bound)
    decision = _decide(draft, actor, action, thing, at).as_dict()
    told = {"user": user.username, "action": action, "at": clock.format_instant(at), **decision}
    click.echo(as_json(told) if is_json else words.decision(told))


def _decide(draft: str | None, actor: Actor, action: str, thing: Thing | None, at: datetime) -> Decision:
    if draft is None:
        return gates.weigh(actor, action, thing, at)[1]
    return explaining.explain(
        mandate_simulate.read_named(draft), actor, action, thing, at=at, now=clock.now()
    )


def _actor(user: User, asking: tuple[str, str], proved_at: datetime, *, device_bound: bool) -> Actor:
    """Return who would ask; a session has proven it just then."""
    kind, proof = asking
    methods = frozenset({proof}) if proof == "passkey" else frozenset({"password", proof})
    return Actor(
        "session" if kind == "session" else "token",
        user.pk,
        user.username,
        strength=Strength(
            methods,
            proved_at,
            user_verified=proof == "passkey",
            device_bound=device_bound and proof in PHISHING_RESISTANT_METHODS,
        ),
        is_operator=user.is_operator,
        is_moderator=user.is_moderator,
        is_auditor=user.is_auditor,
        state=user.state,
    )


@command.command()
@_JSON
def tokens(*, is_json: bool) -> None:
    """Print how many live API tokens are weaker than the live mandates ask for.

    \b
    Example:
      keyhouse mandate tokens
    """  # noqa: D301 - \b is click's own mark
    counts = dispositions.count_by_class(clock.now()).as_dict()
    click.echo(as_json(counts) if is_json else words.tokens(counts))


# ---- exemptions


@command.command()
@click.argument("username", metavar="USER")
@click.argument("name")
@click.option("--until", type=Instant(), required=True, help="When it ends, within 90 days.")
@click.option("--reason", required=True, help="Why.")
@click.option("--evidence", required=True, help="What shows that.")
@click.option("--control", required=True, help="What protects the account meanwhile.")
@_JSON
def exempt(  # noqa: PLR0913 - what makes an exemption accountable, one option each
    *, username: str, name: str, until: datetime, reason: str, evidence: str, control: str, is_json: bool
) -> None:
    """Propose to exempt USER from the live mandate NAME for a while; two operators approve it, or it takes effect a day later.

    \b
    Example:
      keyhouse mandate exempt ada default --until 2027-01-31T00:00:00Z --reason "The key is in the mail." \\
        --evidence "Order 17" --control "Publishes from CI only."
    """  # noqa: D301 - \b is click's own mark
    user = get_user(username)
    row = services.propose_exemption(
        user, name, until=until, reason=reason, evidence=evidence, control=control, by=host()
    )
    click.echo(as_json(words.exemption_dict(row)) if is_json else words.exemption(row, clock.now()))


@command.command()
@click.option("--all", "with_ended", is_flag=True, help="Also ended and withdrawn ones.")
@_JSON
def exemptions(*, with_ended: bool, is_json: bool) -> None:
    """List exemptions: who, from what, until when, why, and who answers for it.

    \b
    Example:
      keyhouse mandate exemptions --all
    """  # noqa: D301 - \b is click's own mark
    now = clock.now()
    rows = Exemption.objects.select_related("user", "version").order_by("until", "pk")
    if not with_ended:
        rows = rows.filter(until__gt=now, withdrawn_at__isnull=True)
    if is_json:
        click.echo(as_json([words.exemption_dict(row) for row in rows]))
        return
    for row in rows:
        click.echo(words.exemption(row, now))


@command.command("withdraw-exemption")
@click.argument("exemption_id", metavar="ID", type=ID)
@_JSON
def withdraw_exemption(exemption_id: int, *, is_json: bool) -> None:
    """End an exemption, or a proposal of one, now.

    \b
    Example:
      keyhouse mandate withdraw-exemption 3
    """  # noqa: D301 - \b is click's own mark
    row = services.withdraw_exemption(exemption_id, by=host())
    click.echo(as_json(words.exemption_dict(row)) if is_json else "Withdrawn.")


command.add_command(complete)
command.add_command(complete, "certify")  # what others call it
command.add_command(template)
command.add_command(templates)
command.add_command(show_guards)
command.add_command(show_timeline)
command.add_command(emergency_accounts)
command.add_command(mandate_stranded.command)
command.add_command(mandate_organizations.command)
command.add_command(mandate_requests.command)
command.add_command(mandate_simulate.simulate)
command.add_command(mandate_simulate.diff)
for _one in mandate_campaigns.COMMANDS:
    command.add_command(_one)
