"""The ledger of quarantines: who took what out of the index, why, and how it was before."""

from __future__ import annotations

from typing import ClassVar

from django.db import models
from django.db.models import Q

from keyhouse.projects.models import Project


class Quarantine(models.Model):
    """A project, one of its releases (`version`) or a file (`filename`, with the version of its release).

    It lasts while `lifted_at` is null. What installers meet stands with the project, the release and the file; here is
    what they go back to.
    """

    project = models.ForeignKey(Project, on_delete=models.CASCADE, related_name="quarantines", db_index=False)
    version = models.CharField(max_length=200, default="", blank=True)
    filename = models.CharField(max_length=250, default="", blank=True)
    reason = models.CharField(max_length=500)
    former_status = models.CharField(max_length=16, default="", blank=True)  # of a project
    former_reason = models.CharField(max_length=500, default="", blank=True)
    set_at = models.DateTimeField()
    set_by = models.CharField(max_length=150)  # snapshots, for display
    lifted_at = models.DateTimeField(null=True)
    lifted_by = models.CharField(max_length=150, default="", blank=True)

    class Meta:
        """Of one thing there is one quarantine at a time."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "version", "filename"],
                condition=Q(lifted_at__isnull=True),
                name="one_quarantine_at_a_time",
            )
        ]
        indexes: ClassVar = [models.Index(fields=["-set_at"])]

    def __str__(self) -> str:
        """Return the name of what is held."""
        return self.filename or f"{self.project.name} {self.version}".rstrip()
