"""Roles that ended lately are found from an index: whose tokens reach less by that is asked each minute."""

from __future__ import annotations

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    """One more index."""

    dependencies: ClassVar = [("projects", "0014_search_by_day")]

    operations: ClassVar = [
        migrations.AddIndex(
            model_name="formerrole",
            index=models.Index(fields=["ended_at"], name="former_role_by_end"),
        ),
    ]
