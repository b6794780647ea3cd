"""A data folder that is ready to be copied: to migrate a new one takes longer than most of what is tried with it."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from tests import forked

SECONDS = 600  # for what takes ten: a busy machine is no fault of what is tried
# what such a folder can't stand for: another environment, another database, another time
_APART = {"KEYHOUSE_ENVIRONMENT", "KEYHOUSE_DATABASE_URL", "KEYHOUSE_CLOCK_FILE"}
_made: list[Callable[[], object]] = []  # what takes away what this process made


def lay(data: Path, settings: Mapping[str, str]) -> None:
    """Put a migrated folder, with SQLite, where there is none and the settings allow it."""
    if not data.exists() and _APART.isdisjoint(settings):
        shutil.copytree(_with_sqlite(), data)


def lay_with(data: Path, connection: psycopg.Connection, url: str, name: str) -> None:
    """Make the PostgreSQL database of that name, beside that of `url`, migrated, with a folder that goes with it."""
    folder, template = _with_postgresql(url)
    connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    shutil.copytree(folder, data)


def clear_away() -> None:
    """Take away what this process made."""
    forked.clear_away()
    while _made:
        _made.pop()()


@cache
def _with_sqlite() -> Path:
    return _migrated({})


@cache
def _with_postgresql(url: str) -> tuple[Path, str]:
    name, parts = f"keyhouse_ready_{secrets.token_hex(6)}", urlsplit(url)
    admin = urlunsplit(parts._replace(path="/postgres"))

    def run(statement: str) -> None:
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(statement.encode())

    run(f'CREATE DATABASE "{name}"')
    _made.append(lambda: run(f'DROP DATABASE "{name}" WITH (FORCE)'))
    folder = _migrated({"KEYHOUSE_DATABASE_URL": urlunsplit(parts._replace(path=f"/{name}"))})
    return folder, name


def _migrated(settings: Mapping[str, str]) -> Path:
    above = Path(tempfile.mkdtemp(prefix="keyhouse-ready-"))
    _made.append(lambda: shutil.rmtree(above, ignore_errors=True))
    (above / "nothing.json").write_text("{}")
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYHOUSE_")}
    own = {"KEYHOUSE_ENVIRONMENT": "test", "KEYHOUSE_DATA": str(above / "data"), **settings}
    words = ["-m", "keyhouse", "dev", "seed", str(above / "nothing.json")]
    forked.run(words, environment={**kept, **own}, seconds=SECONDS).check_returncode()
    return above / "data"
