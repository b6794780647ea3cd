"""Making a data folder ready: made, marked, keys there, database migrated. Two at once do not race."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from keyhouse.cli.surroundings import load_features
from keyhouse.core import data_folder, instance, keys
from keyhouse.core.configuration import Configuration

MIGRATION_LOCK: Final = zlib.crc32(b"keyhouse.migrate")  # the number of PostgreSQL's advisory lock


def prepare(settings: Configuration) -> None:
    """Make the configured data folder and database ready for this version; a second call changes nothing.

    Raises ConfigurationError when the folder can't be used, or belongs to the other environment or a newer version.
    """
    prepare_folder(settings)
    load_features()
    prepare_database(settings)


def prepare_folder(settings: Configuration) -> None:
    """Make and mark the folder, and put the key file there."""
    data_folder.make(settings.data)
    instance.ensure_instance(settings)
    keys.ensure_ring(settings.key_file)


def prepare_database(settings: Configuration) -> bool:
    """Apply the migrations that are missing and write the default mandate; returns whether there were any migrations."""
    with data_folder.exclusively(settings.data, "migrate"), _one_at_a_time():
        if settings.sqlite_path:  # before SQLite makes it, readable by whoever may enter the folder
            settings.sqlite_path.touch(mode=0o600)
        had_work = _migrate()
        _store_default_mandate()
        _let_go_of_gone_successors()
    instance.mark_version(settings)
    return had_work


def _migrate() -> bool:
    from django.core.management import call_command  # noqa: PLC0415 - Django is set up by now
    from django.db import connection  # noqa: PLC0415 - the same
    from django.db.migrations.executor import MigrationExecutor  # noqa: PLC0415 - the same

    from keyhouse.cli import first_tables  # noqa: PLC0415 - the same

    if first_tables.are_missing():
        first_tables.make()
        return True
    executor = MigrationExecutor(connection)
    missing = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if missing:
        call_command("migrate", interactive=False, verbosity=0)
    return bool(missing)


def _store_default_mandate() -> None:
    from keyhouse.mandate.services import store_default  # noqa: PLC0415 - Django is set up by now

    store_default()


def _let_go_of_gone_successors() -> None:
    """Do what a migration can't, since it renders pages: a version may have left some that name what was deleted."""
    from keyhouse.projects.life_cycle.successors import let_go_of_gone  # noqa: PLC0415 - Django is set up by now

    let_go_of_gone()


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """Hold PostgreSQL's advisory lock: servers on other machines share the database, not the folder."""
    from django.db import connection  # noqa: PLC0415 - Django is set up by now

    if connection.vendor != "postgresql":
        yield
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [MIGRATION_LOCK])
    try:
        yield
    finally:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [MIGRATION_LOCK])
