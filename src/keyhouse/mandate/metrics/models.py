"""How adoption stood, one row a day for the index and for each live mandate: numbers only, nobody's name."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class AdoptionDay(models.Model):
    """The counters of one day; `mandate` is empty for the index itself. A day without a row was missed.

    `counts` has the shape that `rules` describes. Until the day is over it is counted anew now and then; then what
    happened in it is counted once more, and the row stays as it is.
    """

    mandate = models.CharField(max_length=63, default="", blank=True)
    day_on = models.DateField()
    version = models.PositiveIntegerField(
        default=0
    )  # of the mandate when it was counted last; 0 for the index
    counted_at = models.DateTimeField()
    seconds = models.FloatField(default=0)  # how long counting took
    is_over = models.BooleanField(default=False)
    counts = models.JSONField(default=dict)

    class Meta:
        """A day is counted once for each mandate."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["mandate", "day_on"], name="adoption_once")]
        indexes: ClassVar = [models.Index(fields=["day_on", "is_over"], name="adoption_day")]

    def __str__(self) -> str:
        """Return mandate and day."""
        return f"{self.mandate or 'index'} {self.day_on}"
