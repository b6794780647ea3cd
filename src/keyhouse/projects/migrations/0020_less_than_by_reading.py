from django.db import migrations


class Migration(migrations.Migration):
    # apart from the one before: in one transaction with it, whoever reads and then writes there could wait in a ring

    dependencies = [
        ('projects', '0019_projects_by_reading'),
    ]

    operations = [
        migrations.RemoveIndex(
            model_name='project',
            name='projects_by_readers',
        ),
    ]
