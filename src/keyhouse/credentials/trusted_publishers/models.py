"""Issuers that are believed, publishers that projects trust, and what was minted for them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from typing import ClassVar, NamedTuple

from django.conf import settings
from django.db import models
from django.db.models import Q

from keyhouse.core.actor import Strength
from keyhouse.organizations.models import Organization
from keyhouse.projects.models import Project


class Provider(models.TextChoices):
    """Which file of `providers/` reads the claims of an issuer."""

    GITHUB = "github"
    GITLAB = "gitlab"
    GOOGLE = "google"
    ACTIVESTATE = "activestate"
    CUSTOM = "custom"


class Issuer(models.Model):
    """An issuer that the operators added or removed, and its keys as they were fetched last.

    The public ones are known without a row; one that was removed keeps its row, so that it stays refused.
    """

    url = models.CharField(
        max_length=300, unique=True
    )  # canonical: as `iss` has it, without a slash at the end
    provider = models.CharField(max_length=16, choices=Provider)
    label = models.CharField(max_length=100, default="", blank=True)  # what pages call it
    required_claims = models.JSONField(
        default=list
    )  # of a custom one: the names that every publisher must fix
    may_be_private = models.BooleanField(default=False)  # its address may lie in a private network
    added_at = models.DateTimeField()
    removed_at = models.DateTimeField(null=True)
    keys = models.JSONField(default=dict)  # the key set (RFC 7517) as it was fetched last
    keys_at = models.DateTimeField(null=True)  # when that was
    asked_at = models.DateTimeField(null=True)  # when it was asked last, with or without an answer

    def __str__(self) -> str:
        """Return its address."""
        return self.url

    @property
    def is_silent(self) -> bool:
        """Whether it gave no answer when it was asked last, or has none given yet."""
        return self.asked_at is not None and (self.keys_at is None or self.keys_at < self.asked_at)


class Reached(NamedTuple):
    """A project that a publisher speaks for."""

    normalized_name: str
    status: str


class Publisher(models.Model):
    """What a project trusts to publish: an identity at an issuer. With the name of a project to come it is pending.

    A row speaks for one project, or for some of an organization; the same identity may stand in several. It acts with the
    right and the strength of whoever set it up or confirmed it last, as they are now.
    """

    issuer_url = models.CharField(max_length=300)
    provider = models.CharField(max_length=16, choices=Provider)
    project = models.ForeignKey(Project, on_delete=models.CASCADE, null=True, related_name="publishers")
    # whose it is, where it is no single project's and no person's; it goes with that
    organization = models.ForeignKey(
        Organization, on_delete=models.CASCADE, null=True, related_name="publishers"
    )
    is_for_all_projects = models.BooleanField(
        default=False, db_default=False
    )  # of the organization, as at use
    projects = models.ManyToManyField(
        Project, related_name="publishers_of_organizations"
    )  # those chosen else
    pending_name = models.CharField(max_length=200, default="", blank=True)  # as spelt
    pending_normalized_name = models.CharField(max_length=200, default="", blank=True)
    expires_at = models.DateTimeField(null=True)  # of a pending one
    claims = models.JSONField(default=dict)  # what was configured, by the provider's words
    environment = models.CharField(max_length=200, default="", blank=True)
    lookup = models.CharField(
        max_length=300
    )  # what is asked first: repository, project path, address; folded
    identity = models.CharField(max_length=64)  # SHA-256 of issuer, claims that identify, environment
    added_at = models.DateTimeField()
    configured_by = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    configured_at = models.DateTimeField()  # set up, or confirmed last
    configured_methods = models.JSONField(default=list)  # what that session had proven
    configured_user_verified = models.BooleanField(default=False)
    configured_device_bound = models.BooleanField(default=False)
    configured_session = models.CharField(max_length=64, default="", blank=True)  # its public id
    configured_mandate = models.CharField(max_length=100, default="", blank=True)
    last_used_at = models.DateTimeField(null=True)
    last_used_claims = models.JSONField(default=dict)  # run, ref, sha, environment and the like
    seen_environment = models.CharField(max_length=200, default="", blank=True)  # where none is configured
    # the number of repository or project at its issuer, which stays where its name changes; learned at first use
    known_id = models.CharField(max_length=64, default="", db_default="", blank=True)
    refused_at = models.DateTimeField(null=True)  # when its people were told last of an identity that differs
    warned_at = models.DateTimeField(null=True)  # when they were mailed last that somebody else has its name
    reminded_at = models.DateTimeField(null=True)  # of a pending one: when its person was reminded

    class Meta:
        """A project, or a name to come, trusts an identity once; found by issuer and look-up."""

        constraints: ClassVar = [
            models.UniqueConstraint(fields=["project", "identity"], name="publisher_once_a_project"),
            models.UniqueConstraint(
                fields=["pending_normalized_name", "identity", "configured_by"],
                name="pending_publisher_once",
                condition=Q(project__isnull=True, organization__isnull=True),
            ),
            models.UniqueConstraint(
                fields=["organization", "pending_normalized_name", "identity"],
                name="publisher_once_an_organization",
                condition=Q(organization__isnull=False),
            ),
        ]
        indexes: ClassVar = [
            models.Index(fields=["issuer_url", "lookup"]),
            models.Index(fields=["issuer_url", "known_id"]),
        ]

    def __str__(self) -> str:
        """Return what it was found by."""
        return f"{self.provider}:{self.lookup}"

    @property
    def is_pending(self) -> bool:
        """Whether its project is still to come."""
        return self.project_id is None and bool(self.pending_normalized_name)

    @property
    def is_of_organization(self) -> bool:
        """Whether it speaks for projects of an organization, not for one that trusts it itself."""
        return self.organization_id is not None and not self.pending_normalized_name

    @property
    def reach(self) -> Mapping[int, Reached]:
        """Return the projects it speaks for, by number; of an organization's as they were when it was read for use."""
        if self.project_id is None or self.project is None:
            reached: Mapping[int, Reached] = vars(self).get("reached", {})
            return reached
        return {self.project_id: Reached(self.project.normalized_name, self.project.status)}

    @property
    def strength(self) -> Strength:
        """Return what the session had proven that set it up or confirmed it; it is as old as that."""
        return Strength(
            frozenset(self.configured_methods),
            self.configured_at,
            self.configured_user_verified,
            self.configured_device_bound,
        )


class MintedToken(models.Model):
    """A token that was given for an identity: for minutes, for the projects of its publishers only."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    key_id = models.CharField(max_length=32)
    issuer_url = models.CharField(max_length=300)
    provider = models.CharField(max_length=16)
    publisher_ids = models.JSONField(default=list)  # rows of `Publisher`; one that is gone gives nothing
    actions = models.JSONField(default=list)  # upload, or read
    claims = models.JSONField(default=dict)  # kept of the identity: run, ref, sha, …
    minted_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=100, default="", blank=True)
    last_used_at = models.DateTimeField(null=True)
    is_single_use = models.BooleanField(default=False, db_default=False)  # for one upload (PEP 807)
    only_project = models.BigIntegerField(null=True)  # the one that was asked for, of an organization's
    spent_at = models.DateTimeField(null=True)  # when that upload began

    def __str__(self) -> str:
        """Return its number."""
        return self.pk.hex


class SpentIdentity(models.Model):
    """An identity token that was shown once; kept beyond its expiry, so that it is never taken twice."""

    digest = models.CharField(
        max_length=64, unique=True
    )  # SHA-256 of issuer and `jti`, or of the token itself
    until = models.DateTimeField(db_index=True)

    def __str__(self) -> str:
        """Return the digest."""
        return self.digest
