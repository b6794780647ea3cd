from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0004_known_browsers'),
    ]

    operations = [
        migrations.AddField(
            model_name='attempt',
            name='whom',
            field=models.CharField(blank=True, db_default='', default='', max_length=150),
        ),
    ]
