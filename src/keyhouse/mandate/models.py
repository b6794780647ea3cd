"""Rows of mandates: immutable versions, exemptions, notices, and what was decided.

People are foreign keys only where the row is about them; who proposed and approved is a snapshot, as in the audit log.
"""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar

from django.conf import settings
from django.db import models

from keyhouse.mandate.pauses import LONGEST


class MandateVersion(models.Model):
    """One version of a mandate; its document never changes.

    A version waits while `effective_at` is null. It holds from `effective_at` until a later version of its name does.
    A draft waits for its launch: nothing of it is in effect or public.
    """

    class Origin(models.TextChoices):
        """Where a version came from."""

        DEFAULT = "default"
        APPLIED = "applied"
        SEEDED = "seeded"

    name = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    document = models.JSONField()
    digest = models.CharField(max_length=64)
    origin = models.CharField(max_length=16, choices=Origin)
    is_draft = models.BooleanField(default=False)
    is_loosening = models.BooleanField(default=False)
    plan = models.JSONField(default=dict)  # what the plan said when it was proposed
    why = models.CharField(
        max_length=500, default="", blank=True
    )  # it was launched, rolled back or abandoned
    simulation = models.CharField(max_length=64, default="", blank=True)  # that the launch rested on
    proposed_at = models.DateTimeField()
    proposed_by = models.CharField(max_length=150)
    approved_at = models.DateTimeField(null=True)
    approved_by = models.JSONField(default=list)
    effective_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=150, default="", blank=True)

    class Meta:
        """A version stands once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["name", "version"], name="mandate_version_once")
        ]

    def __str__(self) -> str:
        """Return name and version."""
        return f"{self.name}@{self.version}"


class Pause(models.Model):
    """A pause of a mandate's calendar, whatever its version; see `pauses` for what it does.

    It ends by itself at `ends_by`, or after `pauses.LONGEST` where that is empty, unless operators confirmed it.
    `signal` names the figure that began it where no person did. `confirmed_by` without `confirmed_at` is the first of
    two who confirm what no operator began.
    """

    mandate = models.CharField(max_length=63)
    begun_at = models.DateTimeField()
    begun_by = models.CharField(max_length=150)
    reason = models.CharField(max_length=500)
    signal = models.CharField(max_length=32, default="", blank=True)
    ends_by = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)
    confirmed_by = models.CharField(max_length=150, default="", blank=True)
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=150, default="", blank=True)
    ended_why = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        """A mandate is paused once at a time."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["mandate"], condition=models.Q(ended_at=None), name="mandate_paused_once"
            )
        ]

    def __str__(self) -> str:
        """Return the mandate's name."""
        return self.mandate

    @property
    def ends_at(self) -> datetime | None:
        """Return when it ended or will end by itself; None: when somebody ends it."""
        if self.ended_at is not None or self.confirmed_at is not None:
            return self.ended_at
        return self.ends_by or self.begun_at + LONGEST

    def is_open(self, now: datetime) -> bool:
        """Tell whether it goes on."""
        ends_at = self.ends_at
        return ends_at is None or now < ends_at


class Exemption(models.Model):
    """An exemption of one person from one version of a mandate, for a while, with who answers for it."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="exemptions")
    version = models.ForeignKey(MandateVersion, on_delete=models.PROTECT, related_name="exemptions")
    reason = models.CharField(max_length=500)
    evidence = models.CharField(max_length=500, default="", blank=True)
    control = models.CharField(max_length=500, default="", blank=True)  # what compensates meanwhile
    until = models.DateTimeField()
    proposed_at = models.DateTimeField()
    proposed_by = models.CharField(max_length=150)
    approved_at = models.DateTimeField(null=True)
    approved_by = models.JSONField(default=list)
    effective_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_by = models.CharField(max_length=150, default="", blank=True)

    def __str__(self) -> str:
        """Return the mandate it is from."""
        return f"exemption from {self.version_id}"


class Notice(models.Model):
    """A notice of a mandate that reached somebody: mailed and delivered, or shown in their page."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mandate_notices"
    )
    mandate = models.CharField(max_length=63)
    kind = models.CharField(max_length=24)
    delivered_at = models.DateTimeField()

    class Meta:
        """Each kind reaches a person once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "mandate", "kind"], name="notice_once")
        ]

    def __str__(self) -> str:
        """Return mandate and kind."""
        return f"{self.mandate} {self.kind}"


class CriticalProject(models.Model):
    """A project name that is critical by a criterion; it stays through deletion and a new beginning (lineage)."""

    criterion = models.CharField(max_length=120)  # its key
    normalized_name = models.CharField(max_length=200)
    lineage = models.UUIDField()
    since_at = models.DateTimeField()
    value = models.BigIntegerField(default=0)  # of the metric when it was last worked out

    class Meta:
        """A name is critical once by a criterion."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["criterion", "normalized_name"], name="critical_once")
        ]
        indexes: ClassVar = [models.Index(fields=["normalized_name"])]

    def __str__(self) -> str:
        """Return the name."""
        return self.normalized_name


class CriterionRun(models.Model):
    """When the critical projects of a criterion were last worked out."""

    criterion = models.CharField(max_length=120, unique=True)
    run_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the criterion's key."""
        return self.criterion


class DeletionAsk(models.Model):
    """The people of a project asked for its deletion while a mandate holds that."""

    lineage = models.UUIDField(unique=True)
    normalized_name = models.CharField(max_length=200)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)

    def __str__(self) -> str:
        """Return the name."""
        return self.normalized_name


class KnownFacts(models.Model):
    """Facts that some gated attempt rested on, kept once for each digest; they hold no secret and no address."""

    digest = models.CharField(max_length=64, primary_key=True)
    facts = models.JSONField()
    first_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the digest."""
        return self.digest


class GatedAttempt(models.Model):
    """One gated attempt, so that history can be replayed: which facts, when, and what was answered."""

    id = models.BigAutoField(primary_key=True)
    at = models.DateTimeField(db_index=True)
    digest = models.CharField(max_length=64)
    verdict = models.CharField(max_length=8)
    code = models.CharField(max_length=64, default="", blank=True)
    mandate = models.CharField(max_length=80, default="", blank=True)  # name@version

    class Meta:
        """Facts are looked up by digest, and dropped when no attempt is left."""

        indexes: ClassVar = [models.Index(fields=["digest"])]

    def __str__(self) -> str:
        """Return verdict and code."""
        return f"{self.verdict} {self.code}"


class ProtectedProject(models.Model):
    """Days on which everybody with authority over a project met the mandates in force; only the positive is kept."""

    normalized_name = models.CharField(max_length=200, unique=True)
    first_on = models.DateField()
    last_on = models.DateField()

    def __str__(self) -> str:
        """Return the name."""
        return self.normalized_name


class Change(models.Model):
    """The one row that counts changes of mandates, so that every process notices each."""

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        """Return the count."""
        return str(self.value)
