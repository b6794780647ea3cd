"""The ledger of API tokens."""

from __future__ import annotations

import uuid
from typing import ClassVar, Final

from django.conf import settings
from django.db import models

from keyhouse.core.actor import Strength
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import Project

API: Final = "api-token"
ROBOT: Final = "robot-token"


class Token(models.Model):
    """One API token. No key is kept here: it is derived from the named root key and this id."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    key_id = models.CharField(max_length=32)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="tokens")
    description = models.CharField(max_length=100)
    is_for_all_projects = models.BooleanField(default=False)
    projects = models.ManyToManyField(Project, related_name="tokens")
    # of a robot token: whose it is, whatever becomes of the person; it goes with the project
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="robot_tokens")
    # of a robot token of an organization; it goes with that
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, null=True, related_name="robot_tokens"
    )
    may_found = models.BooleanField(default=False, db_default=False)  # may make projects in its organization
    version = models.CharField(
        max_length=200, default="", db_default="", blank=True
    )  # this release only (canonical)
    networks = models.JSONField(default=list, db_default=[])  # from these only; empty: from everywhere
    actions = models.JSONField(default=list)  # upload, yank, read
    reason = models.CharField(max_length=200, default="", blank=True)  # why all projects
    minted_at = models.DateTimeField()
    minted_methods = models.JSONField(default=list)  # what the minting session had proven
    minted_proof_at = models.DateTimeField()
    minted_user_verified = models.BooleanField(default=False)
    minted_device_bound = models.BooleanField(default=False)
    minted_session = models.CharField(max_length=64, default="", blank=True)  # its public id
    minted_mandate = models.CharField(max_length=100, default="", blank=True)
    expires_at = models.DateTimeField()
    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=100, default="", blank=True)
    suspended_at = models.DateTimeField(null=True)
    confirmed_at = models.DateTimeField(null=True)  # of a robot token that another owner took over
    rest_told_at = models.DateTimeField(null=True)  # when the owners were told that it rests
    told_projects = models.JSONField(
        default=list, db_default=[]
    )  # of whose trusted publishers its owner was told
    reminded_days = models.PositiveSmallIntegerField(null=True)  # the last reminder of its end: days before
    last_used_at = models.DateTimeField(null=True)
    last_used_client = models.CharField(max_length=300, default="", blank=True)
    last_used_network = models.CharField(max_length=64, default="", blank=True)

    class Meta:
        """A person tells their live tokens apart by the description; so do owners with those of project or organization."""

        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["user", "description"],
                name="token_description_unique",
                condition=models.Q(revoked_at__isnull=True, project__isnull=True, organization__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["project", "description"],
                name="robot_token_description_unique",
                condition=models.Q(revoked_at__isnull=True, project__isnull=False),
            ),
            models.UniqueConstraint(
                fields=["organization", "description"],
                name="organization_token_description_unique",
                condition=models.Q(revoked_at__isnull=True, organization__isnull=False),
            ),
        ]

    def __str__(self) -> str:
        """Return the description its owner gave."""
        return self.description

    @property
    def is_robot(self) -> bool:
        """Whether it belongs to a project or an organization, and rests while the person behind it is no owner of that."""
        return self.project_id is not None or self.organization_id is not None

    @property
    def kind(self) -> str:
        """Return what kind of token it is, in a word for records and files."""
        return ROBOT if self.is_robot else API

    @property
    def strength(self) -> Strength:
        """Return what the session that minted or confirmed it had proven; it is never stronger, and as old as that."""
        return Strength(
            frozenset(self.minted_methods),
            self.confirmed_at or self.minted_at,
            self.minted_user_verified,
            self.minted_device_bound,
        )


class Change(models.Model):
    """The one row that counts revocations, so that verdicts kept in memory anywhere are dropped at once."""

    value = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        """Return the count."""
        return str(self.value)
