"""What the completion check said."""

from typing import ClassVar

from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies: ClassVar = []

    operations: ClassVar = [
        migrations.CreateModel(
            name="CompletionCheck",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("mandate", models.CharField(max_length=63)),
                ("version", models.PositiveIntegerField()),
                ("checked_on", models.DateField()),
                ("checked_at", models.DateTimeField()),
                ("is_complete", models.BooleanField()),
                ("result", models.JSONField()),
            ],
            options={
                "constraints": [
                    models.UniqueConstraint(
                        fields=("mandate", "version", "checked_on"), name="completion_once_a_day"
                    )
                ],
            },
        ),
    ]
