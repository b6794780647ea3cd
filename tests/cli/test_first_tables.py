"""The tables of a new index are those that all migrations, one after the other, make."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from tests.cli.places import Place, place
from tests.cli.started import environment

pytestmark = pytest.mark.django_db  # so that it is tried on both

PREPARE = """
import sys
from keyhouse.cli import preparation
from keyhouse.core import configuration
settings = configuration.current()
preparation.prepare_folder(settings)
preparation.load_features()
if sys.argv[1] == "steps":
    from django.core.management import call_command
    call_command("migrate", verbosity=0)
assert preparation.prepare_database(settings) == (sys.argv[1] == "once")
"""
# what PostgreSQL tells of columns, of what holds for rows, of indexes, and of all else that is there
ASKED = {
    "columns": "SELECT table_name, column_name, udt_name, character_maximum_length, is_nullable, column_default,"
    " is_identity, identity_generation, collation_name FROM information_schema.columns WHERE table_schema = 'public'",
    "constraints": "SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), condeferrable, condeferred"
    " FROM pg_constraint WHERE connamespace = 'public'::regnamespace",
    "indexes": "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "others": "SELECT relkind::text, relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    " UNION ALL SELECT 'trigger', tgname FROM pg_trigger WHERE NOT tgisinternal"
    " UNION ALL SELECT 'function', proname FROM pg_proc WHERE pronamespace = 'public'::regnamespace",
}
APPLIED = "SELECT app || '.' || name FROM django_migrations"
# Django fills the first after migrations; in the other SQLite counts also for tables that were made anew on the way
UNUSED = ("django_content_type", "sqlite_sequence")


def parts(statement: str) -> list[str]:
    """Return what a table is made of, in no order: columns stand in the order in which they came."""
    found, depth = [""], 0
    for letter in statement[statement.index("(") + 1 : statement.rindex(")")]:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and not depth:
            found.append("")
        else:
            found[-1] += letter
    return sorted(part.strip() for part in found)


def on_sqlite(path: Path) -> dict[str, object]:
    """Return all that SQLite keeps there, and which tables hold how many rows."""
    with closing(sqlite3.connect(path)) as database:
        made = database.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        tables = [name for kind, name, _ in made if kind == "table" and name not in UNUSED]
        rows = {name: database.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0] for name in tables}
        applied = sorted(database.execute(APPLIED))
    told = {
        f"{kind} {name}": parts(sql) if sql.startswith("CREATE TABLE") else re.sub(r"\s+", " ", sql)
        for kind, name, sql in made
    }
    return {**told, "rows": rows, "applied": applied}


def on_postgresql(url: str) -> dict[str, object]:
    """Return the same of PostgreSQL."""
    with psycopg.connect(url) as database:
        told: dict[str, object] = {
            name: {str(row) for row in database.execute(asked.encode())} for name, asked in ASKED.items()
        }
        tables = [
            name
            for (name,) in database.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        ]
        rows = {
            name: database.execute(f'SELECT count(*) FROM "{name}"'.encode()).fetchone()
            for name in tables
            if name not in UNUSED
        }
        applied = sorted(database.execute(APPLIED.encode()))
    return {**told, "rows": rows, "applied": applied}


def made(new: Place, way: str) -> dict[str, object]:
    """Prepare an index, at once or step by step, in a process of its own; returns what it is made of."""
    command = [sys.executable, "-c", PREPARE, way]
    surroundings = environment(**new.environment)
    done = subprocess.run(command, env=surroundings, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return on_postgresql(new.database_url) if new.database_url else on_sqlite(new.data / "keyhouse.sqlite3")


def test_a_new_index_has_on_sqlite_and_postgresql_the_tables_that_migrations_make(tmp_path: Path) -> None:
    with place(tmp_path / "once", is_new=True) as new:
        once = made(new, "once")
    with place(tmp_path / "steps", is_new=True) as new:
        steps = made(new, "steps")
    assert once.keys() == steps.keys()
    assert {name: (once[name], steps[name]) for name in once if once[name] != steps[name]} == {}
