"""The rows of the outbox: one for each mail to one address, and what came back."""

from __future__ import annotations

from typing import ClassVar, Final

from django.db import models

SECURITY: Final = "security"
BULK: Final = "bulk"

WAITING: Final = "waiting"
SENT: Final = "sent"
FAILED: Final = "failed"
SUPPRESSED: Final = "suppressed"  # not even tried: the address has bounced
OVER: Final = (SENT, FAILED, SUPPRESSED)

LONGEST_ADDRESS: Final = 320
LONGEST_ERROR: Final = 300
LONGEST_KEY: Final = 200


class Mail(models.Model):
    """A mail: who gets it, when it is tried next, how it ended. What it says is sealed, and wiped at its end."""

    id = models.BigAutoField(primary_key=True)
    lane = models.CharField(max_length=16)
    kind = models.CharField(max_length=64)
    address = models.CharField(max_length=LONGEST_ADDRESS)
    # The account it is about; no foreign key: the outbox knows no people.
    account_id = models.BigIntegerField(null=True, db_index=True)
    key = models.CharField(
        max_length=LONGEST_KEY, null=True, unique=True
    )  # null: may be queued any number of times
    even_if_bounced = models.BooleanField(default=False)
    content_sealed = models.TextField(default="", blank=True)
    token = models.CharField(
        max_length=32
    )  # of its Message-ID: the same at each try, so that readers show it once
    queued_at = models.DateTimeField()
    expires_at = models.DateTimeField(null=True)
    state = models.CharField(max_length=16, default=WAITING)
    due_at = (
        models.DateTimeField()
    )  # of the next try; moved on before each, so that a killed one is tried again
    tries = models.IntegerField(default=0)
    tried_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)  # sent, failed or suppressed
    last_error = models.CharField(max_length=LONGEST_ERROR, default="", blank=True)

    class Meta:
        """Indexes for what the postman asks all the time, with any number of rows that wait or are over."""

        indexes: ClassVar = [
            models.Index(
                fields=["lane", "due_at", "id", "queued_at"],
                name="mail_queue",
                condition=models.Q(state=WAITING),
            ),
            models.Index(
                fields=["expires_at"],
                name="mail_expiring",
                condition=models.Q(state=WAITING, expires_at__isnull=False),
            ),
            models.Index(fields=["tried_at"], name="mail_bulk_tried", condition=models.Q(lane=BULK)),
            # Without the condition a planner that has no statistics would take it for whatever asks what waits.
            models.Index(
                fields=["state", "ended_at"],
                name="mail_over",
                condition=models.Q(ended_at__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Return what it is, without to whom."""
        return f"{self.kind} ({self.state})"


class Bounce(models.Model):
    """What came back for an address. A permanent one that nobody cleared keeps mails from it."""

    id = models.BigAutoField(primary_key=True)
    address = models.CharField(max_length=LONGEST_ADDRESS)  # folded
    kind = models.CharField(max_length=16)  # permanent, temporary, complaint
    at = models.DateTimeField()
    source = models.CharField(max_length=16)  # smtp, report
    cleared_at = models.DateTimeField(null=True)

    class Meta:
        """The same report twice is one row."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["address", "kind", "at", "source"], name="mail_bounce_once")
        ]

    def __str__(self) -> str:
        """Return its kind, without the address."""
        return f"{self.kind} bounce"
