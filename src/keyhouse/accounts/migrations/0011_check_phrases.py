from __future__ import annotations

from django.apps.registry import Apps
from django.db import migrations, models
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from keyhouse.accounts.phrases import new_phrase

AT_ONCE = 500


def fill(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    """Give everybody a phrase, a few at a time; nobody who tells others has to write into their rows then."""
    del schema_editor
    people = apps.get_model("accounts", "User")._default_manager
    lacking = people.filter(check_phrase="").exclude(state="deleted").order_by("pk")
    while some := list(lacking.values_list("pk", flat=True)[:AT_ONCE]):
        for pk in some:
            people.filter(pk=pk, check_phrase="").update(check_phrase=new_phrase())


class Migration(migrations.Migration):

    atomic = False

    dependencies = [
        ("accounts", "0010_attested_model"),
    ]

    operations = [
        migrations.AlterField(
            model_name="user",
            name="check_phrase",
            field=models.CharField(blank=True, default=new_phrase, max_length=60),
        ),
        migrations.RunPython(fill, migrations.RunPython.noop, elidable=True),
    ]
