"""What mandates in their shadow would refuse, who was refused first when, brownouts that ended, deadlines put off.

Counts, not attempts: each attempt itself is in the history of the gate, for as long as that is kept.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Verdict(models.Model):
    """How often a version in its shadow would have refused something that was let through, on one day.

    Where a day has too many rows, `person` is 0 in further ones, and then `project` empty, too.
    """

    id = models.BigAutoField(primary_key=True)
    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    day_on = models.DateField()
    action = models.CharField(max_length=64)
    project = models.CharField(max_length=200, default="", blank=True)  # normalised; empty: none, or many
    person = models.BigIntegerField(default=0)  # number of the account; 0: many
    code = models.CharField(max_length=64)
    credential = models.CharField(max_length=40)  # its class: what asks, and the best that it was proven by
    count = models.BigIntegerField(default=0)

    class Meta:
        """One row for all that is alike."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=[
                    "mandate", "version", "day_on", "action", "project", "person", "code", "credential",
                ],
                name="shadow_verdict_once",
            )
        ]  # fmt: skip

    def __str__(self) -> str:
        """Return version and action."""
        return f"{self.mandate}@{self.version} {self.action}"


class Weighed(models.Model):
    """How many attempts a version in its shadow weighed on one day, and how many it would have refused."""

    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    day_on = models.DateField()
    weighed = models.BigIntegerField(default=0)
    refused = models.BigIntegerField(default=0)

    class Meta:
        """One row a day."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mandate", "version", "day_on"], name="shadow_weighed_once")
        ]

    def __str__(self) -> str:
        """Return version and day."""
        return f"{self.mandate}@{self.version} {self.day_on}"


class StaleTold(models.Model):
    """That operators were told of a shadow that ended with nothing after it."""

    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    told_at = models.DateTimeField()

    class Meta:
        """They are told once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mandate", "version"], name="shadow_stale_once")
        ]

    def __str__(self) -> str:
        """Return the version."""
        return f"{self.mandate}@{self.version}"


class Minute(models.Model):
    """What the gate did in one minute of a brownout that has an error budget."""

    mandate = models.CharField(max_length=63)
    minute = models.BigIntegerField()  # since 1970
    refused = models.BigIntegerField(default=0)  # by this mandate
    uploads = models.BigIntegerField(default=0)  # all attempts, by whomever
    uploads_refused = models.BigIntegerField(default=0)  # by this mandate

    class Meta:
        """One row a minute."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mandate", "minute"], name="shadow_minute_once")
        ]

    def __str__(self) -> str:
        """Return mandate and minute."""
        return f"{self.mandate} {self.minute}"


class BrownoutEnd(models.Model):
    """A brownout that ended before its time, as its error budget was used up; it never begins again by itself."""

    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    stage_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    why = models.CharField(max_length=500)

    class Meta:
        """It ends once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["mandate", "stage_at"], name="shadow_brownout_end_once")
        ]

    def __str__(self) -> str:
        """Return the mandate."""
        return self.mandate


class Snooze(models.Model):
    """A deadline of their own that somebody put off under one announcement of a mandate."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mandate_snoozes"
    )
    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    announced_at = models.DateTimeField()
    number = models.PositiveSmallIntegerField()
    made_at = models.DateTimeField()
    until_at = models.DateTimeField()

    class Meta:
        """Each of the times that a mandate allows is taken once."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "mandate", "announced_at", "number"], name="shadow_snooze_once"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["mandate"])]

    def __str__(self) -> str:
        """Return the mandate."""
        return self.mandate


class FirstRefusal(models.Model):
    """When a mandate first refused somebody anything, and what became of it.

    `complied_at`: when they had what it asks for, by the day of their factor. `left_at`: when it was seen that it is no
    longer about them, as they gave up what made it so, or their account.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="mandate_first_refusals"
    )
    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField()
    first_at = models.DateTimeField()
    action = models.CharField(max_length=64)
    code = models.CharField(max_length=64)
    credential = models.CharField(max_length=40)
    was_compliant = models.BooleanField(default=False)  # they had it, and what they used didn't prove it
    complied_at = models.DateTimeField(null=True)
    left_at = models.DateTimeField(null=True)
    looked_at = models.DateTimeField(null=True)

    class Meta:
        """There is one first time."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "mandate"], name="shadow_first_refusal_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["mandate", "first_at"]),
            models.Index(
                fields=["looked_at"],
                name="shadow_open_refusal",
                condition=models.Q(complied_at=None, left_at=None, was_compliant=False),
            ),
        ]

    def __str__(self) -> str:
        """Return the mandate."""
        return self.mandate
