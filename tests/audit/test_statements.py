"""Statements that go to the driver keep what Django's connection promises."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import psycopg
import pytest
from django.db import (
    IntegrityError,
    NotSupportedError,
    OperationalError,
    ProgrammingError,
    connection,
    transaction,
)
from django.db.transaction import TransactionManagementError
from django.test.utils import CaptureQueriesContext

from keyhouse.accounts.models import User
from keyhouse.audit import statements
from keyhouse.core import clock
from keyhouse.credentials.tokens.models import Token
from keyhouse.credentials.tokens.queries import find_token_for_use
from keyhouse.credentials.trusted_publishers.models import MintedToken, Publisher
from keyhouse.credentials.trusted_publishers.queries import candidates, find_minted, live_publishers
from keyhouse.projects.models import Project, Tombstone
from keyhouse.projects.queries import find_tombstone, lock_project

pytestmark = [pytest.mark.database, pytest.mark.django_db]
TOLD = "SELECT told FROM keyhouse_told WHERE told <> %s"


def test_values_are_parameters_whatever_they_hold() -> None:
    odd = "it's 100 %s \u2028 or ? \N{SNOWMAN}"
    User.objects.create(username=odd[:50], joined_at=clock.now())
    assert (
        statements.find_value("SELECT username FROM accounts_user WHERE username = %s", odd[:50]) == odd[:50]
    )
    assert statements.select("SELECT id FROM accounts_user WHERE username = %s", "nobody") == []
    assert statements.find_value("SELECT id FROM accounts_user WHERE username = %s", "nobody") is None


def test_a_change_tells_how_many_rows_it_changed() -> None:
    for name in ("ada", "bob"):
        User.objects.create(username=name, joined_at=clock.now())
    assert statements.change("UPDATE accounts_user SET kind = %s WHERE username <> %s", "service", "ada") == 1


def test_errors_are_those_of_django() -> None:
    with pytest.raises((OperationalError, ProgrammingError)), transaction.atomic():
        statements.select("SELECT 1 FROM no_such_table")
    User.objects.create(username="ada", joined_at=clock.now())
    again = "INSERT INTO accounts_user SELECT * FROM accounts_user WHERE username = %s"
    with pytest.raises(IntegrityError), transaction.atomic():
        statements.change(again, "ada")


def test_nothing_is_asked_inside_a_transaction_that_is_to_be_rolled_back() -> None:
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            statements.select("SELECT id FROM accounts_user")


def test_by_one_plan_everything_is_as_it_is_else() -> None:
    User.objects.create(username="ada", joined_at=clock.now())
    asked = "SELECT username FROM accounts_user WHERE username = %s"
    for _ in range(8):
        assert statements.select_by_one_plan(asked, "ada") == [("ada",)]
        assert statements.select_by_one_plan(asked, "bob") == []
    with pytest.raises((OperationalError, ProgrammingError)), transaction.atomic():
        statements.select_by_one_plan("SELECT 1 FROM no_such_table WHERE 1 = %s", 1)
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(TransactionManagementError):
            statements.select_by_one_plan(asked, "ada")
    with CaptureQueriesContext(connection) as captured:
        statements.select_by_one_plan(asked, "ada")
    assert len(captured) == 1


@pytest.mark.skipif(connection.vendor == "sqlite", reason="PostgreSQL only keeps plans")
def test_one_plan_is_made_for_what_asks_for_it_and_for_nothing_else() -> None:
    told = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement LIKE %s"
    for turn in range(8):
        statements.select_by_one_plan("SELECT 1 FROM accounts_user WHERE id = %s AND id <> -1", 1000 + turn)
        statements.select("SELECT 1 FROM accounts_user WHERE id = %s AND id <> -2", 1000 + turn)
    ((generic, custom),) = statements.select(told, "%-1")
    assert generic >= 5
    assert custom == 0
    ((_, custom),) = statements.select(told, "%-2")
    assert custom == 5  # as PostgreSQL tries each before it keeps one
    with pytest.raises(ProgrammingError), transaction.atomic():
        statements.select_by_one_plan("SELECT 1 FROM no_such_table WHERE 1 = %s", 1)
    assert statements.find_value("SELECT current_setting('plan_cache_mode')") == "auto"


def test_what_is_rolled_back_is_gone() -> None:
    User.objects.create(username="ada", joined_at=clock.now())
    with transaction.atomic():
        statements.change("UPDATE accounts_user SET kind = %s", "service")
        transaction.set_rollback(True)
    assert User.objects.get().kind == "person"


def test_whoever_captures_or_wraps_queries_sees_them() -> None:
    with CaptureQueriesContext(connection) as captured:
        statements.select("SELECT id FROM accounts_user WHERE username = %s", "ada")
    assert len(captured) == 1
    seen: list[str] = []

    def wrap(execute: object, sql: str, *rest: object) -> object:
        seen.append(sql)
        return execute(sql, *rest)  # type: ignore[operator]  # what Django hands over

    with connection.execute_wrapper(wrap):
        statements.select("SELECT id FROM accounts_user WHERE username = %s", "ada")
    assert len(seen) == 1


@contextmanager
def another_hand() -> Iterator[Callable[[int], object]]:
    """Keep a table with plans for it on this connection; yields how somebody else changes how long its column may be."""
    if connection.vendor != "postgresql":
        pytest.skip("plans are kept by PostgreSQL")
    settings = connection.get_connection_params() | {"autocommit": True}
    settings.pop("cursor_factory")
    with psycopg.connect(**settings) as another:
        another.execute("CREATE TABLE keyhouse_told AS SELECT CAST('all' AS varchar(10)) AS told")
        try:
            for _ in range(10):
                assert statements.find_value(TOLD, "") == "all"
            yield lambda length: another.execute(
                f"ALTER TABLE keyhouse_told ALTER COLUMN told TYPE varchar({length})"
            )
        finally:
            another.execute("DROP TABLE keyhouse_told")
            connection.connection.close()  # it keeps no plans any more, and mustn't come out of the pool again
            connection.close()


@pytest.mark.django_db(transaction=True)
def test_a_kept_plan_is_given_up_when_a_column_has_become_another_one() -> None:
    with another_hand() as change:
        for length in (20, 30):
            change(length)
            for _ in range(10):
                assert statements.find_value(TOLD, "") == "all"


@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_it_counts_as_a_database_that_is_away_so_that_all_is_tried_again() -> None:
    with another_hand() as change:
        change(20)
        with transaction.atomic():
            with pytest.raises(OperationalError), transaction.atomic():
                statements.find_value(TOLD, "")
            assert statements.find_value(TOLD, "") == "all"  # also where the outer transaction goes on
        change(30)
        with transaction.atomic():
            assert statements.find_value(TOLD, "") == "all"


@pytest.mark.django_db(transaction=True)
def test_a_column_that_a_later_version_adds_ends_no_upload() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("plans are kept by PostgreSQL")

    def ask() -> None:
        with transaction.atomic():
            assert (lock_project("alpha"), find_tombstone("alpha")) == (None, None)
            assert find_token_for_use(uuid4()) is None
            assert find_minted(uuid4()) is None
            assert live_publishers([1], clock.now()) == candidates("-", ["-"], clock.now()) == []

    tables = [model._meta.db_table for model in (Project, Tombstone, Token, MintedToken, Publisher)]
    for _ in range(3):
        ask()
    try:
        with (
            connection.cursor() as cursor
        ):  # whose words say no `ALTER` to the driver's keeper of plans: another hand's
            for table in tables:
                cursor.execute(f"DO 'BEGIN ALTER TABLE {table} ADD COLUMN later integer; END'")
        ask()
    finally:
        with connection.cursor() as cursor:
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} DROP COLUMN IF EXISTS later")


@pytest.mark.django_db(transaction=True)
def test_what_django_asks_stays_in_no_memory_and_takes_no_room_from_plans() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("plans are kept by PostgreSQL")
    for _ in range(2):
        assert statements.find_value("SELECT CAST(%s AS text)", "kept") == "kept"
    tracemalloc.start()
    try:
        for number in range(200):
            with connection.cursor() as cursor:
                cursor.execute("SELECT %s", [f"{number}" * 100_000])
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2_000_000
    with connection.cursor() as cursor:
        cursor.execute("SELECT statement FROM pg_prepared_statements")
        assert ("SELECT CAST($1 AS text)",) in cursor.fetchall()


def test_what_postgresql_never_does_is_no_trouble_of_a_plan() -> None:
    if connection.vendor != "postgresql":
        pytest.skip("plans are kept by PostgreSQL")
    with pytest.raises(NotSupportedError), transaction.atomic():
        statements.select("SELECT COUNT(*) FROM accounts_user FOR UPDATE")


def test_what_is_planned_anew_finds_the_same() -> None:
    for name in ("ada", "bob"):
        User.objects.create(username=name, joined_at=clock.now())
    asked = "SELECT username FROM accounts_user WHERE username > %s ORDER BY username"
    for least in ("", "ada", "bob") * 4:
        assert statements.select_planned(asked, least) == statements.select(asked, least)
