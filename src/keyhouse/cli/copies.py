"""What backups and restores share: synced copies of databases, blobs and small files. No Django."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Final
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from keyhouse.core.configuration import Configuration
from keyhouse.core.errors import Refusal, Situation
from keyhouse.storage.blobs import Blobs

MANIFEST: Final = "manifest.json"
FILES: Final = "files"
_DRAFT: Final = ".new"


class CopyImpossible(Refusal):
    """Something this needs is not there."""

    code = "copy-impossible"
    situation = Situation.UNAVAILABLE
    sentence = "The copy could not be made."


def copy_database(settings: Configuration, target: Path) -> None:
    """Copy the live database as of one moment into a file that is synced; raises CopyImpossible."""
    if settings.sqlite_path:
        _copy_sqlite(settings.sqlite_path, target)
    else:
        run_postgresql_tool(
            settings.database_url,
            "pg_dump",
            "--format=custom",
            "--no-owner",
            "--no-privileges",
            f"--file={target}",
        )
    target.chmod(0o600)
    sync(target)
    sync(target.parent)


def _copy_sqlite(source: Path, target: Path) -> None:
    """Copy in one read transaction; writers go on meanwhile (WAL)."""
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, nothing beside it


def run_postgresql_tool(database_url: str, name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's own client programs on a database; raises CopyImpossible with its last line.

    The password goes by the environment: everybody on a machine can read the words of a command.
    """
    if not shutil.which(name):
        raise CopyImpossible(f"{name} is not on this machine.", fix="Install PostgreSQL's client programs.")
    url, password = without_password(database_url)
    command = [name, f"--dbname={url}", *arguments]
    environment = {**os.environ, **({"PGPASSWORD": password} if password else {})}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)  # noqa: S603 - fixed names
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise CopyImpossible(f"{name} failed: {last[:300]}")


def without_password(url: str) -> tuple[str, str]:
    """Split `postgresql://name:password@host/database` into the address without its password, and the password."""
    parts = urlsplit(url)
    bare = parts.netloc.rpartition("@")[2]
    name = f"{quote(unquote(parts.username))}@" if parts.username else ""
    return urlunsplit(parts._replace(netloc=name + bare)), unquote(parts.password or "")


def copy_blob(source: Blobs, target: Blobs, key: str) -> None:
    """Copy one blob from store to store; durable when this returns."""
    temp = target.incoming()
    with source.open(key) as content, temp.open("xb") as file:
        shutil.copyfileobj(content, file, 2**20)
    target.keep(temp, key)


def write_synced(path: Path, content: bytes, mode: int = 0o644) -> None:
    """Write a file under another name, sync it, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(path.name + _DRAFT)
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file's bytes, or a folder's list of names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def digest_of(path: Path) -> str:
    """Return SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
