"""Rows of what organizations declared; each is a version that never changes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models

from keyhouse.organizations.models import Organization


class Declaration(models.Model):
    """One version of what an organization asks of its people; `declarations.holding` says which of them hold.

    It goes with the organization, whatever that is called. Who declared and approved is a snapshot, as in the audit log.
    """

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="declarations", db_index=False
    )
    version = models.PositiveIntegerField()
    demand = models.CharField(max_length=48, blank=True, default="")  # empty: nothing any more
    is_loosening = models.BooleanField(default=False)
    declared_at = models.DateTimeField()
    declared_by = models.CharField(max_length=150)
    announced_at = models.DateTimeField()
    from_at = models.DateTimeField()
    begins_at = models.DateTimeField()  # of a loosening: when its wait is over, or it was approved
    approved_by = models.CharField(max_length=150, default="", blank=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=150, default="", blank=True)

    class Meta:
        """A version stands once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "version"], name="declaration_version_once")
        ]

    def __str__(self) -> str:
        """Return what it asks for."""
        return f"{self.demand or 'nothing'} ({self.version})"
