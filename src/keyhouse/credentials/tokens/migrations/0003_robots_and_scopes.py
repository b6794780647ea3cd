from django.conf import settings
from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
        ("projects", "0008_publications"),
        ("tokens", "0002_device_bound"),
    ]

    operations = [
        migrations.AddField(
            "token",
            "project",
            models.ForeignKey(
                null=True,
                on_delete=models.deletion.CASCADE,
                related_name="robot_tokens",
                to="projects.project",
            ),
        ),
        migrations.AddField("token", "version", models.CharField(blank=True, db_default="", default="", max_length=200)),
        migrations.AddField("token", "networks", models.JSONField(db_default=[], default=list)),
        migrations.AddField("token", "told_projects", models.JSONField(db_default=[], default=list)),
        migrations.AddField("token", "confirmed_at", models.DateTimeField(null=True)),
        migrations.AddField("token", "reminded_days", models.PositiveSmallIntegerField(null=True)),
        migrations.RemoveConstraint("token", "token_description_unique"),
        migrations.AddConstraint(
            "token",
            models.UniqueConstraint(
                condition=Q(revoked_at__isnull=True, project__isnull=True),
                fields=("user", "description"),
                name="token_description_unique",
            ),
        ),
        migrations.AddConstraint(
            "token",
            models.UniqueConstraint(
                condition=Q(revoked_at__isnull=True, project__isnull=False),
                fields=("project", "description"),
                name="robot_token_description_unique",
            ),
        ),
    ]
