"""What people were told of mandates, by mail, and what became of it; the exact words; and weak credentials in use."""

from __future__ import annotations

from typing import ClassVar, Final

from django.conf import settings
from django.db import models

QUEUED: Final = "queued"
SENT: Final = "sent"
BOUNCED: Final = "bounced"
NO_MX: Final = "no-mx"
UNVERIFIED: Final = "unverified"
SUPPRESSED: Final = "suppressed"
FAILED: Final = "failed"
ON_SITE: Final = "on-site"  # not mailed, since it makes no mail of its own
UNREACHED: Final = (BOUNCED, NO_MX, UNVERIFIED, SUPPRESSED, FAILED)


class Wording(models.Model):
    """The exact text of a notice, with gaps where each person's own parts stand; written before the first mail of it."""

    digest = models.CharField(max_length=64, primary_key=True)  # SHA-256 of the text in UTF-8, hex
    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    kind = models.CharField(max_length=24)
    title = models.CharField(max_length=200)
    text = models.TextField()
    first_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return mandate and kind."""
        return f"{self.mandate}@{self.version} {self.kind}"


class Delivery(models.Model):
    """One notice to one person about one occasion: it is queued once, whatever happens; what became of it is its state.

    `letter` names the mails in the outbox that carry it: one letter may carry several notices, and goes to each of
    somebody's addresses.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mandate_deliveries"
    )
    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    kind = models.CharField(max_length=24)
    about = models.CharField(max_length=64)  # the occasion, for example the instant of the announcement
    wording = models.CharField(max_length=64)  # by its digest
    letter = models.CharField(max_length=32, blank=True, default="")
    addresses = models.PositiveIntegerField(default=0)
    tries = models.PositiveIntegerField(default=1)
    scheduled_at = models.DateTimeField(null=True)  # what the schedule said, and
    deadline_at = models.DateTimeField(null=True)  # what this person was told
    queued_at = models.DateTimeField()
    state = models.CharField(max_length=16, default=QUEUED)
    ended_at = models.DateTimeField(null=True)
    read_at = models.DateTimeField(null=True)  # on the site

    class Meta:
        """A person is told once of an occasion; what waits for its end, and lately ended, is found without reading all."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "mandate", "kind", "about"], name="mandate_delivery_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="delivery_queued", condition=models.Q(state=QUEUED)),
            models.Index(fields=["ended_at", "state"], name="delivery_ended"),
        ]

    def __str__(self) -> str:
        """Return what it was about, without whom."""
        return f"{self.mandate} {self.kind} ({self.state})"


class WeakUse(models.Model):
    """Somebody's credential, weaker than a mandate asks for, published a project; the last time counts."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="weak_uses")
    project = models.CharField(max_length=200)  # normalized name
    mandate = models.CharField(max_length=63)
    at = models.DateTimeField(db_index=True)

    class Meta:
        """One row for each person, project and mandate."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "project", "mandate"], name="weak_use_once")
        ]

    def __str__(self) -> str:
        """Return the mandate."""
        return self.mandate


class Turn(models.Model):
    """The one row that lets one node at a time queue notices."""

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        """Return nothing of use."""
        return str(self.value)
