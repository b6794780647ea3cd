"""Rows of sign-ins that stopped half-way."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class UnfinishedSignIn(models.Model):
    """The right password was given in an unknown browser, and no second factor yet. The row goes when one is."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="unfinished_sign_ins")
    session = models.CharField(max_length=64)  # its public id; the session itself may be long gone
    at = models.DateTimeField()
    network = models.CharField(max_length=64, default="", blank=True)
    user_agent = models.CharField(max_length=300, default="", blank=True)
    told_at = models.DateTimeField(null=True)

    class Meta:
        """A file of the accounts feature; the work that tells looks for those that weren't told."""

        app_label = "accounts"
        indexes: ClassVar = [
            models.Index(fields=["at"], name="unfinished_untold", condition=models.Q(told_at=None))
        ]

    def __str__(self) -> str:
        """Return when it was."""
        return str(self.at)
