import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0020_proofs_of_cases'),
    ]

    operations = [
        migrations.CreateModel(
            name='UnfinishedSignIn',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('session', models.CharField(max_length=64)),
                ('at', models.DateTimeField()),
                ('network', models.CharField(blank=True, default='', max_length=64)),
                ('user_agent', models.CharField(blank=True, default='', max_length=300)),
                ('told_at', models.DateTimeField(null=True)),
                ('user', models.ForeignKey(on_delete=django.db.models.deletion.CASCADE, related_name='unfinished_sign_ins', to='accounts.user')),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('told_at', None)), fields=['at'], name='unfinished_untold')],
            },
        ),
    ]
