from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0018_check_ups'),
    ]

    operations = [
        migrations.AlterField(
            model_name='proposal',
            name='kind',
            field=models.CharField(choices=[('office', 'Office'), ('owner', 'Owner'), ('emergency', 'Emergency'), ('organization', 'Organization'), ('address', 'Address')], max_length=16),
        ),
    ]
