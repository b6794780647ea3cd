"""`keyhouse passwords`: what is known of compromised passwords, and the file of them that works without a network."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Final

import click

from keyhouse.accounts import rules
from keyhouse.accounts.passwords import sources
from keyhouse.accounts.passwords.compromised_file import FILE_NAME, CompromisedFile
from keyhouse.accounts.passwords.errors import CompromisedFileDamaged
from keyhouse.accounts.passwords.importing import Imported, Progress, import_dump
from keyhouse.accounts.passwords.range_service import RangeServiceError
from keyhouse.cli import surroundings
from keyhouse.cli.progress import bar, follow
from keyhouse.core import clock, configuration, data_folder, instance

LINE_SECONDS: Final = 5.0
DIGEST_HEX: Final = 40
WORDS: Final = {
    sources.BUILT_IN: "built-in lists",
    sources.FILE: "imported file",
    sources.RANGE_SERVICE: "range service",
}


@click.group("passwords")
def command() -> None:
    """Import compromised passwords, ask for one, see which sources there are."""


@command.command("import")
@click.argument("file", metavar="FILE")
@click.option(
    "--minimum-count",
    type=click.IntRange(1, 2**63 - 1),
    default=1,
    show_default=True,
    help="Leave out what was seen less often.",
)
def import_(file: str, minimum_count: int) -> None:
    """Make the file of compromised passwords from the published list, lines `SHA1:count` ordered by hash.

    FILE may be compressed by gzip; `-` is standard input. A running index takes the new file at once. Interrupted, the
    same command goes on where it was.

    \b
    Examples:
      keyhouse passwords import pwned-passwords-sha1-ordered-by-hash.txt
      keyhouse passwords import --minimum-count 10 list.txt.gz
    """  # noqa: D301 - \b is click's own mark
    has_index = _open_surroundings()
    data = configuration.current().data
    try:
        with _source(file) as source, _watched(source) as tell:
            imported = import_dump(source, data, least_count=minimum_count, tell=tell)
    except KeyboardInterrupt:
        raise click.ClickException("Stopped. The same command goes on where it was.") from None
    if has_index:
        _record(imported)
    _tell_imported(imported, data / FILE_NAME)


def _open_surroundings() -> bool:
    """Make everything ready, also beside a folder that is no index yet; returns whether it is one."""
    settings = surroundings.configure()
    if instance.find_instance(settings.data) is None:
        data_folder.make(settings.data)
        return False
    surroundings.open_index()
    return True


@contextmanager
def _source(file: str) -> Iterator[IO[bytes]]:
    if file == "-":
        yield sys.stdin.buffer
        return
    with Path(file).open("rb") as opened:
        yield opened


def _size_of(source: IO[bytes]) -> int | None:
    try:
        return os.fstat(source.fileno()).st_size if source.seekable() else None
    except (OSError, io.UnsupportedOperation):
        return None


@contextmanager
def _watched(source: IO[bytes]) -> Iterator[Callable[[Progress], None]]:
    """Give what is told how far it is: a bar on a terminal, else a line now and then."""
    size = _size_of(source)
    if not sys.stderr.isatty():
        yield _Lines(source, size).tell
        return
    with bar() as shown:
        task = shown.add_task("Importing", total=size)
        yield lambda now: shown.update(
            task, completed=source.tell() if size else now.source_bytes, description=_doing(now)
        )


def _doing(now: Progress) -> str:
    return "Reading what was done before" if now.is_again else f"{now.lines:,} lines"


class _Lines:
    """Plain lines on standard error: how far, how fast."""

    def __init__(self, source: IO[bytes], size: int | None) -> None:
        self._source, self._size = source, size
        self._told_at, self._told_lines = time.monotonic(), 0

    def tell(self, now: Progress) -> None:
        """Write a line where the last one is long enough ago."""
        passed = time.monotonic() - self._told_at
        if passed < LINE_SECONDS:
            return
        share = f", {self._source.tell() / self._size:.0%}" if self._size else ""
        speed = f", {max(0, now.lines - self._told_lines) / passed:,.0f} a second" if now.lines else ""
        click.echo(f"{_doing(now)}{share}{speed}", err=True)
        self._told_at, self._told_lines = time.monotonic(), now.lines


def _tell_imported(imported: Imported, path: Path) -> None:
    about = imported.about
    if imported.went_on_at:
        click.echo(f"Went on behind line {imported.went_on_at:,}.")
    each = imported.size / about.entries
    click.echo(f"{about.entries:,} passwords of {about.lines:,} lines in {path}, {each:.1f} bytes each.")
    click.echo("Everybody's password is looked up in it at their next sign-in.")
    if imported.seems_cut_off:
        click.echo(
            "The list ends early: it seems to be cut off. Compare its size with the published one.", err=True
        )


def _record(imported: Imported) -> None:
    from django.db import transaction  # noqa: PLC0415 - only where there is an index

    from keyhouse.audit.services import record  # noqa: PLC0415 - the same
    from keyhouse.core.actor import host  # noqa: PLC0415 - the same

    details: dict[str, str | int | bool | list[str] | None] = {
        "command": "passwords import",
        "passwords": imported.about.entries,
        "minimum_count": imported.about.least_count,
        "source_sha256": imported.about.source_sha256.hex(),
    }
    with transaction.atomic():
        record("host.command", by=host(), details=details)


@command.command()
@click.option("--hash", "hash_", metavar="SHA1", help="Ask for a SHA-1 digest (40 hex digits) instead.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def check(*, hash_: str | None, as_json: bool) -> None:
    """Say which sources know a password, which is typed unseen or read from standard input; exit 1 where one does.

    \b
    Examples:
      keyhouse passwords check
      keyhouse passwords check --hash 5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8
    """  # noqa: D301 - \b is click's own mark
    surroundings.configure()
    verdict = sources.look_up(_read_password()) if hash_ is None else _look_up_hash(hash_)
    if as_json:
        click.echo(json.dumps({"known_by": verdict.known_by, "unanswered": dict(verdict.unanswered)}))
    else:
        _tell_verdict(verdict)
    sys.exit(1 if verdict.is_known else 0)


def _read_password() -> str:
    if sys.stdin.isatty():
        password: str = click.prompt("Password", hide_input=True, err=True)
        return password
    return sys.stdin.buffer.readline().rstrip(b"\r\n").decode("utf-8", "replace")


def _look_up_hash(text: str) -> sources.Verdict:
    try:
        digest = bytes.fromhex(text.strip()) if len(text.strip()) == DIGEST_HEX else b""
    except ValueError:
        digest = b""
    if len(digest) * 2 != DIGEST_HEX:
        raise click.BadParameter("a SHA-1 digest has 40 hex digits", param_hint="--hash")
    sha1 = partial(hashlib.sha1, usedforsecurity=False)
    is_common = any(sha1(word.encode()).digest() == digest for word in rules.common_passwords())
    return sources.look_up_digest(digest, (sources.BUILT_IN,) if is_common else ())


def _tell_verdict(verdict: sources.Verdict) -> None:
    for source, what in verdict.unanswered:
        click.echo(f"The {WORDS[source]} could not be asked: {what}", err=True)
    known = ", ".join(WORDS[source] for source in verdict.known_by)
    click.echo(f"Compromised; known to: {known}." if known else "Not known to be compromised.")


@command.command()
@click.option("--verify", is_flag=True, help="Read the whole imported file and verify it.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def status(*, verify: bool, as_json: bool) -> None:
    """Say which sources there are and whether they work; exit 1 where one doesn't.

    \b
    Example:
      keyhouse passwords status --verify
    """  # noqa: D301 - \b is click's own mark
    settings = surroundings.configure()
    body = {
        "built_in": {"state": "ok", "passwords": len(rules.common_passwords())},
        "file": _file_status(settings.data / FILE_NAME, verify=verify),
        "range_service": _service_status(),
    }
    click.echo(json.dumps(body, indent=2) if as_json else "\n".join(map(_as_line, body.items())))
    sys.exit(1 if any(source["state"] == "failing" for source in body.values()) else 0)


def _file_status(path: Path, *, verify: bool) -> dict[str, Any]:
    try:
        file = CompromisedFile(path)
        if verify:
            file.verify(lambda blocks: follow(blocks, "Verifying"))
    except FileNotFoundError:
        return {"state": "absent"}
    except CompromisedFileDamaged as damage:
        return {"state": "failing", "path": str(path), "problem": f"{damage.sentence} {damage.fix}"}
    except OSError as error:
        return {"state": "failing", "path": str(path), "problem": str(error.strerror)}
    return {
        "state": "ok",
        "path": str(path),
        "passwords": len(file),
        "bytes": file.size,
        "minimum_count": file.about.least_count,
        "made_at": clock.format_instant(file.about.made_at),
        "source_lines": file.about.lines,
        "source_sha256": file.about.source_sha256.hex(),
    }


def _service_status() -> dict[str, Any]:
    """Ask the service about a digest that nobody's password has."""
    service = sources.find_service()
    if service is None:
        return {"state": "off"}
    try:
        service.knows(bytes(20))
    except RangeServiceError as error:
        return {"state": "failing", "url": service.url, "problem": str(error)}
    return {"state": "ok", "url": service.url}


def _as_line(item: tuple[str, dict[str, Any]]) -> str:
    name, body = item
    details = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in body.items() if key != "state")
    return f"{name.replace('_', ' ')}: {body['state']}{f' ({details})' if details else ''}"
