"""What whoever runs a command is told where the database can't be used."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest
from django.db import IntegrityError, OperationalError, connection
from tests.accounts.conftest import Configure, configure
from tests.cli.places import Place

from keyhouse.cli import database_trouble
from keyhouse.core import configuration

__all__ = ["configure"]
CLOSED = "postgresql://keyhouse:hidden-word@127.0.0.1:9/keyhouse"


def test_it_says_why_no_connection_is_made_and_no_password(configure: Configure) -> None:
    configure(database_url=CLOSED)
    sentence, fix = database_trouble.told(OperationalError("couldn't get a connection after 20.00 sec")) or (
        "",
        "",
    )
    assert sentence.startswith("The database can't be used: ")
    assert "Connection refused" in sentence
    assert "KEYHOUSE_DATABASE_URL" in fix
    assert "hidden-word" not in sentence + fix


def test_of_sqlite_it_says_what_sqlite_says(configure: Configure) -> None:
    configure(database_url="")
    assert database_trouble.told(OperationalError("unable to open database file")) == (
        "The database can't be used: unable to open database file.",
        "`keyhouse doctor` looks for what is wrong.",
    )


@pytest.mark.parametrize("error", [ValueError("x"), IntegrityError("x"), OSError("x")])
def test_any_other_error_is_no_such_trouble(configure: Configure, error: Exception) -> None:
    configure(database_url="")
    assert database_trouble.told(error) is None


@contextmanager
def without_rights(url: str) -> Iterator[str]:
    """Give a new database to a role that may connect and nothing else, as one made by hand often is."""
    name = f"keyhouse_bare_{secrets.token_hex(6)}"
    parts = urlsplit(url)
    admin = urlunsplit(parts._replace(path="/postgres"))
    with psycopg.connect(admin, autocommit=True) as database:
        database.execute(f'CREATE ROLE "{name}" LOGIN'.encode())
        database.execute(f'CREATE DATABASE "{name}"'.encode())
        try:
            host = f"{parts.hostname}:{parts.port or 5432}"
            yield f"postgresql://{name}@{host}/{name}"
        finally:
            database.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
            database.execute(f'DROP ROLE "{name}"'.encode())


@pytest.mark.django_db
@pytest.mark.skipif(connection.vendor != "postgresql", reason="this is about rights in PostgreSQL")
def test_a_role_that_may_make_no_tables_in_postgresql_is_told_who_lets_it(tmp_path: Path) -> None:
    with without_rights(configuration.current().database_url) as url:
        role = urlsplit(url).username
        place, nothing = Place(tmp_path / "data", url), tmp_path / "nothing.json"
        nothing.write_text("{}")
        done = place.run("dev", "seed", nothing)
    if "password" in done.stderr:
        pytest.skip("this PostgreSQL lets in no role without a password")
    assert done.returncode == 1
    assert "make no tables" in done.stderr
    assert f"ALTER DATABASE {role} OWNER TO {role}" in done.stderr
    assert "Something broke" not in done.stderr
