from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("organizations", "0004_waiting_teams"),
        ("tokens", "0004_rest_told_at"),
    ]

    operations = [
        migrations.AddField(
            "token",
            "organization",
            models.ForeignKey(
                null=True,
                on_delete=models.deletion.CASCADE,
                related_name="robot_tokens",
                to="organizations.organization",
            ),
        ),
        migrations.AddField("token", "may_found", models.BooleanField(db_default=False, default=False)),
        migrations.RemoveConstraint("token", "token_description_unique"),
        migrations.AddConstraint(
            "token",
            models.UniqueConstraint(
                condition=Q(revoked_at__isnull=True, project__isnull=True, organization__isnull=True),
                fields=("user", "description"),
                name="token_description_unique",
            ),
        ),
        migrations.AddConstraint(
            "token",
            models.UniqueConstraint(
                condition=Q(revoked_at__isnull=True, organization__isnull=False),
                fields=("organization", "description"),
                name="organization_token_description_unique",
            ),
        ),
    ]
