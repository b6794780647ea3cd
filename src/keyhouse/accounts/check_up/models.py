"""Rows of check-ups: when somebody was asked, what they said, how it ended."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class CheckUp(models.Model):
    """Somebody was asked whether their second factors still work; `enrolled_at` is when the oldest of them was added.

    `reported`: what its owner can't use any more, by its key in `rules.Method`, with the instant at which they said so.
    """

    class Outcome(models.TextChoices):
        """How it ended."""

        USED = "used"  # it was in use anyway, so nobody was asked
        WORKED = "worked"
        REPAIRED = "repaired"  # something was reported, and then replaced, removed, or proven after all
        UNANSWERED = "unanswered"

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="check_ups")
    enrolled_at = models.DateTimeField()
    asked_at = models.DateTimeField()
    later_count = models.PositiveSmallIntegerField(default=0)
    later_until = models.DateTimeField(null=True)
    reported = models.JSONField(default=dict)
    outcome = models.CharField(max_length=16, choices=Outcome, default="", blank=True)  # empty: still open
    ended_at = models.DateTimeField(null=True)

    class Meta:
        """A file of the accounts feature; nobody is asked twice about one enrolment."""

        app_label = "accounts"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "enrolled_at"], name="check_up_once")
        ]
        indexes: ClassVar = [
            models.Index(fields=["id"], name="check_up_open", condition=models.Q(ended_at=None))
        ]

    def __str__(self) -> str:
        """Return how it stands, without whose it is."""
        return self.outcome or "open"
