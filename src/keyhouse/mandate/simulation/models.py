"""Rows of simulations: what each found, and those that somebody asked for and that wait or run.

Who asked is a snapshot, as in the audit log; names of people stand in a result as examples only, and go with it.
"""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class Simulation(models.Model):
    """What one version of a mandate would do to the index as it was; found anew, it is the same row (X9).

    `version` is null for a draft that no ledger knows. `people`, `covered`, `refused` and `orphaned` stand in the result, too.
    """

    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField(null=True)
    digest = models.CharField(max_length=64)  # of the document
    snapshot = models.CharField(max_length=64)  # of all that the decisions rest on
    made_at = models.DateTimeField()  # when it was found last
    made_by = models.CharField(max_length=150)
    people = models.BigIntegerField()
    covered = models.BigIntegerField()
    refused = models.BigIntegerField()  # at the last instant that is looked at
    orphaned = models.BigIntegerField()  # projects
    result = models.JSONField()

    class Meta:
        """The same data and the same document have one result; guards ask for the newest of a document."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["snapshot", "digest"], name="simulation_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["digest", "made_at"], name="simulation_fresh"),
            models.Index(fields=["mandate", "made_at"], name="simulation_of"),
        ]

    def __str__(self) -> str:
        """Return name and version, or what tells a draft."""
        return f"{self.mandate}@{self.version}" if self.version else f"{self.mandate} ({self.digest[:8]})"


class Wanted(models.Model):
    """A simulation that somebody asked for, until it is found; one that is cut off is begun anew."""

    class State(models.TextChoices):
        """How far it is."""

        WAITING = "waiting"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"

    mandate = models.CharField(max_length=63)
    version = models.PositiveIntegerField(null=True)
    digest = models.CharField(max_length=64)
    document = models.JSONField()
    state = models.CharField(max_length=16, choices=State, default=State.WAITING)
    asked_at = models.DateTimeField()
    asked_by = models.CharField(max_length=150)
    begun_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)
    tries = models.PositiveSmallIntegerField(default=0)
    error = models.CharField(max_length=300, default="", blank=True)
    simulation = models.ForeignKey(Simulation, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        """The next one is the oldest that is open; a document is asked for once at a time."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["digest"],
                name="simulation_wanted_once",
                condition=models.Q(state__in=["waiting", "running"]),
            )
        ]

    def __str__(self) -> str:
        """Return the mandate and how far it is."""
        return f"{self.mandate}: {self.state}"
