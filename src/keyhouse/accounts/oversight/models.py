"""The ledger of suspensions."""

from __future__ import annotations

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
