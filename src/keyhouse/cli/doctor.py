"""`keyhouse doctor`: what a new operator gets wrong, found and told with what to do."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Final

import click

from keyhouse.cli import (
    doctor_holdings,
    doctor_inside,
    doctor_machine,
    doctor_outside,
    doctor_trust,
    surroundings,
)
from keyhouse.cli.doctor_findings import Check, Finding, problem
from keyhouse.core import instance
from keyhouse.core.configuration import Configuration, ConfigurationError

ON_THE_MACHINE: Final[tuple[Check, ...]] = (
    doctor_machine.check_settings,
    doctor_machine.check_drive,
    doctor_machine.check_key_file,
    doctor_holdings.check_holdings,
    doctor_machine.check_kernel_clock,
)
INSIDE: Final[tuple[Check, ...]] = (
    doctor_inside.check_database,
    doctor_inside.check_compiling,
    doctor_inside.check_clock,
    doctor_inside.check_mail,
    doctor_inside.check_cdn,
    doctor_inside.check_people,
    doctor_inside.check_security_keys,
    doctor_inside.check_operator_networks,
    doctor_inside.check_readers,
)
SAID: Final[tuple[Check, ...]] = (doctor_outside.check_name, doctor_trust.check_trust)  # the settings say it
OUTSIDE: Final[tuple[Check, ...]] = (doctor_outside.check_way,)
_MARKS: Final = {"ok": "ok      ", "hint": "note    ", "problem": "PROBLEM "}


@click.command()
@click.option("--offline", is_flag=True, help="Don't ask through the base URL.")
@click.option("--json", "is_json", is_flag=True, help="Print one JSON document.")
def command(*, offline: bool, is_json: bool) -> None:
    """Look for what is wrong with this installation, and say what to do. Changes nothing.

    Looks at settings, data folder, permissions, disk, drive, key file, database, clock, trusted proxies, mail (signs in at the
    mail server and sends nothing), and, through the base URL, at TLS and proxies. Exit code 1 where there is a problem; notes are no problems.

    \b
    Examples:
      keyhouse doctor
      keyhouse doctor --json | jq '.[] | select(.grade == "problem")'
    """  # noqa: D301 - \b is click's own mark
    found = []
    for finding in examine(is_offline=offline):
        found.append(finding)
        if not is_json:
            _print(finding)
    if is_json:
        from keyhouse.cli.main import as_json  # noqa: PLC0415 - `main` reads this file

        click.echo(as_json([asdict(finding) for finding in found]))
    if any(finding.grade == "problem" for finding in found):
        sys.exit(1)


def examine(*, is_offline: bool) -> Iterator[Finding]:
    """Look at everything that can be looked at, whatever else is broken."""
    try:
        settings = surroundings.configure()
    except ConfigurationError as error:
        yield problem(
            "settings", str(error), "`keyhouse settings --markdown` lists every setting and what it takes."
        )
        return
    yield from doctor_machine.check_folder(settings)
    if not (instance.is_at_hand(settings) and os.access(settings.data, os.W_OK)):
        return
    for check in ON_THE_MACHINE:
        yield from check(settings)
    surroundings.load_features()
    for check in INSIDE:
        yield from _unless_broken(check, settings)
    for check in SAID if is_offline else (*SAID, *OUTSIDE):
        yield from check(settings)


def _unless_broken(check: Check, settings: Configuration) -> Iterator[Finding]:
    """Go on with the rest where the database gives no answer to one question."""
    from django.db import DatabaseError  # noqa: PLC0415 - Django is set up by now

    try:
        yield from check(settings)
    except DatabaseError as error:
        about = check.__name__.removeprefix("check_")
        yield problem(
            about, f"The database gives no answer: {str(error).strip()}.", "The server's log says more."
        )


def _print(finding: Finding) -> None:
    click.echo(f"{_MARKS[finding.grade]}{finding.about}: {finding.sentence}")
    if finding.fix:
        click.echo(f"        → {finding.fix}")
