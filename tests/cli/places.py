"""Data folders of their own, on the database that this run of the tests is about, driven by the command line."""

from __future__ import annotations

import json
import secrets
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import psycopg
from tests import ready
from tests.cli.started import keyhouse

from keyhouse.core import configuration

ADA = {
    "username": "ada",
    "email": "ada@example.org",
    "password": "correct horse battery staple",
    "second_factors": ["totp", "recovery_codes"],
}


@dataclass
class Place:
    data: Path
    database_url: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    ran_at: float = 0.0  # when the last command had ended, by the clock that never goes back

    @property
    def environment(self) -> dict[str, str]:
        url = {"KEYHOUSE_DATABASE_URL": self.database_url} if self.database_url else {}
        return {"KEYHOUSE_DATA": str(self.data), **url, **self.settings}

    def run(self, *words: str | Path, **settings: str) -> subprocess.CompletedProcess[str]:
        try:
            return keyhouse(*words, cwd=self.data.parent, **{**self.environment, **settings})
        finally:
            self.ran_at = time.monotonic()

    def keyhouse(self, *words: str | Path) -> str:
        done = self.run(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def json(self, *words: str | Path) -> Any:
        return json.loads(self.keyhouse(*words))

    def seed(self, document: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
        path = self.data.parent / f"{self.data.name}-{secrets.token_hex(4)}.json"
        path.write_text(json.dumps(document))
        told: dict[str, list[dict[str, Any]]] = self.json("dev", "seed", path)
        return told

    def verify(self) -> Any:
        done = self.run("storage", "verify", "--json")
        return json.loads(done.stdout)


@contextmanager
def place(data: Path, like: Place | None = None, *, is_new: bool = False) -> Iterator[Place]:
    """Give an empty index, on PostgreSQL with a database of its own; or a copy of another.

    `is_new`: the folder isn't there yet and the database isn't migrated.
    """
    if like is not None:
        shutil.copytree(like.data, data)
    url = configuration.current().database_url
    if not url:
        if not is_new:
            ready.lay(data, {})
        yield Place(data)
        return
    name = f"keyhouse_place_{secrets.token_hex(6)}"
    template = f' TEMPLATE "{urlsplit(like.database_url).path[1:]}"' if like is not None else ""
    admin = urlunsplit(urlsplit(url)._replace(path="/postgres"))
    with psycopg.connect(admin, autocommit=True) as connection:
        if is_new or like is not None:
            connection.execute(f'CREATE DATABASE "{name}"{template}')
        else:
            ready.lay_with(data, connection, url, name)
        try:
            yield Place(data, urlunsplit(urlsplit(url)._replace(path=f"/{name}")))
        finally:
            connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)')


def ask(place: Place, question: str) -> list[Any]:
    """Return the first column of what its database answers."""
    with closing(_connect(place)) as connection:
        return [row[0] for row in connection.execute(question).fetchall()]


def execute(place: Place, statement: str) -> None:
    """Change its rows behind its back."""
    with closing(_connect(place)) as connection:
        connection.execute(statement)
        connection.commit()


def _connect(place: Place) -> Any:
    if place.database_url:
        return psycopg.connect(place.database_url)
    return sqlite3.connect(place.data / "keyhouse.sqlite3", timeout=30)
