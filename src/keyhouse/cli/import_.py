"""`keyhouse import`: bring in a folder of files, or what another index holds."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import click
from click.shell_completion import CompletionItem
from django.db import transaction
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from keyhouse.audit.services import record
from keyhouse.cli.defaults import WithDefault
from keyhouse.cli.people import count_people, left_out
from keyhouse.cli.progress import bar
from keyhouse.cli.telling import JSON, tell
from keyhouse.core import clock, configuration
from keyhouse.core.actor import host
from keyhouse.core.errors import Refusal
from keyhouse.projects.collaborators.errors import ProjectLeft
from keyhouse.projects.errors import SecondSourceDistribution
from keyhouse.publishing.importing.errors import ImportStopped, OwnersInvalid, YankedAlone
from keyhouse.publishing.importing.names import Wanted
from keyhouse.publishing.importing.owners import Line, Owners, read_owners
from keyhouse.publishing.importing.pending import (
    OfferedAgain,
    offer_again,
    offered_to_nobody,
    ownerless_projects,
    remind,
    who_has_not_come,
)
from keyhouse.publishing.importing.report import Report, writing
from keyhouse.publishing.importing.rows import FAILED, HERE, IMPORTED, LEFT_OUT, REFUSED, Row
from keyhouse.publishing.importing.running import Import, Orders
from keyhouse.publishing.importing.sources.choosing import KINDS, Choice, open_source
from keyhouse.publishing.upload.submission import rules_in_use

LINE_SECONDS: Final = 5.0
MOST_SHOWN: Final = 200  # refusals in the table; the report has all
MOST_WORKERS: Final = 64
OWNER_DAYS: Final = 30
_TO_NEW_OWNERS: Final = (
    "`keyhouse project people invite PROJECT WHOM --role owner` offers a project to somebody, "
    "`keyhouse user invite --from FILE --mail` many to many who have no account; "
    "`keyhouse project new-owner` is for one that had an owner before."
)
_DAYS: Final = click.IntRange(1, 365)
# Seconds after which one thread lets another go on. While one writes rows, the others bring bytes to their place and
# give the processes work, by hundreds of short calls of the system; after each they would wait for 5 ms.
_TURN: Final = 0.0002


class _Commands(WithDefault):
    """Takes `keyhouse import SOURCE` for `keyhouse import run SOURCE`."""

    default = "run"


def _folders(ctx: click.Context, argument: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Leave it to the shell to complete a folder."""
    del ctx, argument
    return [CompletionItem(incomplete, type="dir")]


@click.group("import", cls=_Commands)
def command() -> None:
    """Bring in a folder of files, or what another index holds.

    `keyhouse import SOURCE` is short for `keyhouse import run SOURCE`.

    \b
    Examples:
      keyhouse import packages/ --owner ada --dry-run
      keyhouse import https://devpi.example.org/team/prod/ --owners owners.csv --report report.json
    """  # noqa: D301 - \b is click's own mark


@command.command()
@click.argument("source", metavar="FOLDER|URL", shell_complete=_folders)
@click.option("--kind", type=click.Choice(KINDS), default="auto", show_default=True, help="What it is.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Only projects of such names (*, ?).")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="No projects of such names.")
@click.option("--allow-host", "hosts", multiple=True, metavar="HOST", help="Its files may lie there, too.")
@click.option("--lenient", is_flag=True, help="Take old files that today's rules for people would refuse.")
@click.option("--owner", multiple=True, metavar="NAME", help="Owns every new project that comes.")
@click.option("--owners", type=click.Path(path_type=Path), metavar="FILE", help="CSV: project,person,role.")
@click.option(
    "--owner-days",
    type=_DAYS,
    default=OWNER_DAYS,
    show_default=True,
    help="Within so many days people without an account must accept.",
)
@click.option(
    "--no-mail", is_flag=True, help="Mail nobody who is offered a role; `import remind` does it later."
)
@click.option("--ownerless", is_flag=True, help="Let projects come that nobody owns.")
@click.option("--take-reserved", is_flag=True, help="Let projects come by names that are kept for others.")
@click.option(
    "--file-times", is_flag=True, help="Of a folder: files were uploaded when they were changed last."
)
@click.option("--dry-run", is_flag=True, help="Fetch and judge everything; change nothing.")
@click.option("--report", type=click.Path(path_type=Path), metavar="FILE", help="Write a report as JSON.")
@click.option(
    "--workers",
    type=click.IntRange(1, MOST_WORKERS),
    default=lambda: min(os.cpu_count() or 1, MOST_WORKERS),
    help="Processes that judge; as many as there are processors.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the totals as JSON.")
