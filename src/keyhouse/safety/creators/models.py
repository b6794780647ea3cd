"""Who is approved to make projects."""

from __future__ import annotations

from django.conf import settings
from django.db import models


class Creator(models.Model):
    """Somebody whom operators approved; it counts where the setting asks for it."""

    user = models.OneToOneField(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    approved_at = models.DateTimeField()
    approved_by = models.CharField(max_length=150)  # a snapshot, for display

    def __str__(self) -> str:
        """Return the account's number."""
        return str(self.user_id)
