"""Rows of recovery: a case, and what others said in it."""

from __future__ import annotations

from typing import ClassVar

from django.db import models


class RecoveryCase(models.Model):
    """Somebody asks to come back in. `needed` and `co_owner_ids` are of the instant at which it was opened.

    Whoever gains an owner's role afterwards says nothing in it, and nobody gets by with fewer by taking others out.
    """

    class Path(models.TextChoices):
        """How it began."""

        MAIL = "mail"  # by a mailed link
        OPERATORS = "operators"  # an operator opened it, since no mail reaches the person
        HOST = "host"
        FACTORS = "factors"  # by two of recovery code, key and app, without password and mailbox

    class State(models.TextChoices):
        """How it stands; all but the first are ends."""

        OPEN = "open"
        FINISHED = "finished"
        STOPPED = "stopped"  # by its owner: a factor was proven, or a notice answered
        REFUSED = "refused"
        EXPIRED = "expired"

    user = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="recovery_cases")
    path = models.CharField(max_length=16, choices=Path)
    state = models.CharField(max_length=16, choices=State, default=State.OPEN)
    opened_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    address = models.CharField(max_length=254, default="", blank=True)  # that the mailed proof came from
    knows_password = models.BooleanField(default=False)
    knows_code = models.BooleanField(default=False)  # an unused recovery code was given, and is used up
    # what a case by factors was begun with, as `rules.PROOFS` names it
    proofs = models.CharField(max_length=64, default="", db_default="", blank=True)
    # of the browser that began a case by factors, as digest: only there it is finished
    browser = models.CharField(max_length=64, default="", blank=True)
    hands_over = models.BooleanField(default=False)  # the mailbox is gone: operators hand the link over
    reason = models.CharField(max_length=500, default="", blank=True)  # of whoever opened it for somebody
    co_owner_ids = models.JSONField(default=list)
    needed = models.IntegerField(default=0)  # words of co-owners
    basis = models.CharField(max_length=24, default="", blank=True)  # what it rests on since it was complete
    ready_at = models.DateTimeField(null=True)  # from then on the link of a complete case works
    closed_at = models.DateTimeField(null=True)
    closed_by = models.CharField(max_length=60, default="", blank=True)
    closing_reason = models.CharField(max_length=500, default="", blank=True)

    class Meta:
        """A file of the accounts feature; a person has one open case."""

        app_label = "accounts"
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user"], name="one_open_recovery_case", condition=models.Q(state="open")
            )
        ]
        indexes: ClassVar = [models.Index(fields=["state", "opened_at"], name="recovery_case_state")]

    def __str__(self) -> str:
        """Return how it began and stands."""
        return f"{self.path} ({self.state})"


class RecoveryWord(models.Model):
    """What one person said in a case: a co-owner who vouches, or an operator who approves."""

    class Kind(models.TextChoices):
        """As what somebody spoke."""

        VOUCHER = "voucher"
        APPROVAL = "approval"

    case = models.ForeignKey(RecoveryCase, on_delete=models.CASCADE, related_name="words")
    by = models.ForeignKey("accounts.User", on_delete=models.CASCADE, related_name="recovery_words")
    kind = models.CharField(max_length=16, choices=Kind)
    reason = models.CharField(max_length=500)
    given_at = models.DateTimeField()

    class Meta:
        """A file of the accounts feature; nobody speaks twice in a case, also not as two."""

        app_label = "accounts"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["case", "by"], name="one_word_in_a_recovery_case")
        ]

    def __str__(self) -> str:
        """Return as what somebody spoke."""
        return self.kind
