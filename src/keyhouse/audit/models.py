"""The rows of the audit log.

A record holds nothing personal itself: who it was, from which network and with which client stands beside it in
`Personal`, committed to by a salted digest, so that personal data can be erased without breaking a chain over records.
`chain` stays null until a sealer gives the record its place in that chain.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Record(models.Model):
    """One thing that happened: which action, to what, with which outcome."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    action = models.CharField(max_length=64)
    outcome = models.CharField(max_length=16, default="done")  # done, refused
    code = models.CharField(max_length=64, default="", blank=True)  # of a refusal
    actor_kind = models.CharField(max_length=16)
    actor_id = models.BigIntegerField(null=True)
    credential = models.CharField(max_length=64, default="", blank=True)
    methods = models.JSONField(default=list)  # what the session or credential had proven
    about_kind = models.CharField(max_length=32, default="", blank=True)
    about_id = models.CharField(max_length=64, default="", blank=True)
    about_name = models.CharField(max_length=300, default="", blank=True)
    # The account whose history this belongs to (the one acted on); its owner sees the record.
    account_id = models.BigIntegerField(null=True)
    details = models.JSONField(default=dict)
    personal_digest = models.CharField(max_length=64)
    # given by the sealer: its place in the chain, and the link that commits to it and all before it
    position = models.BigIntegerField(null=True, unique=True)
    chain = models.CharField(max_length=64, null=True)

    class Meta:
        """Indexes for the two questions asked: one person's history, one thing's history."""

        indexes: ClassVar = [
            models.Index(fields=["actor_id", "id"]),
            models.Index(fields=["account_id", "id"]),
            models.Index(fields=["about_kind", "about_name", "id"]),
            models.Index(fields=["id"], name="audit_unchained", condition=models.Q(position__isnull=True)),
        ]

    def __str__(self) -> str:
        """Return the record as one line."""
        return f"{self.at:%Y-%m-%dT%H:%M:%SZ} {self.action} {self.about_kind} {self.about_name}"


class Personal(models.Model):
    """What of a record is personal; erasable. `Record.personal_digest` is SHA-256 of salt and canonical JSON."""

    record = models.OneToOneField(Record, on_delete=models.CASCADE, primary_key=True)
    salt = models.CharField(max_length=32)
    name = models.CharField(max_length=150, default="", blank=True)
    network = models.CharField(max_length=64, default="", blank=True)
    user_agent = models.CharField(max_length=300, default="", blank=True)

    def __str__(self) -> str:
        """Return whose data this is."""
        return f"personal data of record {self.record_id}"


class ChainHead(models.Model):
    """The one row that tells how many records are chained and what they commit to, so that a missing end shows."""

    position = models.BigIntegerField(default=0)
    chain = models.CharField(max_length=64, default="0" * 64)
    sealed_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        """Return the place."""
        return str(self.position)


class WorkRound(models.Model):
    """How the last round of a work beside requests went, for the console; written every few seconds, by whichever process."""

    name = models.CharField(max_length=40, unique=True)
    ended_at = models.DateTimeField()
    error = models.CharField(max_length=300, default="", blank=True)
    failed_at = models.DateTimeField(null=True)  # when a round failed last, whatever came after
    last_error = models.CharField(max_length=300, default="", blank=True)

    def __str__(self) -> str:
        """Return which work."""
        return self.name
