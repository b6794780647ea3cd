"""`keyhouse restore DIR`: bring a backup back into an empty data folder.

The folder is marked first and the mark goes last, so that nothing serves what is half restored, and a restore that was
interrupted can be run again.
"""

from __future__ import annotations

import fcntl
import json
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
import psycopg
from packaging.version import InvalidVersion, Version
from psycopg import sql

from keyhouse import __version__
from keyhouse.cli.copies import (
    FILES,
    MANIFEST,
    copy_blob,
    digest_of,
    run_postgresql_tool,
    sync,
    without_password,
    write_synced,
)
from keyhouse.cli.progress import follow
from keyhouse.cli.surroundings import configure, load_features
from keyhouse.core import clock, instance, keys
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import Refusal, Situation
from keyhouse.core.keys import KeyFileError
from keyhouse.storage import blobs
from keyhouse.storage.local import LocalBlobs

if TYPE_CHECKING:
    from keyhouse.accounts.recovering import Ended

KEYS_LOST: Final = "its key was lost at a restore"
_FIT: Final = {
    "sqlite": "Leave KEYHOUSE_DATABASE_URL out; moving an index from SQLite to PostgreSQL is not built.",
    "postgresql": "Name an empty PostgreSQL database by KEYHOUSE_DATABASE_URL; moving an index to SQLite is not built.",
}


class RestoreRefused(Refusal):
    """The backup can't be brought back here."""

    code = "restore-refused"
    situation = Situation.CONFLICT
    sentence = "This backup can't be restored here."


