"""Rows of authenticator apps."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Authenticator(models.Model):
    """An authenticator app of a person. `last_step` only ever rises, by one conditional update (RFC 6238 5.2)."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="authenticators")
    name = models.CharField(max_length=64)
    secret_sealed = models.TextField()
    last_step = models.BigIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)  # in a row
    disabled_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        """A file of the accounts feature; check-ups look for what was added some weeks ago."""

        app_label = "accounts"
        indexes: ClassVar = [models.Index(fields=["created_at"], name="authenticator_created")]

    def __str__(self) -> str:
        """Return the name its owner gave it."""
        return self.name
