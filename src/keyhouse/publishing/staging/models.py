"""Releases that wait for a person to publish them, with their files.

Nothing here is a row of `projects`, so no face of the index can show it. The shape is that of an upload session (PEP 694):
it has a number of its own, a project and a version, files, and an end.
"""

from __future__ import annotations

import uuid
from typing import Any, ClassVar

from django.conf import settings
from django.db import models

from keyhouse.projects.models import Project


class StagedRelease(models.Model):
    """Files of one version of a project, which become visible all at once or not at all.

    One that was published has no row any more. Where its project is gone, it can only be let go of.
    """

    class Outcome(models.TextChoices):
        """How it ended, where it wasn't published."""

        WAITING = "", "waiting"
        DISCARDED = "discarded", "discarded"
        EXPIRED = "expired", "expired"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    project = models.ForeignKey(Project, on_delete=models.SET_NULL, null=True, related_name="staged_releases")
    version = models.CharField(max_length=200)  # canonical (PEP 440), as its first file has it
    opened_at = models.DateTimeField()
    opened_by = models.CharField(max_length=300)  # whoever uploaded its first file; a snapshot, for display
    expires_at = models.DateTimeField(db_index=True)
    warned_at = models.DateTimeField(null=True)  # when its project's people were told that it will end
    ended_at = models.DateTimeField(null=True)  # its bytes may be let go of
    outcome = models.CharField(max_length=16, choices=Outcome, default=Outcome.WAITING, blank=True)

    class Meta:
        """One of a version waits at a time."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["project", "version"],
                name="one_staged_release_a_version",
                condition=models.Q(ended_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        """Return the version."""
        return self.version


class StagedFile(models.Model):
    """A file that was judged and whose bytes are stored; `description` is all that publishing it takes."""

    release = models.ForeignKey(StagedRelease, on_delete=models.CASCADE, related_name="files")
    filename = models.CharField(max_length=250)
    kind = models.CharField(max_length=16)  # sdist, bdist_wheel
    size = models.BigIntegerField()
    sha256 = models.CharField(max_length=64)
    blake2 = models.CharField(max_length=64, db_index=True)
    staged_at = models.DateTimeField()
    uploaded_by = models.CharField(max_length=300)  # a snapshot, for display
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )  # behind the credential when it was uploaded
    uploaded_via = models.CharField(max_length=16)  # token, publisher
    credential = models.CharField(max_length=64, default="", blank=True)
    description: Any = models.JSONField(default=dict)  # as `describing.written` has it

    class Meta:
        """A name stands once in a release."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["release", "filename"], name="staged_file_once")
        ]

    def __str__(self) -> str:
        """Return the file name."""
        return self.filename
