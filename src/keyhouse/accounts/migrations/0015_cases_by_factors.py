from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0014_proposals_and_announcements'),
    ]

    operations = [
        migrations.AddField(
            model_name='recoverycase',
            name='knows_code',
            field=models.BooleanField(default=False),
        ),
        migrations.AddField(
            model_name='recoverycase',
            name='browser',
            field=models.CharField(blank=True, default='', max_length=64),
        ),
        migrations.AlterField(
            model_name='recoverycase',
            name='path',
            field=models.CharField(choices=[('mail', 'Mail'), ('operators', 'Operators'), ('host', 'Host'), ('factors', 'Factors')], max_length=16),
        ),
    ]
