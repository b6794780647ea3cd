"""`keyhouse backup DIR`: a consistent copy of a running index.

`DIR` holds `database.sqlite3` or `database.dump` (PostgreSQL), `files/`, and `manifest.json`, which is written last: a
backup that was killed in the middle leaves the one before it whole. Blobs never change under their name, so only new ones
are copied. The keys are not in it, on purpose; `--keys FILE` writes them where you say.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import click
from rich.progress import track

from keyhouse import __version__
from keyhouse.core import clock, configuration, faults
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import Refusal, Situation
from keyhouse.projects.models import File
from keyhouse.storage import blobs

MANIFEST: Final = "manifest.json"
DATABASE: Final = {True: "database.sqlite3", False: "database.dump"}  # by "is SQLite"


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
        _copy_keys(settings, keys_file)
    click.echo(json.dumps(manifest) if as_json else _told(manifest, folder, keys_file))


@contextmanager
def hold_storage(settings: Configuration) -> Iterator[None]:
    """Keep pruning and backups apart: a blob must not go while a copy of the database still names it."""
    with (settings.data / "storage.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def make_backup(settings: Configuration, folder: Path) -> dict[str, Any]:
    """Copy database, then blobs, then write the manifest; returns it. Raises BackupImpossible."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    is_sqlite = settings.sqlite_path is not None
    draft = folder / f"{DATABASE[is_sqlite]}.new"
    draft.unlink(missing_ok=True)
    copy_sqlite(settings.sqlite_path, draft) if settings.sqlite_path else _dump_postgresql(settings, draft)
    faults.reach("backup.database-copied")
    copied = _copy_blobs(folder / "files")
    faults.reach("backup.blobs-copied")
    manifest = _manifest(settings, draft, copied)
    draft.replace(folder / DATABASE[is_sqlite])
    _write_synced(folder / MANIFEST, json.dumps(manifest, indent=1).encode())
    return manifest


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a live SQLite database in one read transaction; writers go on meanwhile (WAL)."""
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it
    _sync(target)


def _dump_postgresql(settings: Configuration, target: Path) -> None:
    run_postgresql_tool("pg_dump", "--format=custom", "--no-owner", f"--file={target}", settings.database_url)
    _sync(target)


def run_postgresql_tool(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own client programs; raises BackupImpossible with its last line."""
    if not shutil.which(name):
        raise BackupImpossible(f"{name} is not on this machine.", fix="Install PostgreSQL's client programs.")
    done = subprocess.run([name, *arguments], capture_output=True, text=True, check=False)  # noqa: S603 - fixed names
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise BackupImpossible(f"{name} failed: {last[:300]}")


def _copy_blobs(folder: Path) -> int:
    """Copy every blob that is not there yet; returns how many."""
    store, copied = blobs(), 0
    missing = [key for key in store.keys() if not _is_copied(folder / key, store.size(key))]  # noqa: SIM118 - not a dict
    for key in track(missing, "Copying files", disable=len(missing) < 100, transient=True):  # noqa: PLR2004
        with store.open(key) as source:
            _write_synced(folder / key, source)
        copied += 1
    return copied


def _is_copied(path: Path, size: int | None) -> bool:
    return path.is_file() and path.stat().st_size == size


def _write_synced(path: Path, content: Any) -> None:
    """Write a file under another name, sync it, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + ".new")
    with draft.open("wb") as file:
        file.write(content) if isinstance(content, bytes) else shutil.copyfileobj(content, file, 2**20)
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


def _manifest(settings: Configuration, database: Path, copied: int) -> dict[str, Any]:
    return {
        "version": __version__,
        "environment": settings.environment,
        "made_at": clock.format_instant(clock.now()),
        "database": "sqlite" if settings.sqlite_path else "postgresql",
        "database_sha256": digest_of(database),
        "files": File.objects.count(),
        "blobs_copied_now": copied,
        "keys_included": False,
    }


def _copy_keys(settings: Configuration, target: Path) -> None:
    content = settings.key_file.read_bytes()
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


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