def run(source: str, **given: Any) -> None:
    """Import what FOLDER or URL holds: distributions, a bandersnatch tree, devpi, any index for pip.

    Every file is judged by the rules of an upload. What is here already is passed over, so that the same command goes
    on where it was stopped. Exit code 1 where a file was refused or did not come; what the source has yanked alone, and a
    second source distribution of a release, is left out, and said.

    \b
    Examples:
      keyhouse import /srv/pypiserver/packages --owner ada --dry-run
      keyhouse import https://devpi.example.org/team/prod/ --owners owners.csv --report report.json
      keyhouse import https://index.example.org/simple/ --allow-host files.example.org --include 'acme-*' --owner ada
    """  # noqa: D301 - \b is click's own mark
    choice = Choice(given["kind"], given["hosts"], given["file_times"], configuration.current().ca_file)
    found = open_source(source, choice)
    shown = _Shown(is_dry=given["dry_run"])
    head = {
        "source": found.told,
        "kind": found.kind,
        "started_at": clock.format_instant(clock.now()),
        "dry_run": given["dry_run"],
        "lenient": given["lenient"],
    }
    with writing(given["report"], head) as report:
        work = Import(found, _orders(given), by=host(), tell=_teller(shown, report))
        with shown.watching(work):
            stopped = _run(work)
        tail = _tail(work, stopped)
        if report is not None:
            report.finish(tail)
    _record(work, found.told, is_dry=given["dry_run"])
    if not (given["dry_run"] or given["no_mail"]):
        remind(work.offered_to, by=host())
    click.echo(json.dumps({**head, **tail}, indent=2)) if given["as_json"] else shown.tell(work, stopped)
    sys.exit(0 if work.totals.is_complete and stopped is None else 1)


@command.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, as_json: bool) -> None:
    """Show who was offered a role in imported projects and has not come, and which projects nobody owns.

    An offer stands there until 30 days after its end. Then it is forgotten with the address, and the project stands there
    without an owner: `keyhouse project people invite PROJECT WHOM --role owner` offers it to somebody.

    \b
    Example:
      keyhouse import status --json
    """  # noqa: D301 - \b is click's own mark
    waited, ownerless = who_has_not_come(clock.now()), ownerless_projects()
    if as_json:
        told = {"waiting": [one.as_json() for one in waited], "ownerless": ownerless}
        click.echo(json.dumps(told, indent=2))
        return
    for one in waited:
        state = "over since" if one.is_over else "until"
        account = "has an account" if one.has_account else "has no account"
        click.echo(
            f"{one.address}  {state} {clock.format_instant(one.until)}  {account}  {', '.join(one.projects)}"
        )
    for name in ownerless:
        click.echo(f"{name}  has no owner")
    if any(one.is_over for one in waited):
        click.echo(
            "`keyhouse import remind --again` offers anew what is over, all of it; "
            "`keyhouse project people resend PROJECT NUMBER` one.",
            err=True,
        )
    if ownerless:
        click.echo(_TO_NEW_OWNERS, err=True)
    if not waited and not ownerless:
        click.echo("Everybody has come, and every project has an owner.")


