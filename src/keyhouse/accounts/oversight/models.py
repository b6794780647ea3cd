"""The ledger of suspensions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from django.conf import settings
from django.db import models


class Suspension(models.Model):
    """That operators closed an account: why, who, since when, and how it ended.

    `state_before` is the state that the account goes back to. What happens to it meanwhile (its owner freezes it) is
    written there, so that nothing but the end of the suspension opens the account. `is_final`: the person has left.
    """

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="suspensions")
    state_before = models.CharField(max_length=24)
    reason = models.CharField(max_length=500)
    is_final = models.BooleanField(default=False)
    placed_at = models.DateTimeField()
    placed_by = models.CharField(max_length=50)  # a snapshot, for display
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=50, default="", blank=True)

    class Meta:
        """An account is suspended once at a time."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], name="suspended_once", condition=models.Q(ended_at__isnull=True)
            )
        ]

    def __str__(self) -> str:
        """Return why."""
        return self.reason


class Proposal(models.Model):
    """Power over others that an operator wants somebody to have: an office, or the ownership of a project or organization without owner.

    That an account is kept for emergencies is proposed in the same way.

    `effective_at`: from when on it can be carried out, which is null while approvals are missing. It is open until it is
    done, or ended for a reason (withdrawn, or not possible any more).
    """

    class Kind(models.TextChoices):
        """What the person gets."""

        OFFICE = "office"
        OWNER = "owner"
        EMERGENCY = "emergency"
        ORGANIZATION = "organization"  # the ownership of one
        ADDRESS = "address"  # that one of theirs counts as verified, which is no power, but could lead to it

    kind = models.CharField(max_length=16, choices=Kind)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="proposals")
    about = models.CharField(
        max_length=200
    )  # the office, the normalised name of the project or organization, whether it is kept, the number of the address
    reason = models.CharField(max_length=500)
    proposed_at = models.DateTimeField()
    proposed_by = models.CharField(max_length=150)
    approved_by = models.JSONField(default=list)
    effective_at = models.DateTimeField(null=True)
    done_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    ended_why = models.CharField(max_length=200, default="", blank=True)

    class Meta:
        """The same waits once."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["kind", "user", "about"],
                name="proposed_once",
                condition=models.Q(done_at__isnull=True, ended_at__isnull=True),
            )
        ]

    def __str__(self) -> str:
        """Return what is proposed."""
        return f"{self.kind} {self.about}"

    @property
    def is_open(self) -> bool:
        """Whether it is neither done nor ended."""
        return self.done_at is None and self.ended_at is None


class Announcement(models.Model):
    """A line that stands on every page for people, from one instant to another."""

    class Severity(models.TextChoices):
        """How it looks."""

        INFO = "info"
        WARN = "warn"
        DANGER = "danger"

    text = models.CharField(max_length=300)
    severity = models.CharField(max_length=8, choices=Severity, default=Severity.INFO)
    begins_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    made_by = models.CharField(max_length=150)  # a snapshot, for display
    ended_by = models.CharField(max_length=150, default="", blank=True)  # who ended it before its time
    # what people read of it; as labels of the choices it would be a migration
    WORDS: ClassVar[Mapping[str, str]] = {
        Severity.INFO: "good to know",
        Severity.WARN: "something will not work",
        Severity.DANGER: "act now",
    }

    class Meta:
        """Asked for by every page."""

        indexes: ClassVar = [models.Index(fields=["ends_at"], name="announcement_live")]

    def __str__(self) -> str:
        """Return the line."""
        return self.text

    @property
    def word(self) -> str:
        """How urgent it is, as people read it."""
        return self.WORDS[self.severity]
