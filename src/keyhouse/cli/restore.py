"""`keyhouse restore DIR`: bring a backup back into an empty data folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any, Final

import click
from rich.progress import track

from keyhouse import __version__
from keyhouse.cli.backup import DATABASE, MANIFEST, digest_of, run_postgresql_tool
from keyhouse.cli.surroundings import load_features
from keyhouse.core import configuration, keys
from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import Refusal, Situation
from keyhouse.storage import blobs

UNFINISHED: Final = "restore-unfinished"


class RestoreRefused(Refusal):
    """The backup can't be brought back here."""

    code = "restore-refused"
    situation = Situation.CONFLICT
    sentence = "This backup can't be restored here."


@click.command("restore")
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--keys",
    "keys_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="The keys kept apart.",
)
@click.option(
    "--without-keys", is_flag=True, help="Go on without the keys: tokens and authenticator apps die."
)
def command(folder: Path, *, keys_file: Path | None, without_keys: bool) -> None:
    """Restore the backup in FOLDER into the (empty) data folder.

    \b
    Examples:
      keyhouse restore /backups/index --keys /safe/keyhouse-keys.json
      KEYHOUSE_DATA=/srv/new keyhouse restore /backups/index --without-keys
    """  # noqa: D301 - \b is click's own mark
    settings = configuration.current()
    if (keys_file is None) != without_keys:
        raise click.UsageError("Give --keys FILE, or say --without-keys.")
    manifest = _read_manifest(folder, settings)
    _claim_folder(settings)
    _put_keys(settings, keys_file)
    _put_files(folder / "files", settings)
    _put_database(folder, manifest, settings)
    load_features()
    _bring_up_to_date(manifest)
    told = _end_what_died() if without_keys else "Sessions were ended; everybody signs in anew."
    (settings.data / UNFINISHED).unlink()
    click.echo(f"Restored {manifest['files']} files, as of {manifest['made_at']}.\n{told}")


def _read_manifest(folder: Path, settings: Configuration) -> dict[str, Any]:
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text())
        is_sqlite = manifest["database"] == "sqlite"
        database = folder / DATABASE[is_sqlite]
        _refuse_unfit(manifest, settings, is_sqlite=is_sqlite)
        if digest_of(database) != manifest["database_sha256"]:
            raise RestoreRefused("The database in the backup is not the one its manifest tells of.")
    except (OSError, ValueError, KeyError) as error:
        raise RestoreRefused(f"{folder} holds no complete backup: {error}") from error
    return manifest


def _refuse_unfit(manifest: dict[str, Any], settings: Configuration, *, is_sqlite: bool) -> None:
    if _numbers(str(manifest["version"])) > _numbers(__version__):
        raise RestoreRefused(
            f"The backup was made by Keyhouse {manifest['version']}, newer than this {__version__}."
        )
    if manifest["environment"] != settings.environment:
        raise RestoreRefused(
            f"The backup is of a {manifest['environment']} index; this is set up for {settings.environment}."
        )
    if is_sqlite != (settings.sqlite_path is not None):
        raise RestoreRefused(
            f"The backup is of a {manifest['database']} database; KEYHOUSE_DATABASE_URL names another kind."
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split(".") if part.isdigit())


def _claim_folder(settings: Configuration) -> None:
    """Mark the folder as being restored; whatever an interrupted restore left is cleared first."""
    settings.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = settings.data / UNFINISHED
    if mark.exists():
        for path in settings.data.iterdir():
            if path != mark:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
    elif any(settings.data.iterdir()):
        raise RestoreRefused(f"{settings.data} is not empty.", fix="Name an empty folder by KEYHOUSE_DATA.")
    mark.touch()


def _put_keys(settings: Configuration, keys_file: Path | None) -> None:
    if keys_file:
        keys.read_ring(keys_file)  # refuse a wrong file before anything depends on it
        descriptor = os.open(settings.key_file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(keys_file.read_bytes())
    keys.ensure_ring(settings.key_file)


def _put_files(folder: Path, settings: Configuration) -> None:
    store = blobs()
    found = [path for path in folder.rglob("*") if path.is_file() and not path.name.endswith(".new")]
    for path in track(found, "Restoring files", disable=len(found) < 100, transient=True):  # noqa: PLR2004
        temp = store.incoming()
        shutil.copyfile(path, temp)
        store.keep(temp, path.relative_to(folder).as_posix())


def _put_database(folder: Path, manifest: dict[str, Any], settings: Configuration) -> None:
    if settings.sqlite_path:
        shutil.copyfile(folder / DATABASE[True], settings.sqlite_path)
        settings.sqlite_path.chmod(0o600)
    else:
        arguments = [
            "--no-owner",
            "--exit-on-error",
            "--single-transaction",
            f"--dbname={settings.database_url}",
        ]
        run_postgresql_tool("pg_restore", *arguments, str(folder / DATABASE[False]))
    del manifest


def _bring_up_to_date(manifest: dict[str, Any]) -> None:
    """Migrate, end all sessions (their cookies may be anybody's by now), and write it down."""
    from django.core.management import call_command  # noqa: PLC0415 - Django is set up only now
    from django.db import transaction  # noqa: PLC0415

    from keyhouse.accounts.models import OneTimeLink, Session  # noqa: PLC0415
    from keyhouse.audit.services import record  # noqa: PLC0415
    from keyhouse.core.actor import host  # noqa: PLC0415

    call_command("migrate", verbosity=0, interactive=False)
    with transaction.atomic():
        Session.objects.all().delete()
        OneTimeLink.objects.filter(used_at__isnull=True).delete()
        record("host.command", by=host(), details={"command": "restore", "made_at": manifest["made_at"]})
