"""Rows of recovery codes."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class RecoveryCodeSet(models.Model):
    """The codes a person holds now; a new set replaces the old one. One salt a set: one hash a guess, not ten."""

    user = models.OneToOneField("accounts.User", on_delete=models.CASCADE, related_name="recovery_code_set")
    salt = models.CharField(max_length=32)  # hex
    parameters = models.CharField(max_length=32)  # of Argon2id, as `m=…,t=…,p=…`
    created_at = models.DateTimeField()
    confirmed_at = models.DateTimeField(null=True)  # when one was typed back

    class Meta:
        """A file of the accounts feature."""

        app_label = "accounts"

    def __str__(self) -> str:
        """Return whose set it is."""
        return f"recovery codes of {self.user_id}"


class RecoveryCode(models.Model):
    """One code, as Argon2id hash under the set's salt; used by one conditional update."""

    code_set = models.ForeignKey(RecoveryCodeSet, on_delete=models.CASCADE, related_name="codes")
    digest = models.CharField(max_length=64)  # hex
    used_at = models.DateTimeField(null=True)

    class Meta:
        """A file of the accounts feature; a digest stands once in a set."""

        app_label = "accounts"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["code_set", "digest"], name="recovery_code_once")
        ]

    def __str__(self) -> str:
        """Never show anything of a code."""
        return "recovery code"
