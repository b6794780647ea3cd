"""Rows of organizations, their members, teams and invitations.

What a person may do is worked out from these rows whenever it is asked; nothing of it is copied anywhere. A member of a
team is a row that hangs on the membership, so that no right by a team can outlive it. A foreign key has no index of its own
(`db_index=False`) where a wider one begins with it.
"""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.db import models


class Organization(models.Model):
    """People who look after projects together. Identity is the normalised name."""

    name = models.CharField(max_length=50)  # as its owners spell it
    normalized_name = models.CharField(max_length=50, unique=True)
    title = models.CharField(max_length=100, default="", blank=True)
    description = models.CharField(max_length=500, default="", blank=True)
    created_at = models.DateTimeField()
    # who reads its projects where the index is private, unless a project says otherwise (`rules.READERS`)
    reads = models.CharField(max_length=16, default="everybody", db_default="everybody")

    def __str__(self) -> str:
        """Return the name as its owners spell it."""
        return self.name


class UsedName(models.Model):
    """A name that an organization has or had; nobody else ever gets it, nor one that people confuse with it.

    Whoever asks for a former name is led to the organization. Once that is deleted, it leads nowhere and stays taken.
    """

    folded_name = models.CharField(max_length=50, unique=True)  # after confusables folding
    organization = models.ForeignKey(
        Organization, null=True, on_delete=models.SET_NULL, related_name="used_names"
    )
    used_at = models.DateTimeField()

    def __str__(self) -> str:
        """Return the folded name."""
        return self.folded_name


class Membership(models.Model):
    """That a person belongs to an organization, and as what."""

    class Kind(models.TextChoices):
        """Owners decide about people, managers about teams and new projects."""

        OWNER = "owner"
        MANAGER = "manager"
        MEMBER = "member"

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="members", db_index=False
    )
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="memberships")
    kind = models.CharField(max_length=16, choices=Kind)
    since_at = models.DateTimeField()
    # the end or lowering of an owner's role that waits, until it is taken back or its instant comes
    ends_at = models.DateTimeField(null=True, blank=True, db_index=True)
    ends_as = models.CharField(
        max_length=16, default="", db_default="", blank=True
    )  # afterwards; empty: none
    ends_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    ends_asked_by_name = models.CharField(max_length=150, default="", db_default="", blank=True)
    # when they were last reminded of what the mandates ask of them
    nudged_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        """A person belongs to an organization once."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "user"], name="one_membership_a_person")
        ]

    def __str__(self) -> str:
        """Return the kind of role."""
        return self.kind


class Team(models.Model):
    """Members of an organization who have roles in its projects together."""

    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, related_name="teams", db_index=False
    )
    name = models.CharField(max_length=50)
    normalized_name = models.CharField(max_length=50)
    created_at = models.DateTimeField()
    # among those that read, where the organization keeps its projects to teams
    reads = models.BooleanField(default=False, db_default=False)

    class Meta:
        """A name stands once in an organization."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["organization", "normalized_name"], name="team_name_once")
        ]

    def __str__(self) -> str:
        """Return the name."""
        return self.name


class TeamMember(models.Model):
    """That a member of an organization is in one of its teams; it goes with the membership."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="members", db_index=False)
    member = models.ForeignKey(Membership, on_delete=models.CASCADE, related_name="teams")
    since_at = models.DateTimeField()
    # being taken out of a team that owns a critical project waits, until it is taken back or its instant comes
    ends_at = models.DateTimeField(null=True, blank=True, db_index=True)
    ends_asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.PROTECT, related_name="+"
    )
    ends_asked_by_name = models.CharField(max_length=150, default="", db_default="", blank=True)

    class Meta:
        """Somebody is in a team once."""

        constraints: ClassVar = [models.UniqueConstraint(fields=["team", "member"], name="team_member_once")]

    def __str__(self) -> str:
        """Return the number of the membership."""
        return str(self.member_id)


class OrganizationInvitation(models.Model):
    """A role that was offered to somebody: an account by its user name, or whoever proves to read an address.

    It gives nothing until it is accepted. `user` is null for an address, and for a user name that nobody has: whoever
    takes that name later was not meant. Once `ended_at` is set it is over, and `outcome` says how.
    """

    class Outcome(models.TextChoices):
        """How an invitation ended; one that is only too old has none."""

        ACCEPTED = "accepted"
        DECLINED = "declined"
        REVOKED = "revoked"

    organization = models.ForeignKey(Organization, on_delete=models.CASCADE, related_name="invitations")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, on_delete=models.PROTECT, related_name="organization_invitations"
    )
    username = models.CharField(max_length=50, default="", blank=True)  # as it was typed
    address = models.CharField(max_length=254, default="", blank=True, db_index=True)  # in lower case
    kind = models.CharField(max_length=16)  # of the role
    hands_over = models.BooleanField(default=False, db_default=False)  # whoever invites goes with it
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

        indexes: ClassVar = [models.Index(fields=["expires_at"], name="org_invitation_expires")]

    def __str__(self) -> str:
        """Return to whom it went."""
        return self.username or self.address


class OrganizationApplication(models.Model):
    """That somebody asks the operators for an organization, where these decide about each.

    Until it is decided operators may ask for more; the newest question stands here with its reply.
    """

    class Outcome(models.TextChoices):
        """How it ended: by the operators, or by whoever applied."""

        APPROVED = "approved"
        DECLINED = "declined"
        WITHDRAWN = "withdrawn"

    name = models.CharField(max_length=50)
    # after confusables folding: whoever applies for such a name applies for the same one
    folded_name = models.CharField(max_length=50, default="", db_default="", db_index=True)
    title = models.CharField(max_length=100, default="", db_default="", blank=True)
    reason = models.CharField(max_length=500)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="organization_applications"
    )
    asked_at = models.DateTimeField()
    question = models.CharField(max_length=500, default="", db_default="", blank=True)
    question_at = models.DateTimeField(null=True)
    question_by_name = models.CharField(max_length=150, default="", db_default="", blank=True)
    reply = models.CharField(max_length=500, default="", db_default="", blank=True)  # to the question
    replied_at = models.DateTimeField(null=True)
    decided_at = models.DateTimeField(null=True)
    decided_by_name = models.CharField(max_length=150, default="", blank=True)
    outcome = models.CharField(max_length=16, choices=Outcome, default="", blank=True)
    answer = models.CharField(max_length=500, default="", blank=True)  # what the operators told with it

    def __str__(self) -> str:
        """Return the name that is asked for."""
        return self.name

    @property
    def state(self) -> str:
        """Return how it stands: waiting (for the operators), asked (waiting for whoever applied), or its outcome."""
        if self.decided_at is not None:
            return self.outcome
        return "asked" if self.question_at is not None and self.replied_at is None else "waiting"
