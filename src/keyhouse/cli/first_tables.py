"""The tables of a new index, made at once as they are now.

To go the way that older indexes went, migration by migration, ends at the same tables (`tests/cli/test_first_tables.py`)
and takes thirty times as long. Read by who has set up Django.
"""

from __future__ import annotations

from django.apps import apps
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.recorder import MigrationRecorder
from django.db.migrations.state import ProjectState


def are_missing() -> bool:
    """Tell whether the database holds no table at all."""
    return not connection.introspection.table_names()


def make() -> None:
    """Make all tables and note every migration as applied, in one transaction.

    Steps that make what models don't tell of are taken; those about rows are `elidable`, since there are none yet.
    """
    migrations = MigrationLoader(None).disk_migrations
    today, noted = ProjectState.from_apps(apps), MigrationRecorder.Migration
    with connection.schema_editor() as editor:
        editor.create_model(noted)
        for model in apps.get_models():
            editor.create_model(model)
        for (label, _), migration in migrations.items():
            for step in migration.operations:
                if isinstance(step, RunPython | RunSQL) and not step.elidable:
                    step.database_forwards(label, editor, today, today)
        noted.objects.bulk_create(noted(app=label, name=name) for label, name in migrations)
