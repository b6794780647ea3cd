"""A release can be taken out of every face by itself."""

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0005_removals'),
    ]

    operations = [
        migrations.AddField(
            model_name='release',
            name='is_quarantined',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='release',
            name='quarantine_reason',
            field=models.CharField(blank=True, default='', max_length=500),
        ),
    ]
