"""What people report."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q


class Report(models.Model):
    """A project, or one release of it, that somebody told the people who run the index about.

    It is open while `closed_at` is null. The project stands here by name: what was said of it outlives it, and the
    account of whoever said it (`reporter` is null then).
    """

    class Kind(models.TextChoices):
        """What is wrong."""

        MALWARE = "malware", "It does harm: it steals, spies or destroys"
        IMPERSONATION = "impersonation", "It pretends to be something or somebody else"
        NAME = "name", "Its name belongs to somebody else, or is a trap"
        LICENCE = "licence", "It breaks a licence, or isn't theirs to publish"
        OTHER = "other", "Something else"

    class Outcome(models.TextChoices):
        """What became of it."""

        ACTED = "acted", "acted on"
        DISMISSED = "dismissed", "dismissed"

    normalized_name = models.CharField(max_length=200)
    version = models.CharField(max_length=200, default="", blank=True)
    kind = models.CharField(max_length=16, choices=Kind.choices)
    text = models.CharField(max_length=2000)
    reporter = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reported_at = models.DateTimeField()
    outcome = models.CharField(max_length=16, choices=Outcome.choices, default="", blank=True)
    note = models.CharField(max_length=500, default="", blank=True)  # the reporter reads it
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=150, default="", blank=True)  # a snapshot, for display

    class Meta:
        """Somebody has one open report about a project."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["reporter", "normalized_name"],
                condition=Q(closed_at__isnull=True),
                name="one_open_report",
            )
        ]
        indexes: ClassVar = [
            models.Index(fields=["closed_at", "-id"]),
            models.Index(fields=["normalized_name"]),
        ]

    def __str__(self) -> str:
        """Return what it is about."""
        return f"{self.normalized_name} {self.version}".rstrip()
