"""What every test stands on."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# a busy machine is no fault of what is tried
settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

WIRED = ("gate", "authority", "reader", "switches")  # what `core.actions` is given at the start


def pytest_unconfigure() -> None:
    """Take the throw-away data folder of this process away (`keyhouse.settings.test` made it)."""
    shutil.rmtree(os.environ["KEYHOUSE_DATA"], ignore_errors=True)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark every test that uses the database: those are run on each kind of it."""
    for item in items:
        names = getattr(item, "fixturenames", ())
        if item.get_closest_marker("django_db") or {"db", "transactional_db"}.intersection(names):
            item.add_marker("database")


def is_required(what: str) -> bool:
    """Whether what may be missing on a bare machine must be here (KEYHOUSE_REQUIRE, set in CI)."""
    return what in os.environ.get("KEYHOUSE_REQUIRE", "").split(",")


def skip_or_fail(what: str, reason: str) -> None:
    """Skip for a missing part, or fail where that part is required."""
    if is_required(what):
        pytest.fail(f"{what} is required here: {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def django_db_modify_db_settings_xdist_suffix() -> None:
    """Leave the database's name alone: each worker has its own already."""


@pytest.fixture(scope="session", autouse=True)
def quick_emptying() -> Iterator[None]:
    """Empty PostgreSQL's tables row by row after a test: they hold next to nothing, and TRUNCATE makes a file of each."""

    def statements(_: object, __: object, tables: list[str], **___: object) -> list[str]:
        return ["".join(f'DELETE FROM "{table}";' for table in tables)] if tables else []

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("django.db.backends.postgresql.operations.DatabaseOperations.sql_flush", statements)
        yield


@pytest.fixture(scope="session")
def vectors() -> Path:
    """Return the folder of test vectors that others wrote."""
    default = Path(__file__).parents[2] / "shared" / "vectors"
    folder = Path(os.environ.get("KEYHOUSE_VECTORS", default))
    if not folder.is_dir():
        skip_or_fail("vectors", f"no test vectors at {folder}; set KEYHOUSE_VECTORS")
    return folder
