"""Accounts of operators that are kept for emergencies: nobody uses them day by day."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class EmergencyAccount(models.Model):
    """An operator's account that is kept for the day on which no other operator gets in."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="emergency_account"
    )
    marked_at = models.DateTimeField()
    used_at = models.DateTimeField(null=True)  # the last sign-in since
    key_used_at = models.DateTimeField(null=True)  # the last one by a security key: then it was tested

    class Meta:
        """The console asks which were used lately."""

        indexes: ClassVar = [models.Index(fields=["used_at"], name="emergency_used")]

    def __str__(self) -> str:
        """Return what it is."""
        return f"emergency account {self.user_id}"
