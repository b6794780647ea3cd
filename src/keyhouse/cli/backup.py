"""`keyhouse backup DIR`: a consistent copy of a running index.

`DIR` holds a copy of the database, `files/`, and `manifest.json`, which names that copy and is replaced last: a backup
that was killed in the middle leaves the one before it whole. Blobs never change under their name, so only new ones are
copied. The keys are not in it, on purpose; `--keys FILE` writes them where you say.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

import click

from keyhouse import __version__
from keyhouse.cli.progress import follow
from keyhouse.core import clock, configuration, faults, keys
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import Refusal, Situation
from keyhouse.projects.models import File
from keyhouse.storage import blobs
from keyhouse.storage.blobs import Blobs
from keyhouse.storage.local import LocalBlobs

MANIFEST: Final = "manifest.json"
DRAFT: Final = ".new"
FILES: Final = "files"
_DATABASES: Final = ("database-*.sqlite3", "database-*.dump")


class BackupImpossible(Refusal):
    """Something this needs is not there."""

    code = "backup-impossible"
    situation = Situation.UNAVAILABLE
    sentence = "The backup could not be made."


@click.command("backup")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write the keys to this file.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(folder: Path, *, keys_file: Path | None, as_json: bool) -> None:
    """Copy the running index into FOLDER; run it again to bring the copy up to date.

    \b
    Examples:
      keyhouse backup /backups/index
      keyhouse backup /backups/index --keys /safe/keyhouse-keys.json
    """  # noqa: D301 - \b is click's own mark
    settings = configuration.current()
    with hold_storage(settings):
        manifest = make_backup(settings, folder)
    if keys_file:
        write_synced(keys_file, settings.key_file.read_bytes(), mode=0o600)
    click.echo(json.dumps(manifest) if as_json else _told(manifest, folder, keys_file))


@contextmanager
def hold_storage(settings: Configuration) -> Iterator[None]:
    """Keep pruning and backups apart: a blob must not go while a copy of the database still names it."""
    with (settings.data / "storage.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_backup(settings: Configuration, folder: Path) -> dict[str, Any]:
    """Copy the database, then the blobs, then replace the manifest; returns it. Raises BackupImpossible.

    Must be called under `hold_storage`. A blob is stored before the rows that name it, so the blobs copied after the
    database hold all that the copy names.
    """
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    database = folder / _database_name(settings)
    files = File.objects.count()
    copy_database(settings, database)
    faults.reach("backup.database-copied")
    copied = _copy_blobs(folder / FILES)
    faults.reach("backup.blobs-copied")
    manifest = _manifest(settings, database, files=files, copied=copied)
    write_synced(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    _remove_older(folder, database)
    return manifest


def _database_name(settings: Configuration) -> str:
    return f"database-{secrets.token_hex(8)}.{'sqlite3' if settings.sqlite_path else 'dump'}"


def _remove_older(folder: Path, kept: Path) -> None:
    """Remove copies of the database that no manifest names: older ones, and what killed backups left."""
    for path in (found for pattern in _DATABASES for found in folder.glob(pattern)):
        if path != kept:
            path.unlink()


def copy_database(settings: Configuration, target: Path) -> None:
    """Copy the live database as of one moment into a file that is synced; raises BackupImpossible."""
    if settings.sqlite_path:
        _copy_sqlite(settings.sqlite_path, target)
    else:
        run_postgresql_tool(
            settings.database_url, "pg_dump", "--format=custom", "--no-owner", f"--file={target}"
        )
    target.chmod(0o600)
    _sync(target)
    _sync(target.parent)


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy in one read transaction; writers go on meanwhile (WAL)."""
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it


def run_postgresql_tool(database_url: str, name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own client programs on a database; raises BackupImpossible with its last line.

    The password goes by the environment: everybody on a machine can read the words of a command.
    """
    if not shutil.which(name):
        raise BackupImpossible(f"{name} is not on this machine.", fix="Install PostgreSQL's client programs.")
    url, password = without_password(database_url)
    command = [name, f"--dbname={url}", *arguments]
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - fixed names
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackupImpossible(f"{name} failed: {last[:300]}")


def without_password(url: str) -> tuple[str, str]:
    """Split `postgresql://name:password@host/database` into the address without its password, and the password."""
    parts = urlsplit(url)
    bare = parts.netloc.rpartition("@")[2]
    name = f"{quote(unquote(parts.username))}@" if parts.username else ""
    return urlunsplit(parts._replace(netloc=name + bare)), unquote(parts.password or "")


def _copy_blobs(folder: Path) -> int:
    """Copy every blob that is not there yet; returns how many."""
    store, copies = blobs(), LocalBlobs(folder)
    missing = [key for key in store.keys() if copies.size(key) != store.size(key)]  # noqa: SIM118 - not a dict
    for key in follow(missing, "Copying files"):
        copy_blob(store, copies, key)
    copies.sweep_incoming(timedelta(0))  # what killed backups left
    return len(missing)


def copy_blob(source: Blobs, target: Blobs, key: str) -> None:
    """Copy one blob from store to store; durable when this returns."""
    temp = target.incoming()
    with source.open(key) as content, temp.open("xb") as file:
        shutil.copyfileobj(content, file, 2**20)
    target.keep(temp, key)


def write_synced(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file under another name, sync it, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + DRAFT)
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """Return SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _manifest(settings: Configuration, database: Path, *, files: int, copied: int) -> dict[str, Any]:
    return {
        "version": __version__,
        "environment": settings.environment,
        "made_at": clock.format_instant(clock.now()),
        "database": "sqlite" if settings.sqlite_path else "postgresql",
        "database_file": database.name,
        "database_sha256": digest_of(database),
        "files": files,
        "blobs_copied_now": copied,
        "keys_included": False,
        "key_ids": [key.id for key in keys.ring().keys],
    }


def _told(manifest: dict[str, Any], folder: Path, keys_file: Path | None) -> str:
    lines = [f"{folder}: {manifest['files']} files, {manifest['blobs_copied_now']} copied now."]
    if keys_file:
        lines.append(f"Keys: {keys_file}. Keep it apart from the backup; together they open everything.")
    else:
        lines.append(
            f"The keys are not in it. Copy {configuration.current().key_file} to another place: without it "
            "API tokens and authenticator apps die at a restore."
        )
    return "\n".join(lines)
