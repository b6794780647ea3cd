"""Projects are narrowed by the day of their release from the index alone."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """A wider index in place of one."""

    dependencies: ClassVar = [("projects", "0013_readers")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="searchrow",
            index=models.Index(fields=["released_at", "project"], name="search_by_day"),
        ),
        migrations.RemoveIndex(model_name="searchrow", name="search_by_release"),
    ]
