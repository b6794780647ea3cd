"""An exemption may be approved by several people."""

from django.db import migrations, models


def to_list(apps, schema_editor):
    """Keep who approved it as the first of several."""
    exemptions = apps.get_model("mandate", "Exemption").objects
    for row in exemptions.exclude(approved_by="").iterator(chunk_size=500):
        exemptions.filter(pk=row.pk).update(approvers=[row.approved_by])


def to_text(apps, schema_editor):
    """Keep the last one of those who approved it."""
    exemptions = apps.get_model("mandate", "Exemption").objects
    for row in exemptions.iterator(chunk_size=500):
        exemptions.filter(pk=row.pk).update(approved_by=(row.approvers or [""])[-1])


class Migration(migrations.Migration):

    dependencies = [
        ('mandate', '0001_initial'),
    ]

    operations = [
        migrations.AddField(
            model_name='exemption',
            name='approvers',
            field=models.JSONField(default=list),
        ),
        migrations.RunPython(to_list, to_text, elidable=True),
        migrations.RemoveField(
            model_name='exemption',
            name='approved_by',
        ),
        migrations.RenameField(
            model_name='exemption',
            old_name='approvers',
            new_name='approved_by',
        ),
    ]
