from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('mandate', '0003_pauses'),
    ]

    operations = [
        migrations.AddField(
            model_name='pause',
            name='ends_by',
            field=models.DateTimeField(null=True),
        ),
    ]