@dataclass(frozen=True, slots=True)
class Backup:
    """A complete backup and what its manifest says."""

    folder: Path
    manifest: dict[str, Any]

    @property
    def database(self) -> Path:
        """Return the copy of the database."""
        return self.folder / str(self.manifest["database_file"])


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The keys kept apart.",
)
@click.option(
    "--without-keys",
    is_flag=True,
    help="Go on without the keys: tokens and authenticator apps die; security keys live on.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, *, keys_file: Path | None, without_keys: bool, as_json: bool) -> None:
    """Restore the backup in FOLDER into the (empty) data folder.

    \b
    Examples:
      keyhouse restore /backups/index --keys /safe/keyhouse-keys.json
      KEYHOUSE_DATA=/srv/new keyhouse restore /backups/index --without-keys
    """  # noqa: D301 - \b is click's own mark
    if (keys_file is None) != without_keys:
        raise click.UsageError("Give --keys FILE, or say --without-keys.")
    settings = configure()
    backup = _read_backup(folder, settings)
    ring = None if keys_file is None else _read_keys(keys_file, backup)
    with _claimed(settings) as is_resumed:
        _put_keys(settings, ring, is_resumed=is_resumed)
        _put_files(backup)
        _put_database(backup, settings)
        load_features()
        told = _bring_up_to_date(backup, settings, are_keys_lost=ring is None)
    instance.mark_version(settings)
    told["differences"] = _find_missing()
    click.echo(json.dumps(told) if as_json else _as_text(told))
    sys.exit(1 if told["differences"] else 0)


# ---- asked before anything is written


def _read_backup(folder: Path, settings: Configuration) -> Backup:
    try:
        backup = Backup(folder, json.loads((folder / MANIFEST).read_text()))
        _refuse_unfit(backup.manifest, settings)
        is_whole = digest_of(backup.database) == backup.manifest["database_sha256"]
    except (OSError, ValueError, KeyError, TypeError, InvalidVersion) as error:
        raise RestoreRefused(f"{folder} holds no complete backup: {error}.") from error
    if not is_whole:
        raise RestoreRefused("The database in the backup is not the one that its manifest tells of.")
    return backup


def _refuse_unfit(manifest: dict[str, Any], settings: Configuration) -> None:
    made_by, environment, kind = manifest["version"], manifest["environment"], manifest["database"]
    if Version(made_by) > Version(__version__):
        raise RestoreRefused(f"The backup was made by Keyhouse {made_by}, newer than this {__version__}.")
    if environment != settings.environment:
        raise RestoreRefused(
            f"The backup is of the environment {environment}; this is {settings.environment}."
        )
    if kind != settings.database_kind:
        raise RestoreRefused(
            f"The backup is of a {kind} database, and this would be a {settings.database_kind} one.",
            fix=_FIT[kind],
        )


def _read_keys(path: Path, backup: Backup) -> bytes:
    """Return the key file's bytes; raises RestoreRefused where it lacks a key that the backup was made with."""
    try:
        ring = keys.read_ring(path)
    except KeyFileError as error:
        raise RestoreRefused(f"{error}.") from error
    missing = [key_id for key_id in backup.manifest["key_ids"] if ring.find(key_id) is None]
    if missing:
        raise RestoreRefused(
            f"{path} lacks keys that the backup was made with: {', '.join(missing)}.",
            fix="Give the keys kept with that backup, or say --without-keys.",
        )
    return path.read_bytes()


# ---- claiming the place


@contextmanager
def _claimed(settings: Configuration) -> Iterator[bool]:
    """Hold folder and database for this restore, both empty; tells whether an earlier attempt was cleared away.

    The mark says which database it is about: that of another place is never cleared.
    """
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = settings.data / instance.RESTORE_MARK
    is_resumed = mark.exists()
    if not is_resumed and any(settings.data.iterdir()):
        raise RestoreRefused(f"{settings.data} is not empty.", fix="Name an empty folder by KEYHOUSE_DATA.")
    with mark.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RestoreRefused("Another restore is at work in this folder.") from error
        try:
            _clear(settings, mark)
        except BaseException:
            if not is_resumed:
                mark.unlink()
            raise
        yield is_resumed
        mark.unlink()
        sync(settings.data)


def _clear(settings: Configuration, mark: Path) -> None:
    """Take away what an interrupted restore left; refuse a database that was never empty for one."""
    place = "" if settings.sqlite_path else without_password(settings.database_url)[0]
    if place:
        _empty_database(settings, is_ours=mark.read_text() == place)
    for path in settings.data.iterdir():
        if path != mark:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    mark.write_text(place)
    sync(mark)
    sync(settings.data)


def _empty_database(settings: Configuration, *, is_ours: bool) -> None:
    try:
        with psycopg.connect(settings.database_url, connect_timeout=10) as connection:
            found = connection.execute(
                "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()"
            ).fetchall()
            if found and not is_ours:
                raise RestoreRefused(
                    "The database is not empty.", fix="Name an empty one by KEYHOUSE_DATABASE_URL."
                )
            for (name,) in found:
                connection.execute(sql.SQL("DROP TABLE IF EXISTS {} CASCADE").format(sql.Identifier(name)))
    except psycopg.Error as error:
        reason = (str(error).strip().splitlines() or ["no reason given"])[0]
        raise RestoreRefused(f"The database can't be used: {reason}.") from error


# ---- bringing it back


def _put_keys(settings: Configuration, content: bytes | None, *, is_resumed: bool) -> None:
    """Put the keys in their place, or new ones; a file that is there and says something else is never overwritten."""
    path = settings.key_file
    if content is None:
        if path.exists() and not is_resumed:
            raise RestoreRefused(f"There are keys in {path}.", fix="Give them by --keys, or move them away.")
        keys.ensure_ring(path)
    elif not path.exists():
        write_synced(path, content, mode=0o600)
    elif path.read_bytes() != content:
        raise RestoreRefused(f"There are other keys in {path}.", fix="Move them away first.")


def _put_files(backup: Backup) -> None:
    source, store = LocalBlobs(backup.folder / FILES), blobs()
    for key in follow(list(source.keys()), "Restoring files"):
        if store.size(key) != source.size(key):
            copy_blob(source, store, key)


def _put_database(backup: Backup, settings: Configuration) -> None:
    if settings.sqlite_path:
        shutil.copyfile(backup.database, settings.sqlite_path)
        settings.sqlite_path.chmod(0o600)
        sync(settings.sqlite_path)
        return
    how = ("--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction")
    run_postgresql_tool(settings.database_url, "pg_restore", *how, str(backup.database))


def _bring_up_to_date(backup: Backup, settings: Configuration, *, are_keys_lost: bool) -> dict[str, Any]:
    """Migrate, end all sessions, and, where the keys are lost, what they closed; returns what there is to tell."""
    from django.core.management import call_command  # noqa: PLC0415 - Django is set up only now
    from django.db import transaction  # noqa: PLC0415 - the same

    from keyhouse.accounts.recovering import end_all_sessions  # noqa: PLC0415 - the same
    from keyhouse.audit.services import Detail, record  # noqa: PLC0415 - the same
    from keyhouse.core.actor import host  # noqa: PLC0415 - the same

    call_command("migrate", verbosity=0, interactive=False)
    _count_rows()
    made_at = str(backup.manifest["made_at"])
    with transaction.atomic():
        ended = end_all_sessions()
        lost = _end_what_died(settings) if are_keys_lost else {}
        details: dict[str, Detail] = {
            "command": "restore",
            "made_at": made_at,
            "are_keys_lost": are_keys_lost,
        }
        record("host.command", by=host(), details=details)
    told = {"made_at": made_at, "files": backup.manifest["files"], "sessions_ended": ended.sessions}
    return {**told, "new_links_needed": _who_needs_a_link(ended, lost.get("ways_back", [])), **lost}


def _who_needs_a_link(ended: Ended, ways_back: list[dict[str, Any]]) -> dict[str, Any]:
    """Tell who lost a link that they may have had, and has got no other one, by what it was for."""
    from keyhouse.organizations.models import OrganizationInvitation  # noqa: PLC0415 - Django is set up only now
    from keyhouse.projects.collaborators.models import ProjectInvitation  # noqa: PLC0415 - the same
    from keyhouse.publishing.importing.pending import who_has_not_come  # noqa: PLC0415 - the same

    now, has_one = clock.now(), {way["username"] for way in ways_back if way["link"]}
    addresses = {link.address.lower() for link in ended.invited if not link.username}
    for invitations in (ProjectInvitation, OrganizationInvitation):  # so that they can be reminded at once
        invitations.objects.filter(address__in=addresses).update(sent_at=None)
    of_projects = {one.address for one in who_has_not_come(now) if not one.is_over}
    offered = OrganizationInvitation.objects.filter(ended_at=None, expires_at__gt=now, invited_by=None)
    of_organizations = set(offered.values_list("address", flat=True)) - of_projects
    return {
        "invited": sum(bool(link.username) for link in ended.invited),
        "offered_projects": len(addresses & of_projects),
        "offered_organizations": len(addresses & of_organizations),
        "enrolling": [name for name in ended.enrolling if name not in has_one],
    }


def _count_rows() -> None:
    """Let PostgreSQL learn what its tables hold: a dump tells it nothing, and until autovacuum comes by it plans as if blind."""
    from django.db import connection  # noqa: PLC0415 - Django is set up only now

    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")


def _end_what_died(settings: Configuration) -> dict[str, Any]:
    from keyhouse.accounts.recovering import end_lost_factors  # noqa: PLC0415 - Django is set up only now
    from keyhouse.core.actor import host  # noqa: PLC0415 - the same
    from keyhouse.credentials.tokens.services import revoke_all_tokens  # noqa: PLC0415 - the same
    from keyhouse.mail.forgetting import fail_unreadable  # noqa: PLC0415 - the same

    revoked = revoke_all_tokens(by=host(), reason=KEYS_LOST)
    ways = [
        {"username": way.username, "link": settings.base_url + way.path if way.path else None}
        for way in end_lost_factors(by=host())
    ]
    return {"tokens_revoked": revoked, "mails_lost": fail_unreadable(clock.now()), "ways_back": ways}


def _find_missing() -> list[str]:
    """Tell which files the rows name and the backup didn't hold; by their sizes, their bytes are not read once more."""
    from keyhouse.cli.storage import compare_files  # noqa: PLC0415 - Django is set up only now

    return [f"{found.code}: {found.about}" for found in compare_files(is_quick=True)]


def _as_text(told: dict[str, Any]) -> str:
    are_keys_here = "ways_back" not in told
    lines = [
        f"Restored {told['files']} files, as of {told['made_at']}.",
        f"All sessions were ended; everybody signs in anew. One-time links died, too{_MAILS_MENDED if are_keys_here else ''}.",
        *_needed_as_text(told["new_links_needed"]),
    ]
    if "ways_back" in told:
        lines.append(
            f"Without the keys {told['tokens_revoked']} API tokens were revoked and every authenticator app died;"
            f" security keys and passkeys live on. {told['mails_lost']} mails that waited can't be sent any more."
        )
        lines += [_way_as_text(way) for way in told["ways_back"]]
    if told["differences"]:
        lines += ["The backup did not hold all that its database names:", *told["differences"]]
    return "\n".join(lines)


_MAILS_MENDED: Final = "; mails that still wait have new ones"
_SENDS_LINKS: Final = {
    "invited": "invited by name (`keyhouse user invited`); `keyhouse user invite --from people.csv --mail` sends new ones",
    "offered_projects": "offered roles in projects; `keyhouse import remind` sends new ones",
    "offered_organizations": "offered roles in organizations; `keyhouse organization people remind NAME` sends new ones",
    "enrolling": "setting an account up anew; `keyhouse user recover NAME` prints a new one",
}


def _needed_as_text(needed: dict[str, Any]) -> list[str]:
    counts = {**needed, "enrolling": len(needed["enrolling"])}
    names = f": {', '.join(needed['enrolling'])}"
    return [
        f"Without their link now: {counts[kind]} {how}{names if kind == 'enrolling' else ''}."
        for kind, how in _SENDS_LINKS.items()
        if counts[kind]
    ]


def _way_as_text(way: dict[str, str | None]) -> str:
    if way["link"] is None:
        return (
            f"{way['username']}: signs in with a security key or a recovery code, then adds what is missing"
        )
    return f"{way['username']}: one-time link (7 days) {way['link']}"