@command.command("remind")
@click.option("--again", is_flag=True, help="Instead, offer anew what is over, and mail whom it is for.")
@click.option(
    "--owner-days",
    type=_DAYS,
    help=f"With --again: within so many days they must accept; {OWNER_DAYS} if not given.",
)
@click.option("--dry-run", is_flag=True, help="Say who would be mailed; do nothing.")
@JSON
def remind_(*, again: bool, owner_days: int | None, dry_run: bool, as_json: bool) -> None:
    """Mail once more everybody whose roles in imported projects wait for them.

    Whoever was mailed about all of them less than a day ago is left out, and so are projects in quarantine, in which nobody
    accepts a role; it is said how many. With --again it is those whose roles wait no more, since they didn't come in time. Offers are forgotten 30 days after their end.
    The projects that are offered to nobody since are named, with the command that offers them to somebody.

    \b
    Examples:
      keyhouse import remind
      keyhouse import remind --again --owner-days 14 --dry-run
    """  # noqa: D301 - \b is click's own mark
    if owner_days is not None and not again:
        raise click.UsageError("--owner-days goes with --again: what still waits keeps its deadline.")
    lately = list[str]()
    if again:
        done, unoffered = (
            offer_again(owner_days or OWNER_DAYS, by=host(), is_dry=dry_run),
            offered_to_nobody(),
        )
    else:
        mailed = remind(by=host(), is_dry=dry_run)
        lately = mailed.lately
        done, unoffered = OfferedAgain(mailed.told, [], mailed.resting), []
    others, more = left_out(lately, done.resting)
    count = len(done.addresses)
    verb = "would be" if dry_run else "was" if count == 1 else "were"
    lines = [*(done.addresses if dry_run else ()), f"{count_people(count)} {verb} mailed.", *more]
    told = {"mailed": count, "dry_run": dry_run, "people": done.addresses, "left": done.left, **others}
    tell({**told, "offered_to_nobody": unoffered}, *lines, as_json=as_json)
    if unoffered:
        names = _named(unoffered, "`keyhouse import status` has all")
        click.echo(f"Without an owner, and offered to nobody: {names}. {_TO_NEW_OWNERS}", err=True)
    if done.left:
        click.echo(f"Not for {', '.join(done.left)}. {ProjectLeft.sentence} {ProjectLeft.fix}", err=True)
        sys.exit(1)


def _orders(given: dict[str, Any]) -> Orders:
    return Orders(
        rules=rules_in_use(),
        wanted=Wanted(given["include"], given["exclude"]),
        owners=_owners(given),
        is_lenient=given["lenient"],
        is_dry=given["dry_run"],
        workers=given["workers"],
    )


def _owners(given: dict[str, Any]) -> Owners:
    """Return who owns what; a name or a file that can't be used is wrong use."""
    try:
        written = read_owners(given["owners"]) if given["owners"] else []
        lines = [*(Line("*", name) for name in given["owner"]), *written]
        owners = Owners(
            lines,
            ownerless=given["ownerless"],
            takes_reserved=given["take_reserved"],
            days=given["owner_days"],
        )
        owners.require_known()
    except OwnersInvalid as refusal:
        raise click.UsageError(f"{refusal.sentence} {refusal.fix}") from refusal
    return owners


def _run(work: Import) -> Refusal | None:
    """Run it, and return what stopped it; the first Ctrl-C lets the file in hand be finished."""

    def stop(number: int, frame: object) -> None:
        del number, frame
        signal.signal(signal.SIGINT, before)
        click.echo("Stopping behind the file in hand; press Ctrl-C again to stop at once.", err=True)
        work.stop()

    before = signal.signal(signal.SIGINT, stop)
    gc.freeze()  # what is loaded by now stays: looking through it again and again took a tenth of the time
    turn = sys.getswitchinterval()
    sys.setswitchinterval(_TURN)
    try:
        work.run()
    except ImportStopped as refusal:
        return refusal
    finally:
        sys.setswitchinterval(turn)
        signal.signal(signal.SIGINT, before)
    return None


def _tail(work: Import, stopped: Refusal | None) -> dict[str, Any]:
    return {
        "finished_at": clock.format_instant(clock.now()),
        "is_whole": stopped is None,
        "ownerless": work.ownerless,
        "yanked": work.yanked,
        "offered_to": sorted(work.offered_to),
        "totals": work.totals.as_json(),
    }


def _record(work: Import, source: str, *, is_dry: bool) -> None:
    if is_dry:
        return
    files = work.totals.files
    details: dict[str, Any] = {"command": "import", "source": source[:300], "imported": files[IMPORTED]}
    with transaction.atomic():
        record(
            "host.command", by=host(), details={**details, "refused": files[REFUSED], "failed": files[FAILED]}
        )


