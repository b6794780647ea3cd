"""The rows of switches."""

from __future__ import annotations

from django.db import models


class Switch(models.Model):
    """A switch that was ever thrown. It is on while `since_at` is set and `until_at` (null: no end) lies ahead."""

    name = models.CharField(max_length=32, unique=True)  # of `core.switches.NAMES`
    reason = models.CharField(max_length=500, default="", blank=True)
    set_by = models.CharField(max_length=150, default="", blank=True)  # a snapshot, for display
    since_at = models.DateTimeField(null=True)
    until_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the name."""
        return self.name
