from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0019_proposals_for_addresses'),
    ]

    operations = [
        migrations.AddField(
            model_name='recoverycase',
            name='proofs',
            field=models.CharField(blank=True, db_default='', default='', max_length=64),
        ),
    ]
