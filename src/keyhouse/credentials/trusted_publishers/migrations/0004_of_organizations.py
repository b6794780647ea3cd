from django.db import migrations, models
from django.db.models import Q


class Migration(migrations.Migration):

    dependencies = [
        ("organizations", "0004_waiting_teams"),
        ("projects", "0012_waiting_teams"),
        ("publishers", "0003_single_use"),
    ]

    operations = [
        migrations.AddField(
            "publisher",
            "organization",
            models.ForeignKey(
                null=True,
                on_delete=models.deletion.CASCADE,
                related_name="publishers",
                to="organizations.organization",
            ),
        ),
        migrations.AddField("publisher", "is_for_all_projects", models.BooleanField(db_default=False, default=False)),
        migrations.AddField(
            "publisher",
            "projects",
            models.ManyToManyField(related_name="publishers_of_organizations", to="projects.project"),
        ),
        migrations.AddField("mintedtoken", "only_project", models.BigIntegerField(null=True)),
        migrations.RemoveConstraint("publisher", "pending_publisher_once"),
        migrations.AddConstraint(
            "publisher",
            models.UniqueConstraint(
                condition=Q(project__isnull=True, organization__isnull=True),
                fields=("pending_normalized_name", "identity", "configured_by"),
                name="pending_publisher_once",
            ),
        ),
        migrations.AddConstraint(
            "publisher",
            models.UniqueConstraint(
                condition=Q(organization__isnull=False),
                fields=("organization", "pending_normalized_name", "identity"),
                name="publisher_once_an_organization",
            ),
        ),
    ]
