from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0009_longer_page_names'),
    ]

    operations = [
        migrations.AddIndex(
            model_name='file',
            index=models.Index(
                condition=models.Q(('has_provenance', True)), fields=['project'], name='files_with_provenance'
            ),
        ),
    ]