def _teller(shown: _Shown, report: Report | None) -> Callable[[Row], None]:
    def tell(row: Row) -> None:
        shown.add(row)
        if report is not None:
            report.add(row)

    return tell


_WHY_LEFT_OUT: Final = {
    YankedAlone.code: "the source has yanked them and not the rest of their release",
    SecondSourceDistribution.code: "their release has a source distribution already",
}


class _Shown:
    """What people see: how far it is while it runs, then what was refused and why, and the sums."""

    def __init__(self, *, is_dry: bool) -> None:
        self._is_dry, self._refused, self._surplus = is_dry, list[Row](), 0
        self._left_out: dict[str, list[str]] = {}  # by code
        self._done, self._told_at = 0, time.monotonic()
        self._update: Callable[[Row], None] = self._line

    @contextmanager
    def watching(self, work: Import) -> Iterator[None]:
        """Show a bar on a terminal, else a line now and then."""
        if not sys.stderr.isatty():
            yield
            return
        with bar() as shown:
            task = shown.add_task("Importing", total=None)

            def update(row: Row) -> None:
                told = escape(f"{self._done:,} files, {row.project}")
                shown.update(task, description=told, total=work.expected, completed=work.totals.projects)

            self._update = update
            yield

    def add(self, row: Row) -> None:
        """Count a row, and keep it where it was refused."""
        self._done += 1
        if row.outcome in {REFUSED, FAILED}:
            if len(self._refused) < MOST_SHOWN:
                self._refused.append(row)
            else:
                self._surplus += 1
        elif row.outcome == LEFT_OUT:
            self._left_out.setdefault(row.code, []).append(row.filename)
        self._update(row)

    def tell(self, work: Import, stopped: Refusal | None) -> None:
        """Print what was refused, and the sums."""
        if self._refused:
            self._print_refused()
        files = work.totals.files
        verb = "would be imported" if self._is_dry else "imported"
        click.echo(
            f"{files[IMPORTED]:,} files {verb} ({work.totals.bytes:,} bytes), {files[HERE]:,} were here,"
            f" {files[REFUSED]:,} refused, {files[FAILED]:,} did not come; {work.totals.made_projects:,} new projects."
        )
        for code, count in work.totals.forgiven.most_common():
            click.echo(f"forgiven: {code} ({count:,} files)")
        for code, names in self._left_out.items():
            click.echo(f"Left out, since {_WHY_LEFT_OUT[code]}: {_named(names)}")
        if work.ownerless:
            click.echo(f"Without an owner: {_named(work.ownerless)}")
        if work.yanked:
            click.echo(f"Yanked, as the source has done since: {_named(work.yanked)}")
        if work.offered_to:
            click.echo(self._offers(len(work.offered_to)))
        if stopped is not None:
            click.echo(f"{stopped.sentence} {stopped.fix}", err=True)

    def _offers(self, count: int) -> str:
        people = count_people(count)
        if self._is_dry:
            return f"{people} without an account here would be offered roles."
        verb = "is" if count == 1 else "are"
        return f"{people} {verb} offered roles; `keyhouse import status` shows who hasn't come."

    def _line(self, row: Row) -> None:
        if time.monotonic() - self._told_at >= LINE_SECONDS:
            click.echo(f"{self._done:,} files, {row.project}", err=True)
            self._told_at = time.monotonic()

    def _print_refused(self) -> None:
        if sys.stdout.isatty():
            Console().print(_table(self._refused))
        else:
            for row in self._refused:
                click.echo(
                    f"{row.outcome}  {row.project}  {row.filename}  {row.code}: {row.sentence} {row.fix}".rstrip()
                )
        if self._surplus:
            click.echo(f"and {self._surplus:,} more; --report FILE tells all.")


def _named(some: Sequence[str], where: str = "the report has all") -> str:
    more = len(some) - MOST_SHOWN
    return ", ".join(some[:MOST_SHOWN]) + (f" and {more:,} more; {where}" if more > 0 else "")


def _table(rows: Sequence[Row]) -> Table:
    table = Table("Project", "File", "Why")
    for row in rows:
        why = f"{row.code}: {row.sentence} {row.fix}".rstrip()
        table.add_row(*map(Text, (row.project, row.filename, why)))
    return table
