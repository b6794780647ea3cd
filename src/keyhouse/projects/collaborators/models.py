"""Rows of invitations into projects. A room's models stand in the feature's `models.py`, where Django finds them."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class ProjectInvitation(models.Model):
    """A role that was offered to somebody: an account by its user name, or whoever proves to read an address.

    It gives nothing until it is accepted. `user` is null for an address, and for a user name that nobody has: whoever
    takes that name later was not meant. Once `ended_at` is set it is over, and `outcome` says how.
    """

    class Outcome(models.TextChoices):
        """How an invitation ended; one that is only too old has none."""

        ACCEPTED = "accepted"
        DECLINED = "declined"
        REVOKED = "revoked"

    project = models.ForeignKey("projects.Project", on_delete=models.CASCADE, related_name="invitations")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="project_invitations"
    )
    username = models.CharField(max_length=50, default="", blank=True)  # as it was typed
    address = models.CharField(max_length=254, default="", blank=True, db_index=True)  # in lower case
    kind = models.CharField(max_length=16)  # of the role
    hands_over = models.BooleanField(default=False)  # whoever invites gives their own role up with it
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )  # null: the host
    invited_by_name = models.CharField(max_length=150)
    invited_at = models.DateTimeField()
    # of the last mail about it; null: nobody was mailed, or the link in it died with a restore
    sent_at = models.DateTimeField(null=True)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=16, choices=Outcome, default="", blank=True)
    accepted_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        """Old ones are forgotten by their end."""

        indexes: ClassVar = [models.Index(fields=["expires_at"], name="invitation_expires")]

    def __str__(self) -> str:
        """Return to whom it went."""
        return self.username or self.address


class RoleChange(models.Model):
    """The end or the lowering of somebody's role that waits; it takes effect at `due_at` unless it is taken back.

    `kind` is the role afterwards; empty: none.
    """

    project = models.ForeignKey(
        "projects.Project", on_delete=models.CASCADE, related_name="role_changes", db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="role_changes")
    kind = models.CharField(max_length=16, default="", blank=True)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )  # null: the host
    asked_by_name = models.CharField(max_length=150)
    asked_at = models.DateTimeField()
    due_at = models.DateTimeField(db_index=True)

    class Meta:
        """One waits for a person in a project."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "user"], name="one_role_change_a_person")
        ]

    def __str__(self) -> str:
        """Return what becomes of the role."""
        return self.kind or "none"


class FormerRole(models.Model):
    """A role that ended, by the project's lineage, so that a mandate's hold on its name doesn't end with it."""

    class How(models.TextChoices):
        """What ended it."""

        LEFT = "left"
        REMOVED = "removed"
        LOWERED = "lowered"
        HANDED_OVER = "handed-over"
        ACCOUNT_DELETED = "account-deleted"
        RAISED = "raised"  # it became a higher one
        RECOVERED = "recovered"  # whoever gave it was in somebody else's account
        MOVED = "moved"  # it came by an organization, which the project left

    lineage = models.UUIDField(db_index=True)
    normalized_name = models.CharField(max_length=200)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="former_roles")
    kind = models.CharField(max_length=16)
    since_at = models.DateTimeField()
    ended_at = models.DateTimeField()
    how = models.CharField(max_length=16, choices=How)
    ended_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="+"
    )

    class Meta:
        """What ended lately is asked for each minute."""

        indexes: ClassVar = [models.Index(fields=["ended_at"], name="former_role_by_end")]

    def __str__(self) -> str:
        """Return the kind of role."""
        return self.kind
