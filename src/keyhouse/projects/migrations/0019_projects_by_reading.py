from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0018_deleted_successors'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='project',
            index=models.Index(fields=['reads', 'organization'], name='projects_by_reading'),
        ),
    ]
