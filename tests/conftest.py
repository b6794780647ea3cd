"""What every test stands on."""

from __future__ import annotations

import gc
import os
import shutil
import signal
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import cache
from itertools import compress
from pathlib import Path

import pytest
from django.conf import settings as django_settings
from django.core.management.commands.migrate import Command as MigrateCommand
from django.db import connection, transaction
from django.template import Template
from django.test import TransactionTestCase
from django.test.client import ClientHandler
from hypothesis import HealthCheck, settings

from keyhouse.cli import first_tables
from keyhouse.core import rounds
from tests import costs, ready, sampled

# a busy machine is no fault of what is tried
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

WIRED = ("gate", "authority", "reader", "switches")  # what `core.actions` is given at the start


CHAIN = ("_view_middleware", "_template_response_middleware", "_exception_middleware", "_middleware_chain")
GARBAGE = (20_000, 20, 100)  # much is made and kept here, and little of it goes round in circles


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage among tens of thousands of tests: not while they are found, nor over and over later."""
    gc.set_threshold(*GARBAGE)
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def pytest_configure() -> None:
    """Let Ctrl-C reach what tests start, also where they run in the background of a shell, which ignores it for all."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_unconfigure() -> None:
    """Take the throw-away data folder of this process away (`keyhouse.settings.test` made it), and what is copied from."""
    ready.clear_away()
    shutil.rmtree(os.environ["KEYHOUSE_DATA"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the database: those are run on each kind of it."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or {"db", "transactional_db"}.intersection(names):
            item.add_marker("database")
    sampled.mark_the_spared(items, is_postgresql=connection.vendor == "postgresql")


def is_required(what: str) -> bool:
    """Whether what may be missing on a bare machine must be here (KEYHOUSE_REQUIRE, set in CI)."""
    return what in os.environ.get("KEYHOUSE_REQUIRE", "").split(",")


def skip_or_fail(what: str, reason: str) -> None:
    """Skip for a missing part, which is told at the end of a run, or fail where that part is required."""
    if is_required(what):
        pytest.fail(f"{what} is required here: {reason}")
    pytest.skip(f"left out: {what}, since {reason}")


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Leave the database's name alone: each worker has its own already."""


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """Make the tables of the tests as those of a new index are made, which takes a thirtieth of the time."""
    step_by_step = MigrateCommand.handle

    def migrate(command: MigrateCommand, **options: object) -> None:
        if first_tables.are_missing():
            first_tables.make()
        else:
            step_by_step(command, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(MigrateCommand, "handle", migrate)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    """Empty after a test only the tables that hold something, row by row: they hold next to nothing.

    Django would ask for all tables anew, TRUNCATE each, look for what every application wants to find in them, and
    connect anew; the next test goes on with the same connection, as the next request of a server does.
    """

    def empty_tables(case: TransactionTestCase) -> None:
        del case
        names = _tables()
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT " + ", ".join(f'EXISTS (SELECT 1 FROM "{name}")' for name in names))
            for name in compress(names, cursor.fetchone()):
                cursor.execute(f'DELETE FROM "{name}"')

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty_tables)
        patch.setattr(TransactionTestCase, "_should_reload_connections", lambda case: False)
        yield


@pytest.fixture(scope="session", autouse=True)
def one_chain() -> Iterator[None]:
    """Put the middleware together once, as a server does, and not anew for every browser of a test."""
    load, chains = ClientHandler.load_middleware, dict[tuple[str, ...], dict[str, object]]()

    def load_once(handler: ClientHandler, is_async: bool = False) -> None:
        key = (*django_settings.MIDDLEWARE, str(is_async))
        if key not in chains:
            fresh = ClientHandler()
            load(fresh, is_async)
            chains[key] = {name: vars(fresh)[name] for name in CHAIN}
        vars(handler).update(chains[key])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ClientHandler, "load_middleware", load_once)
        yield


@pytest.fixture(scope="session", autouse=True)
def plain_rendering(django_test_environment: None) -> Iterator[None]:
    """Render pages as a server does: Django would keep every template of every page, with a copy of all it was given."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Template, "_render", lambda template, context: template.nodelist.render(context))
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_hashing() -> Iterator[None]:
    """Hash passwords and recovery codes cheaply, as those processes do that tests fork."""
    with hashing_at(costs.QUICK):
        yield


@pytest.fixture(autouse=True)
def no_rounds_yet() -> None:
    """Forget how works of an earlier test went, which said so by a clock of its own."""
    rounds._last.clear()


@pytest.fixture
def hashing_in_earnest() -> Iterator[None]:
    """Hash as servers do."""
    with hashing_at(costs.OF_SERVERS):
        yield


@contextmanager
def hashing_at(some: costs.Costs) -> Iterator[None]:
    """Hash at other costs for a while."""
    before = costs.now()
    costs.become(some)
    yield
    costs.become(before)


@cache
def _tables() -> list[str]:
    return connection.introspection.django_table_names(only_existing=True, include_views=False)


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Return the folder of test vectors that others wrote."""
    default = Path(__file__).parents[2] / "shared" / "vectors"
    folder = Path(os.environ.get("KEYHOUSE_VECTORS", default))
    if not folder.is_dir():
        skip_or_fail("vectors", f"no test vectors at {folder}; set KEYHOUSE_VECTORS")
    return folder
