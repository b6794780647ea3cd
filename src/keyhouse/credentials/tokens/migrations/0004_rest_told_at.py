from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ("tokens", "0003_robots_and_scopes"),
    ]

    operations = [
        migrations.AddField("token", "rest_told_at", models.DateTimeField(null=True)),
    ]
