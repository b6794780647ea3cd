"""What was deleted and can be brought back for some days. No face of the index reads these tables."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Removal(models.Model):
    """The deletion of a project, a release or a file, until it is undone or over.

    It names its project by number and name, as the project may be gone itself.
    """

    class Kind(models.TextChoices):
        """What was deleted."""

        PROJECT = "project"
        RELEASE = "release"
        FILE = "file"

    kind = models.CharField(max_length=16, choices=Kind)
    project_key = models.BigIntegerField(db_index=True)
    project_name = models.CharField(max_length=200)  # as its owner spelt it
    normalized_name = models.CharField(max_length=200, db_index=True)
    version = models.CharField(max_length=200, default="", blank=True)
    filename = models.CharField(max_length=250, default="", blank=True)
    file_count = models.IntegerField(default=0)
    removed_at = models.DateTimeField()
    removed_by = models.CharField(max_length=150, default="", blank=True)  # a snapshot, for display
    until_at = models.DateTimeField(db_index=True)  # from then on it can't be brought back
    swept_at = models.DateTimeField(null=True)  # its blobs are going
    # of the organization that the project stood in, by number, as it may be gone itself; its owners may bring it back
    organization_key = models.BigIntegerField(null=True)

    def __str__(self) -> str:
        """Return the name of what was deleted."""
        return self.filename or (f"{self.project_name} {self.version}" if self.version else self.project_name)


class KeptRow(models.Model):
    """A row as it was: its table, its number and its columns; of counts, many rows (`aside` gives the shape)."""

    removal = models.ForeignKey(Removal, on_delete=models.CASCADE, related_name="rows")
    table = models.CharField(max_length=64)
    key = models.BigIntegerField()
    filename = models.CharField(max_length=250, default="", blank=True, db_index=True)  # of a file
    columns = models.JSONField(default=dict)

    def __str__(self) -> str:
        """Return table and number."""
        return f"{self.table} {self.key}"


class KeptRole(models.Model):
    """What a person might do in a project that was deleted; owners may bring it back."""

    removal = models.ForeignKey(Removal, on_delete=models.CASCADE, related_name="roles", db_index=False)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=16)
    since_at = models.DateTimeField()

    class Meta:
        """A person had one role."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["removal", "user"], name="one_kept_role_a_person")
        ]

    def __str__(self) -> str:
        """Return the kind of role."""
        return self.kind
