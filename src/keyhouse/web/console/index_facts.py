"""Facts about the index as a whole: what runs, on what, how full it is."""

from __future__ import annotations

import json
import platform
import shutil
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

import django
from cryptography import x509
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from keyhouse import __version__
from keyhouse.core import configuration
from keyhouse.projects.models import IndexPage


class Disk(NamedTuple):
    """How full the disk of the files is, in bytes."""

    total: int
    free: int


class Database(NamedTuple):
    """Kind, size in bytes where it can be told, and how many migrations are missing."""

    kind: str
    bytes: int | None
    missing: int


class Totals(NamedTuple):
    """How many projects there are, and how many bytes their files have."""

    projects: int
    bytes: int


def versions() -> dict[str, str]:
    """Return what runs."""
    return {"keyhouse": __version__, "python": platform.python_version(), "django": django.get_version()}


def totals() -> Totals:
    """Return the size of the index as the page of totals has it, which is a few seconds old at most."""
    page = IndexPage.objects.filter(kind="stats", name="", form="json").values_list("body", flat=True).first()
    found = json.loads(bytes(page)) if page else {}
    return Totals(found.get("projects", 0), found.get("total_size", 0))


def disk() -> Disk:
    """Return how full the disk is that holds the files, or will."""
    folder = configuration.current().files_folder
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    usage = shutil.disk_usage(folder)
    return Disk(usage.total, usage.free)


def database() -> Database:
    """Return what the database is."""
    executor = MigrationExecutor(connection)
    missing = len(executor.migration_plan(executor.loader.graph.leaf_nodes()))
    path = configuration.current().sqlite_path
    if path is None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_setting('server_version'), pg_database_size(current_database())")
            version, size = cursor.fetchone() or ("", None)
        return Database(f"PostgreSQL {version}", size, missing)
    return Database(f"SQLite {_sqlite_version()}", _size_of(path), missing)


def _sqlite_version() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sqlite_version()")
        row = cursor.fetchone()
    return str(row[0]) if row else ""


def _size_of(path: Path) -> int | None:
    try:
        parts = (Path(f"{path}{end}") for end in ("", "-wal"))
        return sum(part.stat().st_size for part in parts if part.exists())
    except OSError:
        return None


def find_certificate_end() -> datetime | None:
    """Return until when the certificate is valid that this server shows, or None where it shows none."""
    path = configuration.find_served_certificate()
    try:
        return x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc if path else None
    except (OSError, ValueError):
        return None
