from __future__ import annotations

from typing import Any

import psycopg
import pytest

from keyhouse.core import configuration
from keyhouse.index.database import UnavailableError
from keyhouse.index.postgresql import PostgresDatabase
from keyhouse.projects.models import IndexPage


@pytest.fixture
def postgres(transactional_db: None) -> PostgresDatabase:
    url = configuration.current().database_url
    if not url:
        pytest.skip("this is about connections to PostgreSQL")
    return PostgresDatabase(url)


def _end_all_connections(database: PostgresDatabase) -> None:
    with psycopg.connect(configuration.current().database_url, autocommit=True) as own:
        own.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid = ANY(%s)",
            [[connection.info.backend_pid for connection in database._opened]],
        )


def test_a_connection_that_was_cut_is_opened_anew(postgres: PostgresDatabase) -> None:
    assert postgres.rows("SELECT 1") == [(1,)]
    for use in (postgres.snapshot, postgres.transaction):
        _end_all_connections(postgres)
        with use() as ask:
            assert ask("SELECT ?", [2]) == [(2,)]
    _end_all_connections(postgres)
    with postgres.alone("test") as is_mine:
        assert is_mine
    postgres.close()


def test_a_plan_is_given_up_when_a_migration_has_made_another_column(postgres: PostgresDatabase) -> None:
    question = "SELECT told FROM keyhouse_told WHERE told <> ?"
    with psycopg.connect(configuration.current().database_url, autocommit=True) as another:
        another.execute("CREATE TABLE keyhouse_told AS SELECT CAST('all' AS varchar(10)) AS told")
        try:
            for length in (20, 30):
                for _ in range(10):  # more often than the driver waits before it lets a plan be kept
                    assert postgres.rows(question, [""]) == [("all",)]
                another.execute(f"ALTER TABLE keyhouse_told ALTER COLUMN told TYPE varchar({length})")
            assert postgres.rows(question, [""]) == [("all",)]
        finally:
            another.execute("DROP TABLE keyhouse_told")
            postgres.close()


def test_an_address_where_nobody_answers_is_an_outage(transactional_db: None) -> None:
    database = PostgresDatabase("postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(UnavailableError):
        database.rows("SELECT 1")
    with pytest.raises(UnavailableError), database.transaction() as ask:
        ask("SELECT 1")


def test_a_transaction_that_fails_leaves_nothing(client: Any, index: Any) -> None:
    index.publish()
    database = client.plane._database

    def fail_half_way() -> None:
        with database.transaction() as ask:
            ask("UPDATE projects_indexpage SET etag = 'half'")
            ask("this is not SQL")

    with pytest.raises(UnavailableError):
        fail_half_way()
    assert not IndexPage.objects.filter(etag="half").exists()
    with database.transaction() as ask:
        ask("UPDATE projects_indexpage SET etag = 'whole'")
    assert IndexPage.objects.filter(etag="whole").exists()


def test_a_snapshot_shows_one_state(client: Any, index: Any) -> None:
    with client.plane._database.snapshot() as ask:
        before = ask("SELECT COUNT(*) FROM projects_project")
        index.publish()
        assert ask("SELECT COUNT(*) FROM projects_project") == before


def test_who_began_on_a_read_only_database_writes_again_when_it_is_none(
    client: Any, index: Any, is_sqlite: bool
) -> None:
    if not is_sqlite:
        pytest.skip("a server of its own has its own disk")
    database = client.plane._database
    with database.transaction() as ask:
        ask("SELECT 1")
    database._own.writer.execute(
        "PRAGMA query_only=ON"
    )  # as a connection is that was opened on a read-only disk
    with pytest.raises(UnavailableError), database.transaction() as ask:
        ask("UPDATE projects_indexpage SET etag = 'never'")
    with database.transaction() as ask:
        ask("UPDATE projects_indexpage SET etag = 'again'")
