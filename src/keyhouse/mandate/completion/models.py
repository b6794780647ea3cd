"""Rows of completion: what the check said, one for each day and version."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class CompletionCheck(models.Model):
    """The last check of one version on one day (UTC); `result` is `Completion.as_dict`, names left out of it."""

    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    checked_on = models.DateField()
    checked_at = models.DateTimeField()
    is_complete = models.BooleanField()
    result = models.JSONField()

    class Meta:
        """One row a day."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mandate", "version", "checked_on"], name="completion_once_a_day")
        ]

    def __str__(self) -> str:
        """Return which version, and what was found."""
        return f"{self.mandate}@{self.version} {'complete' if self.is_complete else 'not complete'}"
