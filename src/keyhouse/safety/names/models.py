"""Names that are kept for somebody."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class ReservedName(models.Model):
    """A name, or a prefix (`acme-*`), that only some people may use for new projects, or nobody."""

    name = models.CharField(max_length=200)  # normalised, without the `-*` of a prefix
    folded_name = models.CharField(max_length=200)  # after confusables folding
    is_prefix = models.BooleanField(default=False)
    reason = models.CharField(max_length=300, default="", blank=True)
    reserved_at = models.DateTimeField()
    reserved_by = models.CharField(max_length=150)  # a snapshot, for display

    class Meta:
        """A name and a prefix are kept once each."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["folded_name", "is_prefix"], name="reserved_once")
        ]

    def __str__(self) -> str:
        """Return the name as it is typed."""
        return f"{self.name}-*" if self.is_prefix else self.name


class ReservedFor(models.Model):
    """Somebody who may use a reserved name."""

    reserved = models.ForeignKey(
        ReservedName, on_delete=models.CASCADE, related_name="people", db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")

    class Meta:
        """A person is named once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["reserved", "user"], name="reserved_for_once")
        ]

    def __str__(self) -> str:
        """Return both numbers."""
        return f"{self.reserved_id} for {self.user_id}"
