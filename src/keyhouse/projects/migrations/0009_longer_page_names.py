from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0008_publications'),
    ]

    operations = [
        migrations.AlterField(
            model_name='indexpage',
            name='name',
            field=models.CharField(blank=True, default='', max_length=660),
        ),
    ]
