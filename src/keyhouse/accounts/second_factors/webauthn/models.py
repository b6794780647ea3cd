"""Rows of security keys and passkeys, of people's user handles, and of ceremonies under way."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class SecurityKey(models.Model):
    """A security key or passkey of a person. Ids are base64url; no two accounts share one."""

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="security_keys")
    name = models.CharField(max_length=64)
    credential_id = models.CharField(max_length=1400, unique=True)
    public_key = models.BinaryField()  # COSE
    algorithm = models.IntegerField()
    rp_id = models.CharField(max_length=253)  # for which it was made; it works for no other
    sign_count = models.BigIntegerField(default=0)
    user_verified = models.BooleanField(default=False)  # when it was enrolled
    backup_eligible = models.BooleanField(default=False)  # false: it can't leave its device
    backup_state = models.BooleanField(default=False)
    aaguid = models.CharField(max_length=36, default="", blank=True)
    attested_model = models.CharField(  # by its maker, when it was enrolled; empty: nobody vouches for it
        max_length=200, default="", db_default="", blank=True
    )
    transports = models.JSONField(default=list)
    cloned_at = models.DateTimeField(null=True)  # its counter did not rise: there may be a copy
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField(null=True)

    class Meta:
        """A file of the accounts feature; check-ups look for what was added some weeks ago."""

        app_label = "accounts"
        indexes: ClassVar = [models.Index(fields=["created_at"], name="security_key_created")]

    def __str__(self) -> str:
        """Return the name its owner gave it."""
        return self.name

    @classmethod
    def usable(cls, *rp_ids: str) -> models.QuerySet[SecurityKey]:
        """Return the keys that work under these names of this site: not put aside, not made for another name."""
        return cls.objects.filter(cloned_at=None, rp_id__in=rp_ids)


class UserHandle(models.Model):
    """What authenticators call a person: random, and nothing else knows it (WebAuthn Level 3, 14.6.1)."""

    user = models.OneToOneField("accounts.User", on_delete=models.CASCADE, related_name="user_handle")
    handle = models.CharField(max_length=88, unique=True)  # base64url of 64 bytes

    class Meta:
        """A file of the accounts feature."""

        app_label = "accounts"

    def __str__(self) -> str:
        """Return the handle."""
        return self.handle


class Ceremony(models.Model):
    """One question to an authenticator, by its challenge: for one purpose, in one browser, once, for five minutes."""

    challenge = models.CharField(max_length=43, primary_key=True)  # base64url of 32 bytes
    purpose = models.CharField(max_length=16)  # enrol, second-factor, step-up; answered
    holder = models.CharField(max_length=64)  # the session or browser that asked
    user_id = models.BigIntegerField(null=True)  # null: whoever answers
    options = models.JSONField()
    begun_at = models.DateTimeField()

    class Meta:
        """Old ones are forgotten."""

        app_label = "accounts"
        indexes: ClassVar = [models.Index(fields=["begun_at"])]

    def __str__(self) -> str:
        """Return the purpose."""
        return self.purpose
