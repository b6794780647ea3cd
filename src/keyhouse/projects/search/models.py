"""Rows by which projects are found. A project in quarantine has none.

The words themselves are kept where the database searches them (`engines`): in two FTS5 tables beside this one on
SQLite, in two more columns of it on PostgreSQL. They come and go with the row.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class SearchRow(models.Model):
    """What one project is found by, beside its words; `form` and `source` tell whether it is still right."""

    project = models.OneToOneField(
        "projects.Project", on_delete=models.CASCADE, primary_key=True, related_name="search_row"
    )
    form = models.SmallIntegerField()  # by which rules it was made (`rules.FORM`)
    source = models.CharField(max_length=32)  # a digest of what it was made of
    digest = models.CharField(max_length=32)  # of its words
    letters = models.CharField(max_length=200)  # the normalised name without hyphens
    classifiers = models.TextField(default="", blank=True)  # and what stands above them; one a line
    released_at = models.DateTimeField(null=True)  # of the release that installers would take

    class Meta:
        """Looked up by name, and listed by age where no word is asked for."""

        indexes: ClassVar = [
            models.Index(fields=["letters", "project", "released_at"], name="search_by_start"),
            models.Index(fields=["released_at", "project"], name="search_by_day"),
        ]

    def __str__(self) -> str:
        """Return the letters of the name."""
        return self.letters


class ClassifierCount(models.Model):
    """How many projects that can be found state a classifier, or one below it."""

    name = models.CharField(max_length=200, unique=True)
    projects = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        """Return the classifier."""
        return self.name
