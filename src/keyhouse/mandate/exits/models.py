"""Rows of ways out: what people ask operators for, what they lay down, and how much hangs on a project."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models

from keyhouse.mandate.models import Exemption


class Request(models.Model):
    """That somebody asks the operators for an exemption, or for a security key. It is open until it has an answer.

    `exemption` is what an operator proposed upon it; while that waits for another operator the request is open still.
    """

    class Kind(models.TextChoices):
        """What is asked for."""

        EXEMPTION = "exemption"
        KEY = "key"

    class Outcome(models.TextChoices):
        """How it ended."""

        WITHDRAWN = "withdrawn"
        GRANTED = "granted"
        REFUSED = "refused"
        CLOSED = "closed"  # with the account

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mandate_requests"
    )
    kind = models.CharField(max_length=16, choices=Kind)
    mandate = models.CharField(max_length=63, default="", blank=True)
    reason = models.CharField(max_length=500)
    evidence = models.CharField(max_length=500, default="", blank=True)
    control = models.CharField(max_length=500, default="", blank=True)  # what protects the account meanwhile
    days = models.PositiveIntegerField(default=0)
    asked_at = models.DateTimeField()
    exemption = models.ForeignKey(Exemption, null=True, on_delete=models.SET_NULL, related_name="requests")
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome, default="", blank=True)
    answered_by = models.CharField(max_length=150, default="", blank=True)  # a snapshot, for display
    answer = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        """One open at a time."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], name="one_open_request", condition=models.Q(ended_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        """Return what is asked for."""
        return f"{self.kind} {self.mandate}".strip()


class LayingDown(models.Model):
    """That the only owner of a project or organization gives it up: at `due_at`, unless they take it back."""

    class Kind(models.TextChoices):
        """What is laid down."""

        PROJECT = "project"
        ORGANIZATION = "organization"

    kind = models.CharField(max_length=16, choices=Kind)
    normalized_name = models.CharField(max_length=200)
    key = models.CharField(max_length=64)  # the lineage of the project, or the number of the organization
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="laying_down")
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)

    class Meta:
        """Somebody lays a thing down once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["kind", "key", "user"], name="laid_down_once")
        ]

    def __str__(self) -> str:
        """Return what it is."""
        return f"{self.kind} {self.normalized_name}"


class Weight(models.Model):
    """How many clients asked for a project lately and how many projects require it, worked out once a day."""

    normalized_name = models.CharField(max_length=200, unique=True)
    clients = models.BigIntegerField(default=0)
    dependents = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        """Return the name."""
        return self.normalized_name
