"""Names that begin with what was typed are read from an index alone, the shortest first, however many there are."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """One index instead of another, which held the letters only."""

    dependencies: ClassVar = [("projects", "0015_former_roles_by_end")]

    operations: ClassVar = [
        # first what takes the strongest lock: the other way round it deadlocks with uploads to nodes that still run
        migrations.RemoveIndex(model_name="searchrow", name="search_by_letters"),
        migrations.AddIndex(
            model_name="searchrow",
            index=models.Index(fields=["letters", "project", "released_at"], name="search_by_start"),
        ),
    ]
