"""Rows by which projects are found. They are made by and by afterwards (`projects.search.filling`)."""

import django.db.models.deletion
from django.db import migrations, models

# Words are parted by spaces and were made by `projects.search.rules`; this tokenizer leaves them as they are. Where in
# a text they stand is never asked.
SQLITE = (
    "CREATE VIRTUAL TABLE projects_searchbrief USING fts5"
    " (name, brief, marks, tokenize = 'ascii', detail = column, columnsize = 0, prefix = '1 2 3 4 5')",
    "CREATE VIRTUAL TABLE projects_searchwhole USING fts5"
    " (whole, marks, tokenize = 'ascii', detail = column, columnsize = 0)",
    "CREATE TRIGGER projects_searchrow_gone AFTER DELETE ON projects_searchrow BEGIN"
    " DELETE FROM projects_searchbrief WHERE rowid = OLD.project_id;"
    " DELETE FROM projects_searchwhole WHERE rowid = OLD.project_id; END",
)
POSTGRESQL = (
    "ALTER TABLE projects_searchrow ADD COLUMN brief tsvector NOT NULL DEFAULT '',"
    " ADD COLUMN whole tsvector NOT NULL DEFAULT '',"
    ' ALTER COLUMN letters TYPE varchar(200) COLLATE "C"',
    "CREATE INDEX projects_searchrow_brief ON projects_searchrow USING gin (brief)",
    "CREATE INDEX projects_searchrow_whole ON projects_searchrow USING gin (whole)",
)


def add_words(apps, schema_editor):
    for statement in POSTGRESQL if schema_editor.connection.vendor == "postgresql" else SQLITE:
        schema_editor.execute(statement)


class Migration(migrations.Migration):

    dependencies = [
        ('projects', '0002_downloads_by_day'),
    ]

    operations = [
        migrations.CreateModel(
            name='ClassifierCount',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('name', models.CharField(max_length=200, unique=True)),
                ('projects', models.BigIntegerField(default=0)),
            ],
        ),
        migrations.CreateModel(
            name='SearchRow',
            fields=[
                ('project', models.OneToOneField(on_delete=django.db.models.deletion.CASCADE, primary_key=True, related_name='search_row', serialize=False, to='projects.project')),
                ('form', models.SmallIntegerField()),
                ('source', models.CharField(max_length=32)),
                ('digest', models.CharField(max_length=32)),
                ('letters', models.CharField(max_length=200)),
                ('classifiers', models.TextField(blank=True, default='')),
                ('released_at', models.DateTimeField(null=True)),
            ],
            options={
                'indexes': [models.Index(fields=['letters'], name='search_by_letters'), models.Index(fields=['released_at'], name='search_by_release')],
            },
        ),
        migrations.RunPython(add_words),
    ]
