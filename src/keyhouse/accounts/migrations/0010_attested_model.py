from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0009_recovery_cases'),
    ]

    operations = [
        migrations.AddField(
            model_name='securitykey',
            name='attested_model',
            field=models.CharField(blank=True, db_default='', default='', max_length=200),
        ),
    ]
