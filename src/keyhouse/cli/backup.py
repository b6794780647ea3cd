"""`keyhouse backup DIR`: a consistent copy of a running index.

`DIR` holds a copy of the database, `files/`, and `manifest.json`, which names that copy and is replaced last: a backup
that was killed in the middle leaves the one before it whole. Blobs never change under their name, so only new ones are
copied. The keys are not in it, on purpose; `--keys FILE` writes them where you say.
"""

from __future__ import annotations

import json
import secrets
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import click

from keyhouse import __version__
from keyhouse.cli.copies import (
    FILES,
    MANIFEST,
    copy_blob,
    copy_database,
    digest_of,
    write_synced,
)
from keyhouse.cli.progress import follow
from keyhouse.core import clock, configuration, faults, keys
from keyhouse.core.configuration import Configuration
from keyhouse.projects.models import File
from keyhouse.storage import blobs
from keyhouse.storage.local import LocalBlobs
from keyhouse.storage.turns import hold_storage

_DATABASES: Final = ("database-*.sqlite3", "database-*.dump")


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


def make_backup(settings: Configuration, folder: Path) -> dict[str, Any]:
    """Copy the database, then the blobs, then replace the manifest; returns it. Raises CopyImpossible.

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


def _copy_blobs(folder: Path) -> int:
    """Copy every blob that is not there yet; returns how many."""
    store, copies = blobs(), LocalBlobs(folder)
    missing = [key for key in store.keys() if copies.size(key) != store.size(key)]  # noqa: SIM118 - not a dict
    for key in follow(missing, "Copying files"):
        copy_blob(store, copies, key)
    copies.sweep_incoming(timedelta(0))  # what killed backups left
    return len(missing)


def _manifest(settings: Configuration, database: Path, *, files: int, copied: int) -> dict[str, Any]:
    return {
        "version": __version__,
        "environment": settings.environment,
        "made_at": clock.format_instant(clock.now()),
        "database": settings.database_kind,
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
            "API tokens and authenticator apps die at a restore (security keys don't)."
        )
    return "\n".join(lines)
